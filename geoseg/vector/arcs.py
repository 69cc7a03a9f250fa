"""Arcs: the boundaries between regions, each traced once. Knows region ids, no classes, no map coordinates, no files.

A crack is the side of a pixel between two regions. A vertex is a corner of pixels where cracks meet; one where three
or four meet is a node. An arc runs along cracks from one node to the next, or round and back to where it began. At the
first and the last line of a block arcs end too: such an end, where only two cracks meet, is a joint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SUBPIXEL = 256
"""Units of arc coordinates per pixel: whole numbers, so that comparing lines and points is exact."""

EAST, SOUTH, WEST, NORTH = range(4)
"""Headings along cracks; one more is a turn to the right. Rows grow to the south."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arcs:
    """Arcs of a band of full-width rows."""

    points: NDArray[np.int32]
    """(points, 2): column and row of corners of pixels from the raster's origin, in 1 / `SUBPIXEL` px."""

    offsets: NDArray[np.int64]
    """(arcs + 1,): arc `i` has the points from `offsets[i]` to before `offsets[i + 1]`, at least two."""

    left: NDArray[np.int32]
    """(arcs,): region to the left of the way from the first point to the last; 0 is none."""

    right: NDArray[np.int32]
    """(arcs,): region to its right."""

    first_vertex: NDArray[np.int64]
    """(arcs,): corner of pixels where it begins, row x (width + 1) + column, whatever moves its points later."""

    last_vertex: NDArray[np.int64]
    """(arcs,): where it ends; the same as the first for one that comes back."""

    first_heading: NDArray[np.uint8]
    """(arcs,): heading of its first crack."""

    last_heading: NDArray[np.uint8]
    """(arcs,): heading of its last crack."""

    def __len__(self) -> int:
        return len(self.left)
