"""How arcs lead on from one to the next around a region. Knows no order of rings and no map coordinates.

An arc can be gone along in two ways: way `2 * arc` from its first point to its last, way `2 * arc + 1` back. The
region of a way is the one to its right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.arcs import BEGINS_AT_JOINT, ENDS_AT_JOINT, WEST, Arcs

_GOLDEN = 0x9E3779B97F4A7C15
"""2^64 over the golden ratio: multiplied with it, neighbouring numbers come to lie far apart."""


class Keeps(NamedTuple):
    """Which ends of arcs stay points though the outline may go straight on there."""

    joints: bool
    """All joints between regions."""

    turns: bool
    """Joints between regions where the outline turns."""

    nodes: bool
    """All nodes."""


class Ways(NamedTuple):
    """What the loops need of arcs; the second index is 0 for the way forth and 1 for the way back."""

    pairs: NDArray[np.int64]
    """(points,): a column and a row as one number, which is quicker to copy."""

    offsets: NDArray[np.int64]
    """(arcs + 1,): as in `Arcs`."""

    regions: NDArray[np.int32]
    """(arcs, 2): region of the way."""

    vertices: NDArray[np.int64]
    """(arcs, 2): where the way begins."""

    headings: NDArray[np.uint8]
    """(arcs, 2): how it begins."""

    joints: NDArray[np.uint8]
    """(arcs,): as in `Arcs`."""

    @classmethod
    def of(cls, arcs: Arcs) -> Ways:
        """Both ways of each arc."""
        return cls(
            pairs=as_pairs(arcs.points),
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

    ways: NDArray[np.int32]
    """(slots, 4): by heading; -1 where none is wanted."""


class Links(NamedTuple):
    """How wanted ways go on."""

    following: NDArray[np.int64]
    """(ways,): the next way of the ring."""

    stays: NDArray[np.bool_]
    """(ways,): True where the vertex between is a point of the outline."""


def link_ways(ways: Ways, wanted: NDArray[np.bool_], keeps: Keeps) -> Links:
    """Find out which way follows which.

    Args:
        ways: of arcs among which are all around each region that is wanted.
        wanted: (ways,) True for all ways of some regions.
        keeps: which ends stay points.
    """
    ends = 2 * int(np.count_nonzero(wanted[0::2] | wanted[1::2]))
    slots = 1 << (ends + 1).bit_length()
    begins = _Begins(vertices=np.full(slots, -1, dtype=np.int64), ways=np.full((slots, 4), -1, dtype=np.int32))
    links = Links(following=np.empty(len(wanted), dtype=np.int64), stays=np.empty(len(wanted), dtype=np.bool_))
    _enter(ways, wanted, begins)
    _link(ways, wanted, begins, keeps, links)
    return links


def as_pairs(points: NDArray[np.int32]) -> NDArray[np.int64]:
    """Points, which lie in memory one after the other, as one number each."""
    return np.ascontiguousarray(points).view(np.int64).reshape(-1)


@compiled
def _slot(vertices: NDArray[np.int64], vertex: int) -> int:
    """Slot of a vertex, or the empty one where it belongs."""
    last = len(vertices) - 1
    mixed = np.uint64(vertex) * np.uint64(_GOLDEN)
    slot = np.int64(mixed >> np.uint64(32)) & last
    while vertices[slot] not in (-1, vertex):
        slot = (slot + 1) & last
    return int(slot)


@compiled
def _enter(ways: Ways, wanted: NDArray[np.bool_], begins: _Begins) -> None:
    for way in range(len(wanted)):
        if wanted[way]:
            vertex = ways.vertices[way >> 1, way & 1]
            slot = _slot(begins.vertices, vertex)
            begins.vertices[slot] = vertex
            begins.ways[slot, ways.headings[way >> 1, way & 1]] = way


@compiled
def _link(ways: Ways, wanted: NDArray[np.bool_], begins: _Begins, keeps: Keeps, links: Links) -> None:
    for way in range(len(wanted)):
        if wanted[way]:
            following = _following(ways, begins, way)
            links.following[way] = following
            links.stays[way] = _stays(ways, way, following, keeps)


@compiled
def _following(ways: Ways, begins: _Begins, way: int) -> int:
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
            return int(following)
    return way


@compiled
def _stays(ways: Ways, way: int, following: int, keeps: Keeps) -> bool:
    """Whether the vertex between two ways of a ring is a point of it."""
    arc, back = way >> 1, 1 - (way & 1)
    turns = ways.headings[arc, back] ^ WEST != ways.headings[following >> 1, following & 1]
    if not ways.joints[arc] & (ENDS_AT_JOINT if back else BEGINS_AT_JOINT):
        return bool(turns or keeps.nodes)
    if ways.regions[arc, back] == 0:
        return bool(turns)
    return bool(keeps.joints or (turns and keeps.turns))
