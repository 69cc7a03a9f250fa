"""Points of cracks: where the probabilities of two classes are equal between the centres of two pixels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.arcs import EAST, NORTH, SUBPIXEL, WEST

HALF = SUBPIXEL // 2
"""Half a pixel in units of arcs."""

LEAST = 5
"""How near a point may come to the centre of a pixel, in 1 / `SUBPIXEL` px: 2 % of the way."""


class Pixels(NamedTuple):
    """What is under the arcs of a block."""

    ids: NDArray[np.int32]
    """(rows + 2, width): regions, with the row above and the row below; 0 is none."""

    probabilities: NDArray[np.uint8]
    """(bands, rows + 2, width): per cent."""

    bands: NDArray[np.int16]
    """(regions + 1,): band of the class of each region; -1 where there is none."""

    first_row: int
    """Row of the raster that `ids[1]` is."""


@compiled
def regions_round(pixels: Pixels, row: int, col: int) -> tuple[int, int, int, int]:
    """Give the regions round a vertex: north-west, north-east, south-east, south-west."""
    above = row - pixels.first_row
    return (
        _id(pixels, above, col - 1),
        _id(pixels, above, col),
        _id(pixels, above + 1, col),
        _id(pixels, above + 1, col - 1),
    )


@compiled
def _id(pixels: Pixels, line: int, col: int) -> int:
    return int(pixels.ids[line, col]) if 0 <= col < pixels.ids.shape[1] else 0


@compiled
def is_crack(ids: tuple[int, int, int, int], heading: int) -> bool:
    """Tell whether a crack leads from a vertex, by the regions round it."""
    return bool(ids[(heading + 1) & 3] != ids[(heading + 2) & 3])


@compiled
def is_node(pixels: Pixels, corners: NDArray[np.int32], corner: int) -> bool:
    """Tell whether more than two cracks meet at a point of arcs as they were traced."""
    ids = regions_round(pixels, corners[corner, 1] // SUBPIXEL, corners[corner, 0] // SUBPIXEL)
    cracks = 0
    for heading in range(4):
        cracks += is_crack(ids, heading)
    return cracks > 2  # noqa: PLR2004 - an arc that passes has two


@compiled
def crack_point(pixels: Pixels, row: int, col: int, heading: int) -> tuple[int, int]:
    """Give the column and row of the point of the crack that leads from a vertex, in 1 / `SUBPIXEL` px."""
    if heading == WEST:
        col -= 1
    elif heading == NORTH:
        row -= 1
    line = row - pixels.first_row + 1
    if heading in (EAST, WEST):
        share = _share(pixels, (line - 1, col), (line, col))
        return col * SUBPIXEL + HALF, row * SUBPIXEL - HALF + share
    share = _share(pixels, (line, col - 1), (line, col))
    return col * SUBPIXEL - HALF + share, row * SUBPIXEL + HALF


@compiled
def _share(pixels: Pixels, one: tuple[int, int], other: tuple[int, int]) -> int:
    """Say how far the boundary is from the centre of one pixel to that of another, in 1 / `SUBPIXEL` px."""
    own, next_own = pixels.bands[pixels.ids[one]], pixels.bands[pixels.ids[other]]
    if own == next_own or own < 0 or next_own < 0:
        return HALF
    here, there = pixels.probabilities[own], pixels.probabilities[next_own]
    lead, lag = np.int64(here[one]) - there[one], np.int64(there[other]) - here[other]
    if lead <= 0 and lag <= 0:
        return HALF
    if lead <= 0 or lag <= 0:
        return LEAST if lead <= 0 else SUBPIXEL - LEAST
    share = (2 * SUBPIXEL * lead + lead + lag) // (2 * (lead + lag))
    return int(min(max(share, LEAST), SUBPIXEL - LEAST))
