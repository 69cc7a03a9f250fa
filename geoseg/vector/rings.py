"""Links arcs to the outlines of regions, as soon as a region is complete. Knows no classes and no map coordinates.

An arc can be gone along in two ways: way `2 * arc` from its first point to its last, way `2 * arc + 1` back. The
region of a way is the one to its right. A ring is a circle of ways of one region.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.vector.arcs import BEGINS_AT_JOINT, ENDS_AT_JOINT, WEST, Arcs
from geoseg.vector.compiled import compiled
from geoseg.vector.outlines import Outlines

Joints = Literal["corners", "none", "all"]
"""Which joints stay points of an outline: those where it turns, none, or all. Beside no region it is where it turns."""

_TAKEN = -1
"""Instead of the region beside an arc when its outline was taken."""

_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: multiplied with it, neighbouring numbers come to lie far apart."""


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
        """Take the arcs of the next band of rows."""
        self._parts.append(arcs)

    def take(self, complete: NDArray[np.bool_]) -> Outlines:
        """The outlines of complete regions that were not taken before.

        Rings begin at their topmost point, of those the leftmost. After the shell the holes stand in the order of
        these points. So neither depends on the bands of the arcs.

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
        ways = _Ways.of(arcs)
        begins = _begins(ways, wanted, int(np.count_nonzero(wanted)))
        keeps = _Keeps(joints=self._joints == "all", turns=self._joints != "none", nodes=self._keep_nodes)
        rings = _rings_room(ways, wanted)
        count = _walk(ways, wanted, begins, keeps, rings)
        return _in_order(rings, count)


def _taken(regions: NDArray[np.int32], complete: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Put `_TAKEN` for complete regions."""
    return np.where((regions > 0) & complete[regions], np.int32(_TAKEN), regions)


class _Keeps(NamedTuple):
    """Which ends of arcs stay points though the outline may go straight on there."""

    joints: bool
    """All joints between regions."""

    turns: bool
    """Joints between regions where the outline turns."""

    nodes: bool
    """All nodes."""


class _Ways(NamedTuple):
    """What the loops need of arcs; the second index is 0 for the way forth and 1 for the way back."""

    points: NDArray[np.int32]
    offsets: NDArray[np.int64]
    regions: NDArray[np.int32]
    """(arcs, 2)"""

    vertices: NDArray[np.int64]
    """(arcs, 2): where the way begins."""

    headings: NDArray[np.uint8]
    """(arcs, 2): how it begins."""

    joints: NDArray[np.uint8]

    @classmethod
    def of(cls, arcs: Arcs) -> _Ways:
        return cls(
            points=arcs.points,
            offsets=arcs.offsets,
            regions=np.stack([arcs.right, arcs.left], axis=1),
            vertices=np.stack([arcs.first_vertex, arcs.last_vertex], axis=1),
            headings=np.stack([arcs.first_heading, arcs.last_heading ^ WEST], axis=1),
            joints=arcs.joints,
        )


class _Begins(NamedTuple):
    """A hash table: which ways begin at a vertex."""

    vertices: NDArray[np.int64]
    """(slots,): -1 where a slot is empty."""

    ways: NDArray[np.int64]
    """(slots, 4): by heading; -1 where none is wanted."""


class _Rings(NamedTuple):
    """Rings in the order in which they were found."""

    points: NDArray[np.int32]
    offsets: NDArray[np.int64]
    regions: NDArray[np.int32]
    tops: NDArray[np.int64]
    """(rings,): the topmost point, of those the leftmost."""

    holes: NDArray[np.bool_]


