"""Which bands of a file are meant: by description, colour interpretation or number. Opens no file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from geoseg.errors import SceneError

_ALIASES = {
    "r": "red",
    "g": "green",
    "b": "blue",
    "n": "nir",
    "nearinfrared": "nir",
    "nir1": "nir",
    "nir08": "nir08",
    "infrared": "nir",
    "swir1": "swir16",
    "swir2": "swir22",
    "coastalaerosol": "coastal",
    "panchromatic": "pan",
}
_STAND_INS = {"nir": "nir08", "nir08": "nir"}
_COLOUR_AND_INFRARED = 4
_COLOURS = {"red", "green", "blue", "nir", "coastal", "swir", "pan"}
_NUMBERED = re.compile(r"((band|layer)\d+)?")  # what software writes for want of a name


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBand:
    """One band as a file declares it."""

    index: int
    """Position in the file, from 1."""

    description: str | None
    """Free text, where the file has any."""

    colour: str
    """Name of its colour interpretation, in lower case: red, gray, undefined, ..."""

    is_alpha: bool
    """True where the band says which pixels are valid rather than what they look like."""

    @property
    def name(self) -> str | None:
        """The common name of the band (STAC), or None where the file does not tell."""
        described = common_name(self.description or "")
        if not _NUMBERED.fullmatch(described):
            return described
        return self.colour if self.colour in _COLOURS else None


def common_name(text: str) -> str:
    """The one spelling of a band's name: `Near Infrared`, `NIR` and `nir` are `nir`."""
    key = re.sub(r"[^a-z0-9]", "", text.lower())
    return _ALIASES.get(key, key)


def choose_bands(bands: Sequence[FileBand], wanted: Sequence[str] | None) -> tuple[tuple[int, ...], str | None]:
    """Indices in the file (from 1) of the wanted bands, and a warning where they had to be assumed.

    Args:
        bands: all the bands of the file.
        wanted: names or numbers (from 1), in the order asked for; None takes every band but alpha.

    Raises:
        SceneError: if a band is not there, or cannot be told from the file.
    """
    imagery = [band for band in bands if not band.is_alpha]
    if wanted is None:
        return tuple(band.index for band in imagery), None
    if all(item.strip().isdigit() for item in wanted):
        return tuple(_by_number(int(item), len(bands)) for item in wanted), None
    named = {band.name: band.index for band in reversed(imagery) if band.name}
    if not named:
        return _by_position(imagery, wanted)
    return tuple(_by_name(item, named, bands) for item in wanted), None


def _by_number(number: int, count: int) -> int:
    if not 1 <= number <= count:
        raise SceneError(f"there is no band {number}: the scene has {count} band(s), numbered from 1")
    return number


def _by_name(item: str, named: Mapping[str, int], bands: Sequence[FileBand]) -> int:
    if item.strip().isdigit():
        return _by_number(int(item), len(bands))
    name = common_name(item)
    for candidate in (name, _STAND_INS.get(name, name)):
        if candidate in named:
            return named[candidate]
    have = ", ".join(f"{band.index}={_label(band)}" for band in bands)
    raise SceneError(f"no band is called {item!r}: the scene has {have}; choose by number with --bands")


def _label(band: FileBand) -> str:
    return "alpha" if band.is_alpha else band.name or "unnamed"


def _by_position(imagery: Sequence[FileBand], wanted: Sequence[str]) -> tuple[tuple[int, ...], str | None]:
    """Bands without any name are taken in order where that is the one plausible reading."""
    colour = tuple(common_name(item) for item in wanted) == ("red", "green", "blue")
    colour_first = colour and len(imagery) == _COLOUR_AND_INFRARED
    if len(imagery) == len(wanted) or colour_first:
        indices = tuple(band.index for band in imagery[: len(wanted)])
        return (
            indices,
            f"the bands have no names: taking {', '.join(map(str, indices))} as {', '.join(wanted)}",
        )
    few = "too few bands" if len(imagery) < len(wanted) else "bands without names"
    raise SceneError(
        f"{few}: the scene has {len(imagery)}, wanted are {len(wanted)} ({', '.join(wanted)}); "
        "choose them by number with --bands, for example --bands 1,2,3"
    )
