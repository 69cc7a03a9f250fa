"""The minimum mapping unit: no region smaller than it remains, unless it has no neighbour.

Works on the table of regions and on who touches whom; knows no pixels and no geometry.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from geoseg.vector.regions import Borders, RegionTable


def generalize(table: RegionTable, borders: Borders, smallest: int) -> tuple[RegionTable, NDArray[np.int32]]:
    """Merge every region below the mapping unit into the neighbour with which it shares most pixel sides.

    The smallest region goes first, then the smallest of what there is now, until none is left. Among equal
    borders the larger neighbour wins, then the one that begins first. Regions of one class that come to touch
    each other become one.

    Args:
        table: the regions.
        borders: who touches whom.
        smallest: the mapping unit, in the unit of `table.areas`, or in pixels where those are unknown.

    Returns:
        The table of the new regions, again in the order of their first pixel; their confidence is that of all
        pixels they now have. And the new id by old id, with 0 for no region.
    """
    sizes = table.pixels if table.areas is None else table.areas
    merger = _Merger(sizes, table.class_ids, borders)
    merger.run(smallest)
    root = merger.roots()
    first = np.full(len(table), len(table), dtype=np.int64)
    np.minimum.at(first, root, np.arange(len(table)))
    kept = np.flatnonzero(first < len(table))
    kept = kept[np.argsort(first[kept], kind="stable")]
    new_ids = np.zeros(len(table) + 1, dtype=np.int32)
    number = np.zeros(len(table), dtype=np.int32)
    number[kept] = np.arange(1, len(kept) + 1, dtype=np.int32)
    new_ids[1:] = number[root]
    one = new_ids[borders.left] - 1
    inside = np.zeros(len(kept), dtype=np.int64)
    joined = one + 1 == new_ids[borders.right]
    np.add.at(inside, one[joined], borders.sides[joined])
    return table.merged(new_ids[1:], table.class_ids[kept], inside), new_ids


class _Merger:
    """Regions that are put together step by step; each group is named by one of its members, the root.

    Neighbours are only gathered for groups that are about to go, and those are small: nothing is ever kept up to
    date for the large ones.
    """

    def __init__(self, sizes: NDArray[np.int64], class_ids: NDArray[np.uint8], borders: Borders) -> None:
        count = len(sizes)
        left, right = borders.left - 1, borders.right - 1
        touching = coo_array(
            (
                np.concatenate([borders.sides, borders.sides]),
                (np.concatenate([left, right]), np.concatenate([right, left])),
            ),
            shape=(count, count),
        ).tocsr()
        self._begins = touching.indptr
        self._neighbours = touching.indices
        self._sides = touching.data
        self._sizes: list[int] = sizes.tolist()
        self._classes: list[int] = class_ids.tolist()
        self._parents = list(range(count))
        self._first = list(range(count))
        self._next_member = list(range(count))

    def run(self, smallest: int) -> None:
        """Merge until no group below `smallest` has a neighbour."""
        waiting = [(size, region) for region, size in enumerate(self._sizes) if size < smallest]
        heapq.heapify(waiting)
        while waiting:
            size, first = heapq.heappop(waiting)
            group = self._root(first)
            if (size, first) != (self._sizes[group], self._first[group]):
                continue
            shared = self._shared_sides(group)
            if not shared:
                continue
            target = max(shared, key=lambda other: (shared[other], self._sizes[other], -self._first[other]))
            same = [other for other in shared if self._classes[other] == self._classes[target]]
            for other in (group, *same):
                target = self._join(target, other)
            if self._sizes[target] < smallest:
                heapq.heappush(waiting, (self._sizes[target], self._first[target]))

    def roots(self) -> NDArray[np.int64]:
        """The root of every region."""
        return np.array([self._root(region) for region in range(len(self._parents))], dtype=np.int64)

    def _root(self, region: int) -> int:
        parents = self._parents
        while parents[region] != region:
            parents[region] = parents[parents[region]]
            region = parents[region]
        return region

    def _shared_sides(self, group: int) -> dict[int, int]:
        """Pixel sides shared with each neighbouring group."""
        shared: dict[int, int] = {}
        member = group
        while True:
            begin, end = self._begins[member], self._begins[member + 1]
            pieces = zip(self._neighbours[begin:end].tolist(), self._sides[begin:end].tolist(), strict=True)
            for neighbour, sides in pieces:
                other = self._root(neighbour)
                shared[other] = shared.get(other, 0) + sides
            member = self._next_member[member]
            if member == group:
                break
        shared.pop(group, None)
        return shared

    def _join(self, group: int, other: int) -> int:
        """Make one group of two, of the class of the first; gives its root, which is the larger one's."""
        if group == other:
            return group
        class_id = self._classes[group]
        root, leaf = (group, other) if self._sizes[group] >= self._sizes[other] else (other, group)
        self._parents[leaf] = root
        self._classes[root] = class_id
        self._sizes[root] += self._sizes[leaf]
        self._first[root] = min(self._first[root], self._first[leaf])
        members = self._next_member
        members[root], members[leaf] = members[leaf], members[root]
        return root