def _begins(ways: _Ways, wanted: NDArray[np.bool_], count: int) -> _Begins:
    bits = max(4, (count + count // 2).bit_length())
    begins = _Begins(vertices=np.full(1 << bits, -1, dtype=np.int64), ways=np.full((1 << bits, 4), -1, dtype=np.int64))
    _enter(ways, wanted, begins)
    return begins


def _rings_room(ways: _Ways, wanted: NDArray[np.bool_]) -> _Rings:
    """Room for as many rings as there are ways and as many points as these have."""
    lengths = np.diff(ways.offsets)
    points = int(lengths[wanted[0::2]].sum() + lengths[wanted[1::2]].sum())
    rings = int(np.count_nonzero(wanted))
    return _Rings(
        points=np.empty((points, 2), dtype=np.int32),
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
    _close_from_top(rings, order, offsets, points)
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
def _slot(vertices: NDArray[np.int64], vertex: int) -> int:
    """Slot of a vertex, or the empty one where it belongs."""
    last = len(vertices) - 1
    mixed = np.uint64(vertex) * np.uint64(_GOLDEN)
    slot = np.int64(mixed >> np.uint64(32)) & last
    while vertices[slot] not in (-1, vertex):
        slot = (slot + 1) & last
    return slot


@compiled
def _enter(ways: _Ways, wanted: NDArray[np.bool_], begins: _Begins) -> None:
    for way in range(len(wanted)):
        if wanted[way]:
            vertex = ways.vertices[way >> 1, way & 1]
            slot = _slot(begins.vertices, vertex)
            begins.vertices[slot] = vertex
            begins.ways[slot, ways.headings[way >> 1, way & 1]] = way


@compiled
def _walk(ways: _Ways, wanted: NDArray[np.bool_], begins: _Begins, keeps: _Keeps, rings: _Rings) -> int:
    """Find the rings of all ways that are wanted; none is wanted afterwards. Returns how many there are."""
    count = 0
    for first in range(len(wanted)):
        if not wanted[first]:
            continue
        begin = at = rings.offsets[count]
        way = first
        while wanted[way]:
            wanted[way] = False
            at = _add_inner_points(ways, way, rings.points, at)
            following = _following(ways, begins, way)
            if _stays(ways, way, following, keeps):
                point = _point(ways, following, 0)
                rings.points[at, 0], rings.points[at, 1] = ways.points[point, 0], ways.points[point, 1]
                at += 1
            way = following
        rings.offsets[count + 1] = at
        rings.regions[count] = ways.regions[first >> 1, first & 1]
        rings.tops[count] = _top(rings.points, begin, at)
        rings.holes[count] = _twice_area(rings.points, begin, at) < 0
        count += 1
    return count


@compiled
def _point(ways: _Ways, way: int, number: int) -> int:
    """Where a point of a way stands."""
    return ways.offsets[(way >> 1) + 1] - 1 - number if way & 1 else ways.offsets[way >> 1] + number


@compiled
def _add_inner_points(ways: _Ways, way: int, points: NDArray[np.int32], at: int) -> int:
    """Add the points of a way but the first and the last."""
    step = -1 if way & 1 else 1
    point = _point(ways, way, 0)
    for _ in range(ways.offsets[(way >> 1) + 1] - ways.offsets[way >> 1] - 2):
        point += step
        points[at, 0], points[at, 1] = ways.points[point, 0], ways.points[point, 1]
        at += 1
    return at


@compiled
def _following(ways: _Ways, begins: _Begins, way: int) -> int:
    """The next way of a ring.

    Where a region touches itself at a corner only, two ways of it begin: the left one keeps its shell and its hole
    apart.
    """
    arc, back = way >> 1, 1 - (way & 1)
    region = ways.regions[arc, way & 1]
    arrived = ways.headings[arc, back] ^ WEST
    slot = _slot(begins.vertices, ways.vertices[arc, back])
    for turn in (3, 0, 1):
        following = begins.ways[slot, (arrived + turn) & 3]
        if following >= 0 and ways.regions[following >> 1, following & 1] == region:
            return following
    return way


@compiled
def _stays(ways: _Ways, way: int, following: int, keeps: _Keeps) -> bool:
    """Whether the vertex between two ways of a ring is a point of it."""
    arc = way >> 1
    back = 1 - (way & 1)
    turns = ways.headings[arc, back] ^ WEST != ways.headings[following >> 1, following & 1]
    if not ways.joints[arc] & (ENDS_AT_JOINT if back else BEGINS_AT_JOINT):
        return turns or keeps.nodes
    if ways.regions[arc, back] == 0:
        return turns
    return keeps.joints or (turns and keeps.turns)


@compiled
def _top(points: NDArray[np.int32], begin: int, end: int) -> int:
    top = begin
    for point in range(begin + 1, end):
        lower = points[point, 1] - points[top, 1]
        if lower < 0 or (lower == 0 and points[point, 0] < points[top, 0]):
            top = point
    return top


@compiled
def _twice_area(points: NDArray[np.int32], begin: int, end: int) -> int:
    """Positive where what the ring encloses lies to its right."""
    area = np.int64(0)
    before = end - 1
    for point in range(begin, end):
        area += np.int64(points[before, 0]) * points[point, 1] - np.int64(points[point, 0]) * points[before, 1]
        before = point
    return area


@compiled
def _close_from_top(
    rings: _Rings, order: NDArray[np.int64], offsets: NDArray[np.int64], points: NDArray[np.int32]
) -> None:
    """Copy rings in an order, each from its topmost point round to it again."""
    for to, ring in enumerate(order):
        begin, end = rings.offsets[ring], rings.offsets[ring + 1]
        point = rings.tops[ring]
        for at in range(offsets[to], offsets[to + 1]):
            points[at, 0], points[at, 1] = rings.points[point, 0], rings.points[point, 1]
            point += 1
            if point == end:
                point = begin
