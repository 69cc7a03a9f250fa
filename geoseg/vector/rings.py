"""Links arcs to the outlines of regions, as soon as a region is complete. Knows no classes and no map coordinates.

A ring is a circle of ways of one region.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.arcs import Arcs
from geoseg.vector.outlines import Outlines
from geoseg.vector.ways import Keeps, Links, Ways, as_pairs, link_ways

Joints = Literal["corners", "none", "all"]
"""Which joints stay points of an outline: those where it turns, none, or all. Beside no region it is where it turns."""

_TAKEN = -1
"""Instead of the region beside an arc when its outline was taken."""


class Outliner:
    """Takes arcs from the top of a raster to its bottom and gives the outlines of regions that are complete.

    What it holds are the arcs of regions that are not yet complete.
    """

    def __init__(self, *, joints: Joints = "corners", keep_nodes: bool = True) -> None:
        """Begin with no arcs.

        Args:
            joints: which joints stay points; "corners" for arcs as they were traced, "none" for smoothed ones, "all"
                where joints have been kept in place.
            keep_nodes: False drops nodes where an outline goes straight on. Then a neighbour may have a point where
                an outline has none.
        """
        self._joints = joints
        self._keep_nodes = keep_nodes
        self._parts: list[Arcs] = []

    def add(self, arcs: Arcs) -> None:
        """Take the arcs of the next block."""
        self._parts.append(arcs)

    def take(self, complete: NDArray[np.bool_]) -> Outlines:
        """The outlines of complete regions that were not taken before.

        Rings begin at their topmost point, of those the leftmost. After the shell the holes stand in the order of
        these points. So neither depends on the blocks of the arcs.

        Args:
            complete: (regions + 1,) by region id: True where all its arcs were added. Position 0 does not matter.
        """
        arcs = _together(self._parts)
        left, right = _taken(arcs.left, complete), _taken(arcs.right, complete)
        outlines = self._outlines(arcs, np.stack([right != arcs.right, left != arcs.left], axis=1).reshape(-1))
        still_open = np.flatnonzero((left > 0) | (right > 0))
        self._parts = [_chosen(replace(arcs, left=left, right=right), still_open)]
        return outlines

    def _outlines(self, arcs: Arcs, wanted: NDArray[np.bool_]) -> Outlines:
        """Outlines of the regions of the ways that are wanted."""
        ways = Ways.of(arcs)
        keeps = Keeps(joints=self._joints == "all", turns=self._joints != "none", nodes=self._keep_nodes)
        links = link_ways(ways, wanted, keeps)
        rings = _rings_room(ways, wanted)
        return _in_order(rings, _walk(ways, wanted, links, rings))


def _taken(regions: NDArray[np.int32], complete: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Put `_TAKEN` for complete regions."""
    return np.where((regions > 0) & complete[regions], np.int32(_TAKEN), regions)


class _Rings(NamedTuple):
    """Rings in the order in which they were found."""

    points: NDArray[np.int32]
    pairs: NDArray[np.int64]
    """The same memory, as in `Ways`."""

    offsets: NDArray[np.int64]
    regions: NDArray[np.int32]
    tops: NDArray[np.int64]
    """(rings,): the topmost point, of those the leftmost."""

    holes: NDArray[np.bool_]


def _rings_room(ways: Ways, wanted: NDArray[np.bool_]) -> _Rings:
    """Room for as many rings as there are ways and as many points as these have."""
    lengths = np.diff(ways.offsets)
    points = np.empty((int(lengths[wanted[0::2]].sum() + lengths[wanted[1::2]].sum()), 2), dtype=np.int32)
    rings = int(np.count_nonzero(wanted))
    return _Rings(
        points=points,
        pairs=as_pairs(points),
        offsets=np.zeros(rings + 1, dtype=np.int64),
        regions=np.empty(rings, dtype=np.int32),
        tops=np.empty(rings, dtype=np.int64),
        holes=np.empty(rings, dtype=np.bool_),
    )


def _in_order(rings: _Rings, count: int) -> Outlines:
    """Rings by region, shells first, then by their topmost point."""
    regions, holes = rings.regions[:count], rings.holes[:count]
    top = rings.points[rings.tops[:count]]
    order = np.lexsort((top[:, 0], top[:, 1], holes, regions))
    region_ids, shells = np.unique(regions[order], return_index=True)
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.diff(rings.offsets[: count + 1])[order] + 1, out=offsets[1:])
    points = np.empty((offsets[-1], 2), dtype=np.int32)
    _close_from_top(rings, order, offsets, as_pairs(points))
    return Outlines(region_ids=region_ids, polygons=np.append(shells, count), rings=offsets, points=points)


