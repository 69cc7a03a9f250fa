"""Band codes of satellites, such as B8A and SR_B4, and their common names (STAC). Opens no file.

One code means different bands on different satellites: B5 is red edge on Sentinel-2, near infrared on Landsat 8.
The set of codes in a file and the way they are written tell which it is, or nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_CODE = re.compile(r"(?P<surface>sr_)?b(?P<number>\d{1,2}|8a)(?P<tail>_\d\dm|, central wavelength .*)?", re.IGNORECASE)

_SENTINEL_2 = {
    "1": "coastal",
    "2": "blue",
    "3": "green",
    "4": "red",
    "5": "rededge071",
    "6": "rededge075",
    "7": "rededge078",
    "8": "nir",
    "8a": "nir08",
    "9": "nir09",
    "10": "cirrus",
    "11": "swir16",
    "12": "swir22",
}
_LANDSAT_8 = {
    "1": "coastal",
    "2": "blue",
    "3": "green",
    "4": "red",
    "5": "nir08",
    "6": "swir16",
    "7": "swir22",
    "8": "pan",
    "9": "cirrus",
    "10": "lwir11",
    "11": "lwir12",
}
_LANDSAT_5 = {"1": "blue", "2": "green", "3": "red", "4": "nir08", "5": "swir16", "7": "swir22"}

_Reading = tuple[Mapping[str, str], str | None]
"""Names by number, and whose they were taken to be where the codes leave it open."""

_UNKNOWN: _Reading = ({}, None)


def names_of_codes(descriptions: Sequence[str | None]) -> tuple[tuple[str | None, ...], str | None]:
    """Common names of the bands of a file that carry codes.

    Two digits (B02), B8A or B12 are Sentinel-2's; B05, B06 and B07 without any of its infrared bands are those of
    Landsat in the Harmonized Landsat Sentinel-2 set. SR_B1 to SR_B7 are Landsat's: of 8 and 9, or of 4 to 7 where
    SR_B1 and SR_B7 are there and SR_B6 is not.

    Args:
        descriptions: of all bands of a file.

    Returns:
        A name for each band, None where it has no code or the codes do not tell; and whose codes they were taken
        to be, where that had to be assumed.
    """
    codes = [_CODE.fullmatch((text or "").strip()) for text in descriptions]
    names, assumed = _reading([code for code in codes if code])
    return tuple(names.get(_number(code)) if code else None for code in codes), assumed


def _number(code: re.Match[str]) -> str:
    return code["number"].lower().lstrip("0")


def _reading(codes: Sequence[re.Match[str]]) -> _Reading:
    numbers = {_number(code) for code in codes}
    surface = {bool(code["surface"]) for code in codes}
    if surface == {True}:
        return _of_landsat(numbers)
    if surface == {False}:
        padded = any(code["number"].startswith("0") for code in codes)
        by_driver = any("wavelength" in (code["tail"] or "") for code in codes)  # of GDAL's driver for Sentinel-2
        return (_SENTINEL_2, None) if by_driver else _without_prefix(numbers, padded=padded)
    return _UNKNOWN


def _of_landsat(numbers: set[str]) -> _Reading:
    if "6" in numbers:
        return _LANDSAT_8, None
    if {"1", "7"} <= numbers:
        return _LANDSAT_5, None
    return _UNKNOWN if "1" in numbers else (_LANDSAT_8, "Landsat 8 or 9")


def _without_prefix(numbers: set[str], *, padded: bool) -> _Reading:
    if numbers & {"8a", "12"}:
        return _SENTINEL_2, None
    if {"5", "6", "7"} <= numbers and "8" not in numbers:
        return (_LANDSAT_8, "Landsat 8 or 9") if padded else _UNKNOWN
    if "10" not in numbers and (padded or "11" in numbers):
        return _SENTINEL_2, None
    return _UNKNOWN
