"""The minimum mapping unit: no region smaller than it remains, unless it has no neighbour.

Works on the table of regions and on who touches whom; knows no pixels and no geometry. Neighbours are only gathered for
groups of regions that are about to go, and those are small: nothing is ever kept up to date for the large ones.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.compiled import compiled
from geoseg.vector.borders import Borders
from geoseg.vector.components import root_of
from geoseg.vector.table import RegionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Merges:
    """What a mapping unit did."""

    below: int
    """Regions below it before."""

    gone: int
    """How many regions fewer there are, those included that came to touch others of their class."""

    pixels: int
    """Pixels that have another class now."""

    left: int
    """Regions still below it, because they have no neighbour."""

    @classmethod
    def between(cls, before: RegionTable, after: RegionTable, new_ids: NDArray[np.int32], smallest: int) -> Self:
        """Count what was done.

        Args:
            before: the regions before.
            after: the regions after.
            new_ids: the new id by old id.
            smallest: the mapping unit, in the unit of `RegionTable.sizes`.
        """
        changed = after.class_ids[new_ids[1:] - 1] != before.class_ids
        return cls(
            below=int(np.count_nonzero(before.sizes < smallest)),
            gone=len(before) - len(after),
            pixels=int(before.pixels[changed].sum()),
            left=int(np.count_nonzero(after.sizes < smallest)),
        )


def generalize(
    table: RegionTable, borders: Borders, smallest: int, *, second: NDArray[np.uint8] | None = None
) -> tuple[RegionTable, NDArray[np.int32]]:
    """Merge every region below the mapping unit into the neighbour with which it shares most pixel sides.

    The smallest region goes first, among equals the one that begins first; then the smallest of what there is now,
    until none is left. Among equal borders the larger neighbour wins, then the one that begins first. Regions of one
    class that come to touch each other become one.

    With `second`, only the neighbours of that class compete for a region, if it has any. What regions become together
    has class and second class of the neighbour that won.

    Args:
        table: the regions, none of them cut.
        borders: who touches whom.
        smallest: the mapping unit, in the unit of `table.sizes`.
        second: (regions,), the class that comes second in each; 255 where none is preferred.

    Returns:
        The table of the new regions, again in the order of their first pixel. And the new id by old id, with 0 for no
        region.
    """
    small = np.flatnonzero(table.sizes < smallest).astype(np.int32)
    waiting = small[np.argsort(table.sizes[small], kind="stable")]
    groups = _groups_of(table, second)
    if len(waiting):
        _merge_all(groups, _touching(table.sizes < smallest, borders), waiting, smallest)
    new_ids, roots = _numbered(groups.parents)
    inside = np.zeros(len(roots) + 1, dtype=np.int64)
    _add_inside(borders.left, borders.right, borders.sides, new_ids, inside)
    return table.merged(new_ids[1:], groups.class_ids[roots], inside[1:]), new_ids


class _Groups(NamedTuple):
    """Regions that are put together step by step; each group is named by one of its members, the root."""

    sizes: NDArray[np.int64]
    """Size of each group, at its root."""

    class_ids: NDArray[np.uint8]
    """Class, at the root."""

    second: NDArray[np.uint8]
    """Preferred class, at the root; 255 is none."""

    first: NDArray[np.int32]
    """Member that begins first, at the root."""

    parents: NDArray[np.int32]
    """A member nearer to the root; the root's own is itself."""

    next_member: NDArray[np.int32]
    """The next of a group, round and round."""


class _Touching(NamedTuple):
    """Neighbours of the regions that may go, counted from 0."""

    begins: NDArray[np.int64]
    """(regions + 1,): region `i` has the neighbours from `begins[i]` to before `begins[i + 1]`."""

    neighbours: NDArray[np.int32]
    """Who they are."""

    sides: NDArray[np.int64]
    """Pixel sides shared with each."""


class _Shared(NamedTuple):
    """Neighbouring groups of one group."""

    sides: NDArray[np.int64]
    """(regions,): pixel sides shared with each group, at its root; 0 for all others."""

    roots: NDArray[np.int32]
    """(regions,): the neighbours; only the first few are meant."""


def _groups_of(table: RegionTable, second: NDArray[np.uint8] | None) -> _Groups:
    each = np.arange(len(table), dtype=np.int32)
    return _Groups(
        sizes=table.sizes.copy(),
        class_ids=table.class_ids.copy(),
        second=np.full(len(table), NODATA_ID, dtype=np.uint8) if second is None else second.astype(np.uint8),
        first=each.copy(),
        parents=each.copy(),
        next_member=each,
    )


def _touching(small: NDArray[np.bool_], borders: Borders) -> _Touching:
    begins = np.zeros(len(small) + 1, dtype=np.int64)
    _count_neighbours(borders.left, borders.right, small, begins)
    np.cumsum(begins, out=begins)
    touching = _Touching(
        begins=begins,
        neighbours=np.empty(begins[-1], dtype=np.int32),
        sides=np.empty(begins[-1], dtype=np.int64),
    )
    _put_neighbours(borders.left - 1, borders.right - 1, borders.sides, small, touching)
    return touching


