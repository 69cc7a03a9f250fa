"""Which scenes an archive has: files, folders, patterns, lists and STAC catalogues, each with its place in the output.

Opens no raster. Links and lists lead no further than the folder or host of what the user named.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from geoseg.errors import ConfigError, SceneError
from geoseg.raster.opening import read_text
from geoseg.raster.reach import Reach, resolved
from geoseg.raster.remote import is_remote
from geoseg.raster.scene_item import is_item

SCENE_ENDINGS = (".tif", ".tiff", ".vrt", ".jp2", ".img")
"""What is taken for a scene in a folder."""

STAC_ENDINGS = (".json", ".geojson")
"""What is taken for STAC."""

_OWN_OUTPUT = "_geoseg"
_OWN_ITEM = ".stac.json"
_OWN_LAYERS = (".classes.tif", ".confidence.tif", ".probabilities.tif", _OWN_ITEM)
_ODD = re.compile(r"[^\w.-]+")
_LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveScene:
    """One scene of an archive."""

    scene: str
    """As `geoseg predict` takes it."""

    place: tuple[str, ...]
    """Folders of the output tree; the last is the scene's own."""

    allow: tuple[str, ...] = ()
    """What it may reach besides what lies beside it, because the user named it."""

    refusal: str = ""
    """Why it may not be read; empty where it may."""


def find_files(sources: Sequence[str]) -> list[ArchiveScene]:
    """Scenes named by files, patterns and folders, each once, in the order of their paths.

    A folder stands for the rasters in it and below it, and for the STAC items where there are any; hidden folders and
    what geoseg made itself are left out.

    Raises:
        ConfigError: if a pattern or a folder holds no scene.
    """
    return in_order(each for source in sources for each in scenes_of_files(source))


def in_order(scenes: Iterator[ArchiveScene]) -> list[ArchiveScene]:
    """Each scene once, in the order of their paths."""
    found: dict[str, ArchiveScene] = {}
    for each in scenes:
        local = not is_remote(each.scene) and ":" not in each.scene
        found.setdefault(os.path.abspath(each.scene) if local else each.scene, each)  # noqa: PTH100 - links stay
    return sorted(found.values(), key=lambda each: each.scene)


def scenes_of_files(source: str, *, allow: Sequence[str] = (), output: Path | None = None) -> Iterator[ArchiveScene]:
    """The scenes of one file, pattern or folder.

    Args:
        source: as the user wrote it.
        allow: where links of a folder may lead besides into it.
        output: a folder that is left out.

    Raises:
        ConfigError: if a pattern or a folder holds no scene.
    """
    if Path(source).is_dir():
        found = list(_of_folder(Path(source), Path(source), allow, output))
    elif not is_remote(source) and glob.has_magic(source) and not Path(source).exists():
        found = list(_of_pattern(source, allow, output))
    else:
        found = [ArchiveScene(scene=source, place=(name_of(source),))]
    if not found:
        raise ConfigError(f"{source}: holds no scene: expected files ending in {', '.join(SCENE_ENDINGS)}")
    yield from found


def scenes_of_list(path: str, *, allow: Sequence[str] = ()) -> Iterator[ArchiveScene]:
    """The scenes of a list, one a line; relative ones from the folder of the list, into which all of them lead.

    Raises:
        ConfigError: if it names none.
        SceneError: if it cannot be read.
    """
    reach = Reach.of(allow).joined(Reach.beside(path))
    lines = [line.strip() for line in read_text(path).splitlines()]
    files = [resolved(line, base=path) for line in lines if line and not line.startswith("#")]
    if not files:
        raise ConfigError(f"{path}: names no scene: write one in each line")
    for file in files:
        place = _place_below(Path(path).parent, file)
        yield ArchiveScene(scene=file, place=place, refusal=refusal_of(file, reach, named_in=path))


def refusal_of(file: str, reach: Reach, *, named_in: str) -> str:
    """Why a file may not be read; empty where it may."""
    try:
        reach.require(file, named_in=named_in)
    except SceneError as error:
        return str(error)
    return ""


def name_of(scene: str) -> str:
    """The folder of a scene that is known by its path only."""
    return safe_name(Path(scene.split("?", maxsplit=1)[0] if is_remote(scene) else scene).stem)


def safe_name(text: str) -> str:
    """A text as the name of a folder: letters, digits, `_ . -`, no dot in front, at most 100 characters."""
    name = _ODD.sub("_", text).strip(".").strip()
    return name[:_LONGEST] or "scene"


def _of_pattern(pattern: str, allow: Sequence[str], output: Path | None) -> Iterator[ArchiveScene]:
    base = Path(*_plain_parts(pattern))
    own = None if output is None else os.path.realpath(output)
    reach = Reach.of(allow).joined(Reach(folders=(os.path.realpath(base),)))
    for found in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207 - absolute patterns too
        path = Path(found)
        if any(_is_left_out(folder, own) for folder in path.parents if base in folder.parents):
            continue
        if not path.is_dir():
            yield _file(path, base, reach)
        elif not pattern.endswith("**"):
            yield from _of_folder(path, base, allow, output)


def _plain_parts(pattern: str) -> list[str]:
    parts: list[str] = []
    for part in Path(pattern).parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts


def _of_folder(folder: Path, base: Path, allow: Sequence[str], output: Path | None) -> Iterator[ArchiveScene]:
    reach = Reach.of(allow).joined(Reach(folders=(os.path.realpath(folder),)))
    own = None if output is None else os.path.realpath(output)
    for root, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not _is_left_out(Path(root, name), own))
        scenes = _scenes_among(Path(root), sorted(names))
        yield from (_file(Path(root, name), base, reach) for name in scenes)


def _is_left_out(folder: Path, own: str | None) -> bool:
    return folder.name.startswith(".") or folder.name.endswith(_OWN_OUTPUT) or os.path.realpath(folder) == own


def _scenes_among(folder: Path, names: Sequence[str]) -> list[str]:
    """Items where there are some, else rasters; what geoseg made itself is none."""
    stems = [name.removesuffix(_OWN_ITEM) for name in names if name.endswith(_OWN_ITEM)]
    made = {stem + ending for stem in stems if f"{stem}{_OWN_LAYERS[0]}" in names for ending in _OWN_LAYERS}
    others = [name for name in names if name not in made]
    items = [name for name in others if name.lower().endswith(".json") and is_item(str(folder / name))]
    return items or [name for name in others if name.lower().endswith(SCENE_ENDINGS)]


def _file(path: Path, base: Path, reach: Reach) -> ArchiveScene:
    refusal = refusal_of(os.path.abspath(path), reach, named_in=str(base))  # noqa: PTH100 - links stay
    return ArchiveScene(scene=str(path), place=_place_below(base, str(path)), refusal=refusal)


def _place_below(base: Path, scene: str) -> tuple[str, ...]:
    """Folders as they lie below a folder; the name alone where the scene lies elsewhere."""
    try:
        folders = Path(os.path.abspath(scene)).parent.relative_to(os.path.abspath(base)).parts  # noqa: PTH100 - no ..
    except ValueError:
        folders = ()
    return (*map(safe_name, folders), name_of(scene))
