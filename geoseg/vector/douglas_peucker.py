"""Leaves out points by distance, with chords that sweep over no other point.

The method is that of Douglas and Peucker (1973), "Algorithms for the reduction of the number of points required to
represent a digitized line or its caricature".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.buckets import Buckets, distance, sweeps_over_points


@compiled
def keep_far(
    points: NDArray[np.int32], buckets: Buckets, chains: NDArray[np.int64], tolerance: float, kept: NDArray[np.bool_]
) -> None:
    """Keep points of chains so that no point of a chain is farther than the tolerance from the line through those kept.

    Args:
        points: (points, 2) column and row, of all arcs.
        buckets: the same points.
        chains: (chains, 2) positions of their first and last points.
        tolerance: in the unit of the points.
        kept: (points,); becomes True for the points that stay. The ends of chains are not looked at.
    """
    longest = 0
    for chain in range(len(chains)):
        longest = max(longest, chains[chain, 1] - chains[chain, 0])
    waiting = np.empty((longest + 2, 2), np.int64)
    for chain in range(len(chains)):
        waiting[0] = chains[chain]
        _split(points, buckets, waiting, tolerance, kept)


@compiled
def _split(
    points: NDArray[np.int32], buckets: Buckets, waiting: NDArray[np.int64], tolerance: float, kept: NDArray[np.bool_]
) -> None:
    """Replace the first of the waiting chains by a chord, or each of its parts."""
    count = 1
    while count:
        count -= 1
        first, last = waiting[count]
        if last - first < 2:  # noqa: PLR2004 - no point between
            continue
        middle, reach = farthest(points, first, last)
        if reach <= tolerance and not sweeps_over_points(points, buckets, first, last, reach):
            continue
        kept[middle] = True
        waiting[count, 0], waiting[count, 1] = middle, last
        waiting[count + 1, 0], waiting[count + 1, 1] = first, middle
        count += 2


@compiled
def farthest(points: NDArray[np.int32], first: int, last: int) -> tuple[int, float]:
    """Find the point of a chain that is farthest from its chord.

    Args:
        points: (points, 2) column and row.
        first: the chain begins here,
        last: and ends here; at least one point lies between.

    Returns:
        Its position, the first of equals, and its distance.
    """
    best, most = first + 1, -1.0
    for point in range(first + 1, last):
        away = distance(points, first, last, point)
        if away > most:
            best, most = point, away
    return best, most
