"""Points of nodes: where three or four arcs meet inside the square between four pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.arcs import EAST, SUBPIXEL, WEST
from geoseg.vector.crack_points import HALF, LEAST, Pixels, crack_point, is_crack, regions_round

_PULL = 10.0
"""How far probabilities are trusted at nodes: planes that differ less over a pixel than this, in per cent, say little
of where they meet, and the node lies amid the cracks."""


@compiled
def node_point(pixels: Pixels, corners: NDArray[np.int32], corner: int) -> tuple[int, int]:
    """Give the column and row of the point of a node."""
    row, col = corners[corner, 1] // SUBPIXEL, corners[corner, 0] // SUBPIXEL
    ids = regions_round(pixels, row, col)
    if ids[0] == 0 or ids[1] == 0 or ids[2] == 0 or ids[3] == 0:
        return _node_beside_nothing(pixels, ids, row, col)
    return _junction(pixels, ids, row, col)


@compiled
def _node_beside_nothing(pixels: Pixels, ids: tuple[int, int, int, int], row: int, col: int) -> tuple[int, int]:
    """Move a node along a straight line against no region to where the arc from the other side meets it."""
    for heading in range(4):
        if ids[heading] == 0 and ids[(heading + 3) & 3] == 0 and is_crack(ids, heading):
            column, line = crack_point(pixels, row, col, heading)
            return (col * SUBPIXEL, line) if heading in (EAST, WEST) else (column, row * SUBPIXEL)
    return col * SUBPIXEL, row * SUBPIXEL


@compiled
def _junction(pixels: Pixels, ids: tuple[int, int, int, int], row: int, col: int) -> tuple[int, int]:
    """Put a node where the planes of its classes come nearest to each other.

    Sums of squares of the differences of all pairs are least there; the mean of the cracks adds to them a little, so
    that planes which are nearly the same do not throw the node about.
    """
    right, below = _amid(pixels, ids, row, col)
    count, high, east, south = 0, 0, 0, 0
    for corner in range(4):
        if _is_first(pixels, ids, corner):
            plane = _plane(pixels, pixels.bands[ids[corner]], row, col)
            count, high, east, south = count + 1, high + plane[0], east + plane[1], south + plane[2]
    pull = (2.0 * _PULL * max(count, 1)) ** 2
    along, across, down, pull_x, pull_y = pull, 0.0, pull, pull * right, pull * below
    for corner in range(4):
        if _is_first(pixels, ids, corner):
            plane = _plane(pixels, pixels.bands[ids[corner]], row, col)
            level, x, y = count * plane[0] - high, count * plane[1] - east, count * plane[2] - south
            along, across, down = along + x * x, across + x * y, down + y * y
            pull_x, pull_y = pull_x - x * level, pull_y - y * level
    area = along * down - across * across
    column = _offset((pull_x * down - pull_y * across) / area)
    line = _offset((pull_y * along - pull_x * across) / area)
    return col * SUBPIXEL + column, row * SUBPIXEL + line


@compiled
def _offset(halves: float) -> int:
    """Turn half pixels from a vertex to 1 / `SUBPIXEL` px, inside of the square."""
    least = HALF - LEAST
    return int(np.rint(min(max(halves * HALF, -least), least)))


@compiled
def _amid(pixels: Pixels, ids: tuple[int, int, int, int], row: int, col: int) -> tuple[float, float]:
    """Give the mean of the cracks round a node, in half pixels from the vertex: across from those to both sides."""
    right, below, across, along = 0.0, 0.0, 0, 0
    for heading in range(4):
        if is_crack(ids, heading):
            column, line = crack_point(pixels, row, col, heading)
            if heading in (EAST, WEST):
                below, along = below + (line - row * SUBPIXEL) / HALF, along + 1
            else:
                right, across = right + (column - col * SUBPIXEL) / HALF, across + 1
    return right / across, below / along


@compiled
def _is_first(pixels: Pixels, ids: tuple[int, int, int, int], corner: int) -> bool:
    """Tell whether a pixel has a band, and no pixel before it the same."""
    band = pixels.bands[ids[corner]]
    for before in range(corner):
        if pixels.bands[ids[before]] == band:
            return False
    return bool(band >= 0)


@compiled
def _plane(pixels: Pixels, band: int, row: int, col: int) -> tuple[int, int, int]:
    """Fit a plane to the probabilities of the four pixels round a vertex.

    Returns:
        Four times its height at the vertex, and how much four times its height grows by half a pixel to the east and
        to the south.
    """
    line = row - pixels.first_row
    field = pixels.probabilities[band]
    west, north_east = np.int64(field[line, col - 1]), np.int64(field[line, col])
    south_west, south_east = np.int64(field[line + 1, col - 1]), np.int64(field[line + 1, col])
    total = west + north_east + south_west + south_east
    east = north_east + south_east - west - south_west
    return int(total), int(east), int(south_west + south_east - west - north_east)
