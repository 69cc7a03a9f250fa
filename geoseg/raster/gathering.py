"""What the name of a scene stands for: a raster, bands in files of their own, or a mosaic. Reads headers, no pixels."""

from __future__ import annotations

import functools
import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.raster.band_files import BandFile, band_in_name, bands_of_files
from geoseg.raster.file_facts import FileFacts, read_facts
from geoseg.raster.gdal import FOR_GDAL
from geoseg.raster.opening import harmless_name, read_text
from geoseg.raster.reach import Reach, resolved
from geoseg.raster.scene_item import is_item, read_scene_item

_RASTERS = (".tif", ".tiff", ".jp2", ".img", ".png", ".jpg", ".jpeg")
_WILD = re.compile(r"[*?\[]")
_APART = re.compile(r"(\d+)")
_ITEM_ENDINGS = (".json", ".geojson")
_SAME_PX = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The files of a scene."""

    parts: tuple[FileFacts, ...] = ()
    """One raster, or those of a mosaic."""

    bands: tuple[BandFile, ...] = ()
    """Bands in files of their own; then there are no parts."""

    acquired: datetime | None = None
    """When it was taken, by its item."""

    remarks: tuple[str, ...] = ()
    """What had to be assumed."""


def gather(path: str, reach: Reach) -> Gathered:
    """Find the files of a scene.

    Args:
        path: a raster, a STAC item, a folder or glob of files, or a list of files (.txt).
        reach: what files that point at others may reach besides what lies beside them or below.

    Raises:
        SceneError: if there is nothing, it cannot be read, it points where it may not, or it is not clear what it is.
    """
    if _ending_of(path) in _ITEM_ENDINGS:
        return _of_item(path)
    if _ending_of(path) == ".txt" and not FOR_GDAL.match(path):
        return _of_files(_listed(path, reach), reach)
    if Path(path).is_dir():
        return _of_folder(Path(path), reach)
    if FOR_GDAL.match(path) or Path(path).exists():
        return Gathered(parts=(read_facts(harmless_name(path, reach), name=path),))
    if _WILD.search(path):
        found = sorted(glob.glob(path, recursive=True), key=_in_order)  # noqa: PTH207 - a pattern may be absolute
        return _of_files(_beside_itself(found, reach), reach, folder=path)
    raise SceneError(f"{path}: no such file: check the path of the scene")


def opened_band(each: BandFile, reach: Reach) -> FileFacts:
    """The header of the file of a band.

    Raises:
        SceneError: if it cannot be read, or is not to be reached.
    """
    if each.facts is not None:
        return each.facts
    if each.named_in is not None:
        reach.joined(Reach.beside(each.named_in)).require(each.path, named_in=each.named_in)
    facts = read_facts(harmless_name(each.path, reach), name=each.path)
    if each.index > len(facts.bands):
        raise SceneError(f"{each.path}: has {len(facts.bands)} band(s), the item says at least {each.index}")
    return facts


def _of_folder(folder: Path, reach: Reach) -> Gathered:
    items = [str(each) for each in sorted(folder.glob("*.json")) if is_item(str(each))]
    if len(items) == 1:
        return _of_item(items[0])
    found = sorted((str(each) for each in folder.iterdir() if _is_raster(each)), key=_in_order)
    return _of_files(_within(found, str(folder), reach), reach, folder=str(folder))


def _of_item(path: str) -> Gathered:
    item = read_scene_item(path)
    return Gathered(bands=item.bands, acquired=item.acquired, remarks=item.remarks)


def _of_files(files: Sequence[str], reach: Reach, *, folder: str = "") -> Gathered:
    """One raster, bands, or a mosaic: by what the files cover and how they are called."""
    if not files:
        raise SceneError(f"{folder}: holds no rasters ({', '.join(_RASTERS)}): give a scene")
    facts = _headers(tuple((harmless_name(file, reach), file, _state_of(file)) for file in files))
    if len(facts) == 1:
        return Gathered(parts=tuple(facts))
    together = all(_same_ground(facts[0].georef, each.georef) for each in facts[1:])
    names = {band_in_name(each.name) for each in facts} - {None}
    if together:
        if not names and any(len(each.bands) > 1 for each in facts):
            raise SceneError(f"{folder or files[0]}: {len(facts)} rasters of the same ground: map them one by one")
        return Gathered(bands=bands_of_files(facts))
    if len(names) > 1:
        raise SceneError(
            f"{folder or files[0]}: files differ in bands ({', '.join(sorted(map(str, names)))}) and in ground: "
            "give the bands of one tile, or tiles with all bands"
        )
    kinds = {tuple((band.description, band.colour, band.is_alpha) for band in each.bands) for each in facts}
    if len({len(each.bands) for each in facts}) > 1 or len({each.dtypes for each in facts}) > 1 or len(kinds) > 1:
        raise SceneError(
            f"{folder or files[0]}: {len(facts)} rasters of different ground have different bands or types: "
            "a mosaic needs the same in each; map them apart"
        )
    return Gathered(parts=tuple(facts))


@functools.lru_cache(maxsize=1)
def _headers(files: tuple[tuple[str, str, object], ...]) -> tuple[FileFacts, ...]:
    """Headers by name to open, name to show and state: a command asks for those of one scene again and again."""
    return tuple(read_facts(path, name=name) for path, name, _ in files)


def _state_of(file: str) -> tuple[int, int, int] | None:
    try:
        state = os.stat(file)  # noqa: PTH116 - of thousands
    except OSError:  # remote
        return None
    return state.st_size, state.st_mtime_ns, state.st_ino


def _same_ground(first: GeoRef, other: GeoRef) -> bool:
    """Whether the corners of two grids are the same, to a pixel and a half of the coarser one."""
    if first.crs != other.crs:
        return False
    fine, coarse = sorted((first, other), key=lambda each: abs(each.transform.determinant))
    step = ~coarse.transform @ fine.transform
    corners = [step @ corner for corner in ((0, 0), (fine.width, fine.height))]
    wanted = [(0, 0), (coarse.width, coarse.height)]
    return all(max(abs(x - a), abs(y - b)) <= _SAME_PX for (x, y), (a, b) in zip(corners, wanted, strict=True))


def _listed(path: str, reach: Reach) -> list[str]:
    """The files of a list, a line each; they may lie beside the list or below, or where the user allowed."""
    allowed = reach.joined(Reach.beside(path))
    lines = [line.strip() for line in read_text(path).splitlines()]
    files = [resolved(line, base=path) for line in lines if line and not line.startswith("#")]
    if not files:
        raise SceneError(f"{path}: an empty list: write a raster in each line")
    for file in files:
        allowed.require(file, named_in=path)
    return files


def _within(files: Sequence[str], folder: str, reach: Reach) -> Sequence[str]:
    """Files of a folder; links that lead out of it are refused."""
    allowed = reach.joined(Reach(folders=(os.path.realpath(folder),)))
    for file in files:
        allowed.require(os.path.abspath(file), named_in=folder)  # noqa: PTH100 - links stay for the message
    return files


def _beside_itself(files: Sequence[str], reach: Reach) -> Sequence[str]:
    """Files that a glob found; links that lead out of their folder are refused."""
    for file in files:
        reach.joined(Reach.beside(file)).require(os.path.abspath(file), named_in=file)  # noqa: PTH100 - as above
    return [file for file in files if Path(file).is_file()]


def _is_raster(path: Path) -> bool:
    return path.suffix.lower() in _RASTERS and path.is_file()


def _ending_of(path: str) -> str:
    return Path(path.split("?", maxsplit=1)[0]).suffix.lower()


def _in_order(name: str) -> list[tuple[int, str]]:
    """Tiles in the order of their numbers: tile_2 before tile_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _APART.split(name)]