def _together(parts: list[Arcs]) -> Arcs:
    starts = np.cumsum([0] + [len(part.points) for part in parts])
    offsets = [part.offsets[:-1] + start for part, start in zip(parts, starts[:-1], strict=True)]
    return Arcs(
        points=np.concatenate([part.points for part in parts]),
        offsets=np.append(np.concatenate(offsets), starts[-1]),
        left=np.concatenate([part.left for part in parts]),
        right=np.concatenate([part.right for part in parts]),
        first_vertex=np.concatenate([part.first_vertex for part in parts]),
        last_vertex=np.concatenate([part.last_vertex for part in parts]),
        first_heading=np.concatenate([part.first_heading for part in parts]),
        last_heading=np.concatenate([part.last_heading for part in parts]),
        joints=np.concatenate([part.joints for part in parts]),
    )


def _chosen(arcs: Arcs, at: NDArray[np.intp]) -> Arcs:
    offsets = np.zeros(len(at) + 1, dtype=np.int64)
    np.cumsum(np.diff(arcs.offsets)[at], out=offsets[1:])
    points = np.empty((offsets[-1], 2), dtype=np.int32)
    _copy_arcs(arcs.points, arcs.offsets, at, points)
    return Arcs(
        points=points,
        offsets=offsets,
        left=arcs.left[at],
        right=arcs.right[at],
        first_vertex=arcs.first_vertex[at],
        last_vertex=arcs.last_vertex[at],
        first_heading=arcs.first_heading[at],
        last_heading=arcs.last_heading[at],
        joints=arcs.joints[at],
    )


@compiled
def _copy_arcs(
    points: NDArray[np.int32], offsets: NDArray[np.int64], chosen: NDArray[np.int64], copies: NDArray[np.int32]
) -> None:
    to = 0
    for arc in chosen:
        for point in range(offsets[arc], offsets[arc + 1]):
            copies[to, 0], copies[to, 1] = points[point, 0], points[point, 1]
            to += 1


@compiled
def _walk(ways: Ways, wanted: NDArray[np.bool_], links: Links, rings: _Rings) -> int:
    """Find the rings of all ways that are wanted; none is wanted afterwards. Returns how many there are."""
    count = 0
    for first in range(len(wanted)):
        if not wanted[first]:
            continue
        begin = at = rings.offsets[count]
        way = first
        while wanted[way]:
            wanted[way] = False
            at = _add_points(
                ways.pairs, (ways.offsets[way >> 1], ways.offsets[(way >> 1) + 1], way & 1), rings.pairs, at
            )
            at += np.int64(links.stays[way]) - 1
            way = links.following[way]
        rings.offsets[count + 1] = at
        rings.regions[count] = ways.regions[first >> 1, first & 1]
        rings.tops[count] = _top(rings.points, begin, at)
        rings.holes[count] = _area(rings.points, begin, at) < 0
        count += 1
    return count


@compiled
def _add_points(pairs: NDArray[np.int64], way: tuple[int, int, int], to: NDArray[np.int64], at: int) -> int:
    """Add the points of a way but the first.

    Args:
        pairs: points of arcs.
        way: where the points of its arc begin and end, and 1 for the way back.
        to: takes the points.
        at: where the first goes.

    Returns:
        Where the next goes.
    """
    begin, end, back = way
    if back:
        for pair in range(end - 2, begin - 1, -1):
            to[at] = pairs[pair]
            at += 1
    else:
        for pair in range(begin + 1, end):
            to[at] = pairs[pair]
            at += 1
    return at


@compiled
def _top(points: NDArray[np.int32], begin: int, end: int) -> int:
    top = begin
    for point in range(begin + 1, end):
        lower = points[point, 1] - points[top, 1]
        if lower < 0 or (lower == 0 and points[point, 0] < points[top, 0]):
            top = point
    return top


@compiled
def _area(points: NDArray[np.int32], begin: int, end: int) -> int:
    """Twice the area of a ring; positive where what it encloses lies to its right."""
    area = np.int64(0)
    col, row = np.int64(points[end - 1, 0]), np.int64(points[end - 1, 1])
    for point in range(begin, end):
        next_col, next_row = np.int64(points[point, 0]), np.int64(points[point, 1])
        area += (col - next_col) * (row + next_row)
        col, row = next_col, next_row
    return int(area)


@compiled
def _close_from_top(
    rings: _Rings, order: NDArray[np.int64], offsets: NDArray[np.int64], pairs: NDArray[np.int64]
) -> None:
    """Copy rings in an order, each from its topmost point round to it again."""
    for to, ring in enumerate(order):
        point, at = rings.tops[ring], offsets[to]
        for pair in range(point, rings.offsets[ring + 1]):
            pairs[at] = rings.pairs[pair]
            at += 1
        for pair in range(rings.offsets[ring], point + 1):
            pairs[at] = rings.pairs[pair]
            at += 1
