"""Outlines of complete regions in the raster's grid, before they are geometries of any library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlines:
    """Polygons of some regions of a raster."""

    region_ids: NDArray[np.int32]
    """(polygons,): which region each is; ascending."""

    polygons: NDArray[np.int64]
    """(polygons + 1,): rings of polygon `i` from `polygons[i]` to before `polygons[i + 1]`; the first is its shell."""

    rings: NDArray[np.int64]
    """(rings + 1,): ring `i` has the points from `rings[i]` to before `rings[i + 1]`; its last point is its first."""

    points: NDArray[np.int32]
    """(points, 2): column and row, in 1 / `arcs.SUBPIXEL` px. The region lies to the right, rows downwards."""

    def __len__(self) -> int:
        return len(self.region_ids)

    def parts(self, most_points: int) -> Iterator[Outlines]:
        """The same polygons in parts of at most so many points, or of one polygon with more."""
        ends = self.rings[self.polygons[1:]]
        begin = 0
        while begin < len(self):
            limit = self.rings[self.polygons[begin]] + most_points
            end = max(begin + 1, int(np.searchsorted(ends, limit, side="right")))
            yield self._between(begin, end)
            begin = end

    def _between(self, begin: int, end: int) -> Outlines:
        polygons = self.polygons[begin : end + 1]
        rings = self.rings[polygons[0] : polygons[-1] + 1]
        return Outlines(
            region_ids=self.region_ids[begin:end],
            polygons=polygons - polygons[0],
            rings=rings - rings[0],
            points=self.points[rings[0] : rings[-1]],
        )
