"""Bands that lie in files of their own: what each is called, by its name or by an item."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from geoseg.errors import SceneError
from geoseg.raster.bands import FileBand, common_name
from geoseg.raster.file_facts import FileFacts
from geoseg.raster.gdal import shown
from geoseg.raster.scaling import Declared

_CODE = re.compile(r"(?:^|[_\-. ])((?:SR_)?B(?:\d{1,2}|8A))(?=$|[_\-. ])", re.IGNORECASE)
_WORDS = re.compile(r"[A-Za-z0-9]+")
_COMMON = {
    *("coastal", "blue", "green", "red", "nir", "nir08", "nir09", "swir16", "swir22", "pan", "cirrus"),
    *("lwir11", "lwir12", "rededge", "rededge071", "rededge075", "rededge078", "yellow"),
}
_SPELT = {"swir1", "swir2", "nir1"}
_QUALITY = re.compile(
    r"(?:^|[_\-. ])(SCL|QA_PIXEL|Fmask|QA60|MSK_CLDPRB|BQA|CLD|SNW|QA_RADSAT|QA_AEROSOL)(?=$|[_\-. ])", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BandFile:
    """One band in a file of its own, or one of the bands of an asset."""

    band: FileBand
    """What it is called; its index counts the bands of all files."""

    path: str
    """The file."""

    named_in: str | None = None
    """The item that points at it; None where the user named it."""

    index: int = 1
    """Of the band in the file, from 1."""

    key: str = ""
    """What else it is called: the key of an asset, or the part of a file's name that tells the band."""

    facts: FileFacts | None = None
    """The header, where it was read already."""

    declared: Declared | None = None
    """Scale and offset by the item; None leaves it to the file."""

    nodata: float | None = None
    """By the item, for files that do not say."""


def band_in_name(path: str) -> str | None:
    """What the name of a file says of its band: a code (B02, SR_B4) or a colour; None where it says nothing, or two.

    Args:
        path: of the file: `T33UUP_20240101_B02_10m.jp2`, `LC08_..._SR_B4.TIF`, `red.tif`.
    """
    stem = PurePosixPath(path.split("?", maxsplit=1)[0]).stem
    codes = {found.upper() for found in _CODE.findall(stem)}
    if codes:
        return codes.pop() if len(codes) == 1 else None
    words = {word.lower() for word in _WORDS.findall(stem)}
    colours = {common_name(word) for word in words & (_COMMON | _SPELT)}
    return colours.pop() if len(colours) == 1 else None


def quality_in_name(path: str) -> str | None:
    """The quality band that the name of a file tells: SCL, QA_PIXEL, ...; None where it tells none."""
    found = _QUALITY.search(PurePosixPath(path.split("?", maxsplit=1)[0]).stem)
    return None if found is None else found[1].lower()


def bands_of_files(facts: Sequence[FileFacts]) -> tuple[BandFile, ...]:
    """Files with one band each as the bands of a scene; where a band is there in several sizes the finest counts.

    Args:
        facts: of files on the same ground.

    Raises:
        SceneError: if the names do not tell the bands, or two files of one size have the same.
    """
    finest: dict[str, FileFacts] = {}
    for each in facts:
        name = band_in_name(each.name) or quality_in_name(each.name)
        if name is None:
            continue
        if len(each.bands) != 1:
            raise SceneError(
                f"{shown(each.name)}: is called {name} and has {len(each.bands)} bands: give one band a file"
            )
        other = finest.get(name)
        if other is not None and _pixel(other) == _pixel(each):
            raise SceneError(f"{shown(other.name)} and {shown(each.name)} are both called {name}: give one of them")
        if other is None or _pixel(each) < _pixel(other):
            finest[name] = each
    if not finest:
        names = ", ".join(PurePosixPath(each.name).name for each in facts[:4])
        raise SceneError(
            f"{len(facts)} files of the same ground ({names}): their names tell no bands (B02, SR_B4, red): rename "
            "them, or stack them (gdalbuildvrt -separate) and choose with --bands"
        )
    return tuple(
        BandFile(
            band=FileBand(
                index=number, description=name, colour="undefined", is_alpha=quality_in_name(each.name) == name
            ),
            path=each.path,
            key=name,
            facts=each,
        )
        for number, (name, each) in enumerate(finest.items(), start=1)
    )


def _pixel(facts: FileFacts) -> float:
    return float(abs(facts.georef.transform.determinant))
