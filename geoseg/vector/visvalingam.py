"""Leaves out points by area, with triangles that hold no other point.

The method is that of Visvalingam and Whyatt (1993), "Line generalisation by repeated elimination of points".
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.buckets import Buckets, side, triangle_holds_points


class _Line(NamedTuple):
    """Neighbours of points on the line that is left."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]


@compiled
def keep_large(
    points: NDArray[np.int32], buckets: Buckets, chains: NDArray[np.int64], tolerance: float, kept: NDArray[np.bool_]
) -> None:
    """Keep points of chains until no triangle of three neighbours is smaller than the square of the tolerance.

    The smallest triangle goes first; of equals the first one. Triangles that hold other points stay.

    Args:
        points: (points, 2) column and row, of all arcs.
        buckets: the same points.
        chains: (chains, 2) positions of their first and last points.
        tolerance: root of the area of the largest triangle that goes, in the unit of the points.
        kept: (points,); becomes True for the points that stay. The ends of chains are not looked at.
    """
    limit = 2.0 * tolerance * tolerance
    line = _Line(np.arange(-1, len(points) - 1), np.arange(1, len(points) + 1))
    for chain in range(len(chains)):
        first, last = chains[chain]
        for point in range(first + 1, last):
            kept[point] = True
        _erode(points, buckets, line, (first, last, limit), kept)


@compiled
def _erode(
    points: NDArray[np.int32], buckets: Buckets, line: _Line, chain: tuple[int, int, float], kept: NDArray[np.bool_]
) -> None:
    """Take points out of one chain, smallest triangle first."""
    first, last, limit = chain
    heap = [(first, last) for _ in range(0)]
    for point in range(first + 1, last):
        _wait(points, line, heap, point, limit)
    while len(heap) > 0:
        area, point = heapq.heappop(heap)
        before, after = int(line.before[point]), int(line.after[point])
        if not kept[point] or area != abs(side(points, before, after, point)):
            continue
        if triangle_holds_points(points, buckets, before, point, after):
            continue
        kept[point] = False
        line.after[before], line.before[after] = after, before
        if before > first:
            _wait(points, line, heap, before, limit)
        if after < last:
            _wait(points, line, heap, after, limit)


@compiled
def _wait(points: NDArray[np.int32], line: _Line, heap: list[tuple[int, int]], point: int, limit: float) -> None:
    area = abs(side(points, int(line.before[point]), int(line.after[point]), point))
    if area <= limit:
        heapq.heappush(heap, (area, point))
