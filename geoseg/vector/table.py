"""What is known of each region. Knows sums over pixels, no pixels and no geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BELOW_ALL = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionTable:
    """Regions in the order of their first pixel, row by row; region `i + 1` stands at position `i`.

    A region that was cut stands there as several pieces, each in its own position.
    """

    class_ids: NDArray[np.uint8]
    """Class of each."""

    pixels: NDArray[np.int64]
    """Pixels of each."""

    areas: NDArray[np.int64] | None
    """Sum of the areas of its pixels, in the unit of those; None where only pixels count."""

    tops: NDArray[np.int64]
    """First row of each."""

    bottoms: NDArray[np.int64]
    """First row below each."""

    sides: NDArray[np.int64]
    """Pixel sides of its outline, those of holes and on the raster's frame too."""

    touches_edge: NDArray[np.bool_]
    """True where it touches the raster's frame."""

    region_ids: NDArray[np.int64]
    """One number for all pieces of a region that was cut, the lowest of their positions plus 1; else its own."""

    def __len__(self) -> int:
        return len(self.class_ids)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Areas, or pixels where those are unknown."""
        return self.pixels if self.areas is None else self.areas

    @classmethod
    def together(cls, tables: Sequence[RegionTable]) -> RegionTable:
        """The regions of several tables, one table after the other; none of them is cut."""
        areas = [table.areas for table in tables if table.areas is not None]
        class_ids = np.concatenate([table.class_ids for table in tables])
        return cls(
            class_ids=class_ids,
            pixels=np.concatenate([table.pixels for table in tables]),
            areas=np.concatenate(areas) if len(areas) == len(tables) else None,
            tops=np.concatenate([table.tops for table in tables]),
            bottoms=np.concatenate([table.bottoms for table in tables]),
            sides=np.concatenate([table.sides for table in tables]),
            touches_edge=np.concatenate([table.touches_edge for table in tables]),
            region_ids=np.arange(1, len(class_ids) + 1, dtype=np.int64),
        )

    def merged(
        self, new_ids: NDArray[np.int32], class_ids: NDArray[np.uint8], inside: NDArray[np.int64]
    ) -> RegionTable:
        """The table after regions were put together; none of them is cut.

        Args:
            new_ids: for each region the id it now has, 1 to the length of `class_ids`.
            class_ids: the classes of the new regions.
            inside: for each new region the pixel sides between the old ones it is made of.
        """
        at = new_ids - 1
        count = len(class_ids)
        tops, bottoms = np.full(count, _BELOW_ALL), np.zeros(count, dtype=np.int64)
        np.minimum.at(tops, at, self.tops)
        np.maximum.at(bottoms, at, self.bottoms)
        touches_edge = np.zeros(count, dtype=np.bool_)
        touches_edge[at[self.touches_edge]] = True
        return RegionTable(
            class_ids=class_ids,
            pixels=_sums(at, self.pixels, count),
            areas=None if self.areas is None else _sums(at, self.areas, count),
            tops=tops,
            bottoms=bottoms,
            sides=_sums(at, self.sides, count) - 2 * inside,
            touches_edge=touches_edge,
            region_ids=np.arange(1, count + 1, dtype=np.int64),
        )


def _sums(at: NDArray[np.int32], values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Sum of the values at each of `count` positions."""
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, at, values)
    return sums
