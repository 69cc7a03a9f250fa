"""How many pixel sides regions share. Knows ids of pixels and of regions, no classes and no geometry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.vector.compiled import compiled

_Pairs = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Borders:
    """How many pixel sides regions share: one entry for each pair of neighbours, sorted by the pairs."""

    left: NDArray[np.int32]
    """Lower id of the two."""

    right: NDArray[np.int32]
    """Higher id of the two."""

    sides: NDArray[np.int64]
    """Pixel sides between them."""

    def __len__(self) -> int:
        return len(self.sides)

    @classmethod
    def of_pairs(cls, one: NDArray[np.int32], other: NDArray[np.int32], sides: NDArray[np.int64]) -> Borders:
        """Sum up sides that are given in pieces; pieces of a region with itself or with no region are left out."""
        low, high, sides = _between_regions(one, other, sides)
        if len(sides):
            ids = int(high.max()) + 1
            high, low, sides = _in_order(high, low, sides, ids)
            low, high, sides = _in_order(low, high, sides, ids)
            low, high, sides = _summed(low, high, sides)
        return cls(left=low, right=high, sides=sides)

    @classmethod
    def within(cls, ids: NDArray[np.int32]) -> Borders:
        """The borders between the pixels of an array.

        Args:
            ids: (height, width), C-contiguous; 0 is no region.
        """
        most = _count_sides(ids)
        one, other = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int32)
        sides = np.empty(most, dtype=np.int64)
        found = _find_sides(ids, one, other, sides)
        return cls.of_pairs(one[:found], other[:found], sides[:found])


@compiled
def _count_sides(ids: NDArray[np.int32]) -> int:
    """Pixel sides between different ids."""
    count = 0
    for row in range(len(ids)):
        for col in range(1, ids.shape[1]):
            count += ids[row, col] != ids[row, col - 1]
        if row > 0:
            for col in range(ids.shape[1]):
                count += ids[row, col] != ids[row - 1, col]
    return count


@compiled
def _find_sides(
    ids: NDArray[np.int32], one: NDArray[np.int32], other: NDArray[np.int32], sides: NDArray[np.int64]
) -> int:
    """Write down the sides, those of a row that follow each other between two regions as one; gives how many."""
    found = 0
    for row in range(len(ids)):
        for col in range(1, ids.shape[1]):
            if ids[row, col] != ids[row, col - 1]:
                one[found], other[found], sides[found] = ids[row, col - 1], ids[row, col], 1
                found += 1
        if row > 0:
            found = _find_below(ids[row - 1 : row + 1], one, other, sides, found)
    return found


@compiled
def _find_below(
    ids: NDArray[np.int32], one: NDArray[np.int32], other: NDArray[np.int32], sides: NDArray[np.int64], found: int
) -> int:
    """Write down the sides between two rows."""
    last = -2
    for col in range(ids.shape[1]):
        above, here = ids[0, col], ids[1, col]
        if above == here:
            continue
        if last == col - 1 and one[found - 1] == above and other[found - 1] == here:
            sides[found - 1] += 1
        else:
            one[found], other[found], sides[found] = above, here, 1
            found += 1
        last = col
    return found


@compiled
def _between_regions(one: NDArray[np.int32], other: NDArray[np.int32], sides: NDArray[np.int64]) -> _Pairs:
    """The pairs of two different regions, the lower id first."""
    low, high, kept = np.empty_like(one), np.empty_like(one), np.empty_like(sides)
    count = 0
    for at in range(len(sides)):
        if one[at] != other[at] and one[at] > 0 and other[at] > 0:
            low[count], high[count] = min(one[at], other[at]), max(one[at], other[at])
            kept[count] = sides[at]
            count += 1
    return low[:count], high[:count], kept[:count]


@compiled
def _in_order(keys: NDArray[np.int32], others: NDArray[np.int32], sides: NDArray[np.int64], ids: int) -> _Pairs:
    """Sort by keys below `ids`; equal keys keep their order."""
    begins = np.zeros(ids + 1, dtype=np.int64)
    for key in keys:
        begins[key + 1] += 1
    for key in range(ids):
        begins[key + 1] += begins[key]
    sorted_keys, sorted_others, sorted_sides = np.empty_like(keys), np.empty_like(others), np.empty_like(sides)
    for at in range(len(keys)):
        place = begins[keys[at]]
        begins[keys[at]] = place + 1
        sorted_keys[place], sorted_others[place], sorted_sides[place] = keys[at], others[at], sides[at]
    return sorted_keys, sorted_others, sorted_sides


@compiled
def _summed(low: NDArray[np.int32], high: NDArray[np.int32], sides: NDArray[np.int64]) -> _Pairs:
    """Put equal neighbours of a sorted list together, in place."""
    last = 0
    for at in range(1, len(sides)):
        if low[at] == low[last] and high[at] == high[last]:
            sides[last] += sides[at]
        else:
            last += 1
            low[last], high[last], sides[last] = low[at], high[at], sides[at]
    return low[: last + 1].copy(), high[: last + 1].copy(), sides[: last + 1].copy()