@compiled
def _count_neighbours(
    left: NDArray[np.int32], right: NDArray[np.int32], small: NDArray[np.bool_], counts: NDArray[np.int64]
) -> None:
    """Count neighbours of each small region, one place later than it stands."""
    for at in range(len(left)):
        counts[left[at]] += small[left[at] - 1]
        counts[right[at]] += small[right[at] - 1]


@compiled
def _put_neighbours(
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    sides: NDArray[np.int64],
    small: NDArray[np.bool_],
    touching: _Touching,
) -> None:
    place = touching.begins.copy()
    for at in range(len(sides)):
        for here, there in ((left[at], right[at]), (right[at], left[at])):
            if small[here]:
                touching.neighbours[place[here]] = there
                touching.sides[place[here]] = sides[at]
                place[here] += 1


@compiled
def _merge_all(groups: _Groups, touching: _Touching, waiting: NDArray[np.int32], smallest: int) -> None:
    """Merge until no group below `smallest` has a neighbour; `waiting` are the small regions, the smallest first."""
    shared = _Shared(np.zeros(len(groups.sizes), dtype=np.int64), np.empty(len(groups.sizes), dtype=np.int32))
    sizes = groups.sizes[waiting]
    grown = [(np.int64(0), np.int32(0))]
    grown.clear()
    at = 0
    while at < len(waiting) or len(grown) > 0:
        if at == len(waiting) or (len(grown) > 0 and grown[0] < (sizes[at], waiting[at])):
            size, first = heapq.heappop(grown)
        else:
            size, first = sizes[at], waiting[at]
            at += 1
        group = root_of(groups.parents, int(first))
        if groups.sizes[group] == size and groups.first[group] == first:
            group = _merge(groups, touching, shared, group)
            if group >= 0 and groups.sizes[group] < smallest:
                heapq.heappush(grown, (groups.sizes[group], groups.first[group]))


@compiled
def _merge(groups: _Groups, touching: _Touching, shared: _Shared, group: int) -> int:
    """Put a group into one of its neighbours; gives the root of what they become, -1 where it has no neighbour."""
    count = _gather(groups, touching, shared, group)
    if count == 0:
        return -1
    root = _chosen(groups, shared, count, groups.second[group])
    class_id = groups.class_ids[root]
    root = _join(groups, root, group)
    for at in range(count):
        other = shared.roots[at]
        shared.sides[other] = 0
        if groups.class_ids[other] == class_id:
            root = _join(groups, root, other)
    return root


@compiled
def _gather(groups: _Groups, touching: _Touching, shared: _Shared, group: int) -> int:
    """Sum up the pixel sides that a group shares with each of its neighbours; gives how many these are."""
    count = 0
    member = group
    while True:
        for at in range(touching.begins[member], touching.begins[member + 1]):
            other = root_of(groups.parents, touching.neighbours[at])
            if other != group:
                if shared.sides[other] == 0:
                    shared.roots[count] = other
                    count += 1
                shared.sides[other] += touching.sides[at]
        member = groups.next_member[member]
        if member == group:
            return count


@compiled
def _chosen(groups: _Groups, shared: _Shared, count: int, second: int) -> int:
    """The neighbour that a group is put into."""
    best = int(shared.roots[0])
    for at in range(1, count):
        other = int(shared.roots[at])
        if _rank(groups, shared, other, second) > _rank(groups, shared, best, second):
            best = other
    return best


@compiled
def _rank(groups: _Groups, shared: _Shared, other: int, second: int) -> tuple[bool, int, int, int]:
    return (
        groups.class_ids[other] == second,
        shared.sides[other],
        groups.sizes[other],
        -groups.first[other],
    )


@compiled
def _join(groups: _Groups, group: int, other: int) -> int:
    """Make one group of two, with the classes of the first; gives its root, which is the larger one's."""
    other = root_of(groups.parents, other)
    if group == other:
        return group
    class_id, second = groups.class_ids[group], groups.second[group]
    root, leaf = (group, other) if groups.sizes[group] >= groups.sizes[other] else (other, group)
    groups.parents[leaf] = root
    groups.class_ids[root], groups.second[root] = class_id, second
    groups.sizes[root] += groups.sizes[leaf]
    groups.first[root] = min(groups.first[root], groups.first[leaf])
    ring = groups.next_member[root]
    groups.next_member[root] = groups.next_member[leaf]
    groups.next_member[leaf] = ring
    return root


@compiled
def _numbered(parents: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """New id by old id, in the order of the first member; and the root of each new region."""
    new_ids = np.zeros(len(parents) + 1, dtype=np.int32)
    id_of_root = np.zeros(len(parents), dtype=np.int32)
    roots = np.empty(len(parents), dtype=np.int32)
    count = 0
    for region in range(len(parents)):
        root = root_of(parents, region)
        if id_of_root[root] == 0:
            roots[count] = root
            count += 1
            id_of_root[root] = count
        new_ids[region + 1] = id_of_root[root]
    return new_ids, roots[:count].copy()


@compiled
def _add_inside(
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    sides: NDArray[np.int64],
    new_ids: NDArray[np.int32],
    inside: NDArray[np.int64],
) -> None:
    """Add up the sides between regions that are one now, by new id."""
    for at in range(len(sides)):
        if new_ids[left[at]] == new_ids[right[at]]:
            inside[new_ids[left[at]]] += sides[at]
