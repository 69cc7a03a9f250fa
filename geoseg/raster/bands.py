"""Which bands of a file are meant: by description, colour interpretation or number. Opens no file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from geoseg.errors import SceneError
from geoseg.raster.sensors import names_of_codes

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


@dataclass(frozen=True, slots=True, kw_only=True)
class BandChoice:
    """Which bands of a file are read."""

    indices: tuple[int, ...]
    """Positions in the file, from 1, in the order in which they are read."""

    names: tuple[str, ...]
    """Their common names (STAC); `band N` where the file does not tell."""

    present: tuple[int, ...]
    """For each its position among those wanted, from 0."""

    by_position: bool = False
    """True where the bands have no names and were taken in order."""

    remark: str | None = None
    """What had to be assumed."""


def common_name(text: str) -> str:
    """The one spelling of a band's name: `Near Infrared`, `NIR` and `nir` are `nir`."""
    key = re.sub(r"[^a-z0-9]", "", text.lower())
    return _ALIASES.get(key, key)


def choose_bands(
    bands: Sequence[FileBand], wanted: Sequence[str] | None, *, optional: Sequence[str] = ()
) -> BandChoice:
    """Find the wanted bands.

    Args:
        bands: all the bands of the file.
        wanted: names or numbers (from 1), in the order asked for; None takes every band but alpha.
        optional: those of `wanted` that the file may lack; what it lacks is left out. Bands without any name are
            taken in order where there are as many as wanted, or as many as wanted and not optional.

    Raises:
        SceneError: if a band is not there, or cannot be told from the file.
    """
    imagery = [band for band in bands if not band.is_alpha]
    names, remark = _names(bands)
    if wanted is None:
        return _chosen({place: band.index for place, band in enumerate(imagery)}, names)
    if all(item.strip().isdigit() for item in wanted):
        return _chosen({place: _by_number(int(item), len(bands)) for place, item in enumerate(wanted)}, names)
    named = _named(imagery, names)
    if not named:
        return _by_position(imagery, wanted, optional)
    found = {
        place: index
        for place, item in enumerate(wanted)
        if (index := _by_name(item, named, len(bands))) is not None or item not in optional
    }
    for place, index in found.items():
        if index is None:
            have = ", ".join(f"{band.index}={_label(band, names)}" for band in bands)
            raise SceneError(
                f"no band is called {wanted[place]!r}: the scene has {have}; choose by number with --bands"
            )
    return _chosen({place: index for place, index in found.items() if index is not None}, names, remark)


def _chosen(found: Mapping[int, int], names: Mapping[int, str], remark: str | None = None) -> BandChoice:
    return BandChoice(
        indices=tuple(found.values()),
        names=tuple(names.get(index, f"band {index}") for index in found.values()),
        present=tuple(found),
        remark=remark,
    )


def _names(bands: Sequence[FileBand]) -> tuple[dict[int, str], str | None]:
    """Common names by index in the file, and a remark where codes of a satellite had to be guessed."""
    coded, satellite = names_of_codes([band.description for band in bands])
    names = {band.index: code or _declared(band) for band, code in zip(bands, coded, strict=True)}
    remark = None if satellite is None else f"band names such as {_example(bands, coded)} are taken for {satellite}'s"
    return {index: name for index, name in names.items() if name}, remark


def _declared(band: FileBand) -> str | None:
    described = common_name(band.description or "")
    if not _NUMBERED.fullmatch(described):
        return described
    return band.colour if band.colour in _COLOURS else None


def _example(bands: Sequence[FileBand], coded: Sequence[str | None]) -> str:
    return next(str(band.description) for band, code in zip(bands, coded, strict=True) if code)


def _named(imagery: Sequence[FileBand], names: Mapping[int, str]) -> dict[str, int]:
    """Index of each name; what a band is called in the file counts too, common names win."""
    named = {common_name(band.description): band.index for band in reversed(imagery) if band.description}
    named = {name: index for name, index in named.items() if not _NUMBERED.fullmatch(name)}
    return named | {names[band.index]: band.index for band in reversed(imagery) if band.index in names}


def _by_number(number: int, count: int) -> int:
    if not 1 <= number <= count:
        raise SceneError(f"there is no band {number}: the scene has {count} band(s), numbered from 1")
    return number


def _by_name(item: str, named: Mapping[str, int], count: int) -> int | None:
    if item.strip().isdigit():
        return _by_number(int(item), count)
    name = common_name(item)
    return named.get(name, named.get(_STAND_INS.get(name, name)))


def _label(band: FileBand, names: Mapping[int, str]) -> str:
    return "alpha" if band.is_alpha else names.get(band.index, "unnamed")


def _by_position(imagery: Sequence[FileBand], wanted: Sequence[str], optional: Sequence[str]) -> BandChoice:
    """Bands without any name are taken in order where that is the one plausible reading."""
    every = range(len(wanted))
    needed = [place for place in every if wanted[place] not in optional]
    present = needed if len(imagery) == len(needed) else list(every)
    colour = tuple(common_name(item) for item in wanted) == ("red", "green", "blue")
    colour_first = colour and len(imagery) == _COLOUR_AND_INFRARED
    if len(imagery) == len(present) or colour_first:
        indices = tuple(band.index for band in imagery[: len(present)])
        taken = ", ".join(wanted[place] for place in present)
        return BandChoice(
            indices=indices,
            names=tuple(f"band {index}" for index in indices),
            present=tuple(present),
            by_position=True,
            remark=f"the bands have no names: taking {', '.join(map(str, indices))} as {taken}",
        )
    few = "too few bands" if len(imagery) < len(needed) else "bands without names"
    raise SceneError(
        f"{few}: the scene has {len(imagery)}, wanted are {len(wanted)} ({', '.join(wanted)}); "
        "choose them by number with --bands, for example --bands 1,2,3"
    )
