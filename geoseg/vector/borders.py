"""How many pixel sides regions share. Knows ids of pixels and of regions, no classes and no geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled

_REMEMBERED = 1 << 15  # pairs whose place is remembered while sides are found; the sums are the same
_MIXER = 40503  # odd, so that ids spread over the slots

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
        sides = _Sides(
            low=np.empty(most, dtype=np.int32),
            high=np.empty(most, dtype=np.int32),
            sides=np.empty(most, dtype=np.int64),
            last_seen=np.zeros(_REMEMBERED, dtype=np.int64),
        )
        found = _find_sides(ids, sides)
        return cls.of_pairs(sides.low[:found], sides.high[:found], sides.sides[:found])


class _Sides(NamedTuple):
    """Pixel sides between pairs of regions; a pair may stand there several times."""

    low: NDArray[np.int32]
    """Lower id of each pair."""

    high: NDArray[np.int32]
    """Higher id of each pair."""

    sides: NDArray[np.int64]
    """How many."""

    last_seen: NDArray[np.int64]
    """Where the last pair stands of those that share a slot here; so most pairs that come again are found."""


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
def _find_sides(ids: NDArray[np.int32], sides: _Sides) -> int:
    """Write down the sides between regions; gives how many entries these are."""
    found = 0
    for row in range(len(ids)):
        for col in range(1, ids.shape[1]):
            if ids[row, col] != ids[row, col - 1]:
                found = _add_side(ids[row, col - 1], ids[row, col], sides, found)
        if row > 0:
            for col in range(ids.shape[1]):
                if ids[row, col] != ids[row - 1, col]:
                    found = _add_side(ids[row - 1, col], ids[row, col], sides, found)
    return found


@compiled
def _add_side(one: int, other: int, sides: _Sides, found: int) -> int:
    """Write down one side of two different ids."""
    low, high = min(one, other), max(one, other)
    if low == 0:
        return found
    slot = (low * _MIXER + high) % _REMEMBERED
    at = sides.last_seen[slot]
    if at < found and sides.low[at] == low and sides.high[at] == high:
        sides.sides[at] += 1
        return found
    sides.last_seen[slot] = found
    sides.low[found], sides.high[found], sides.sides[found] = low, high, 1
    return found + 1


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
