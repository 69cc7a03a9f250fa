"""Arcs with fewer points: each is simplified once, for the regions on both sides, and stays clear of all others.

Ends of arcs stay where they are, so do arcs against no region, and points near the seams of blocks: what a block
does not see cannot be touched. Knows arcs, no classes, no map coordinates.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.arcs import SUBPIXEL, Arcs
from geoseg.vector.buckets import side, sort_into_buckets
from geoseg.vector.douglas_peucker import farthest, keep_far
from geoseg.vector.options import Method
from geoseg.vector.visvalingam import keep_large


class Seams(NamedTuple):
    """Rows between which a block lies, and which rows of them other blocks share."""

    first_row: int
    """First row of the block."""

    last_row: int
    """First row below the block."""

    height: int
    """Rows of the raster."""


def simplify_arcs(arcs: Arcs, tolerance: float, method: Method, seams: Seams) -> Arcs:
    """Leave out points of arcs.

    Between points that stay, the points of an arc become one straight line where two things hold: it is near enough,
    and between the line and the arc lies no other point of any arc. Where one does not, the arc is divided. So lines
    that did not meet before do not meet after, each region keeps its neighbours and its holes, and the polygons are
    still a valid coverage. Two arcs between the same two ends keep a point each, where both would become the same
    line.

    Args:
        arcs: of one block, with joints; smoothed or not.
        tolerance: px. With dp no point is farther from the new line than this; with vw the triangle of a point and
            its two neighbours that goes has at most the square of this as its area.
        method: dp by Douglas and Peucker, vw by Visvalingam and Whyatt.
        seams: where the block lies. Points within a pixel of a seam stay, and the first beyond.

    Returns:
        The arcs in the same order, with some of their points. They depend on where the seams are.
    """
    if tolerance <= 0 or len(arcs) == 0:
        return arcs
    keep = keep_far if method == "dp" else keep_large
    buckets = sort_into_buckets(arcs.points)
    reach = tolerance * SUBPIXEL
    kept = _pinned(arcs.points, arcs.offsets, (arcs.left == 0) | (arcs.right == 0), _seam_rows(seams))
    keep(arcs.points, buckets, _chains(kept), reach, kept)
    twins = _twins(arcs, kept)
    keep(arcs.points, buckets, _halves(arcs.points, arcs.offsets, twins, kept), reach, kept)
    before = np.concatenate([[0], np.cumsum(kept)])
    return replace(arcs, points=arcs.points[kept], offsets=before[arcs.offsets])


def _seam_rows(seams: Seams) -> NDArray[np.int64]:
    """Give the rows, in units of arcs, that another block lies beyond."""
    rows = [row for row in (seams.first_row, seams.last_row) if 0 < row < seams.height]
    return np.array(rows, dtype=np.int64) * SUBPIXEL


def _chains(kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Give the first and last positions of runs of points between those kept, ends included."""
    stays = np.flatnonzero(kept)
    gaps = np.flatnonzero(np.diff(stays) > 1)
    return np.stack([stays[gaps], stays[gaps + 1]], axis=1)


@compiled
def _pinned(
    points: NDArray[np.int32], offsets: NDArray[np.int64], still: NDArray[np.bool_], seams: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark the points that stay whatever the tolerance.

    Args:
        points: (points, 2) of all arcs.
        offsets: (arcs + 1,).
        still: (arcs,); True for arcs that stay as they are.
        seams: rows that other blocks share.
    """
    kept = np.zeros(len(points), np.bool_)
    for arc in range(len(still)):
        first, last = offsets[arc], offsets[arc + 1] - 1
        if still[arc]:
            kept[first : last + 1] = True
            continue
        kept[first] = kept[last] = True
        _pin_near(points, (first, last), seams, kept)
        if points[first, 0] == points[last, 0] and points[first, 1] == points[last, 1]:
            _pin_ring(points, first, last, kept)
    return kept


@compiled
def _pin_near(
    points: NDArray[np.int32], arc: tuple[int, int], seams: NDArray[np.int64], kept: NDArray[np.bool_]
) -> None:
    """Keep the points of an arc within a pixel of a seam, and their neighbours."""
    first, last = arc
    for seam in seams:
        for point in range(first, last + 1):
            if abs(points[point, 1] - seam) <= SUBPIXEL:
                kept[max(point - 1, first) : min(point + 1, last) + 1] = True


@compiled
def _pin_ring(points: NDArray[np.int32], first: int, last: int, kept: NDArray[np.bool_]) -> None:
    """Keep two more points of an arc that comes back: the farthest from its begin, and from the line to that one."""
    far, _ = farthest(points, first, last)
    corner, most = first, 0
    for point in range(first + 1, last):
        area = abs(side(points, first, far, point))
        if area > most:
            corner, most = point, area
    kept[far] = kept[corner] = True


def _twins(arcs: Arcs, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Find arcs that became one line between two ends which another arc joins by one line too."""
    counts = np.add.reduceat(kept, arcs.offsets[:-1], dtype=np.int64)
    lines = np.flatnonzero((counts == 2) & (arcs.first_vertex != arcs.last_vertex))  # noqa: PLR2004 - its ends
    ends = np.sort(np.stack([arcs.first_vertex[lines], arcs.last_vertex[lines]], axis=1), axis=1)
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    same = np.all(ends[order][1:] == ends[order][:-1], axis=1)
    twin = np.zeros(len(lines), dtype=np.bool_)
    twin[order[1:][same]] = twin[order[:-1][same]] = True
    return lines[twin & (np.diff(arcs.offsets)[lines] > 2)]  # noqa: PLR2004 - a point between its ends


@compiled
def _halves(
    points: NDArray[np.int32], offsets: NDArray[np.int64], arcs: NDArray[np.int64], kept: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Keep the farthest point of each of some arcs; give what lies before and after it as chains."""
    halves = np.empty((2 * len(arcs), 2), np.int64)
    for position in range(len(arcs)):
        first, last = offsets[arcs[position]], offsets[arcs[position] + 1] - 1
        middle, _ = farthest(points, first, last)
        kept[middle] = True
        halves[2 * position, 0], halves[2 * position, 1] = first, middle
        halves[2 * position + 1, 0], halves[2 * position + 1, 1] = middle, last
    return halves
