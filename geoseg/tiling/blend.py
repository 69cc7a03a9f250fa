"""Overlapping tiles of probabilities in, finished strips out. Knows nothing of networks or files.

Strategy: the weights of the tiles over a pixel sum to 1 by construction (a flat-top raised cosine), so a strip is
finished by adding alone: no count map, no division. Tiles come row-major; a ring of one tile height of rows holds
what is not finished. Every pixel adds the same tiles in the same order whatever the block, so its bits do not
depend on how the scene was cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.errors import GridError
from geoseg.tiling.grid import TileGrid
from geoseg.tiling.weights import TileWeights
from geoseg.window import Window

_STRIP_ROWS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Finished rows of a block: no later tile touches them."""

    window: Window
    """Where they lie, in pixels of the tile grid."""

    probabilities: torch.Tensor
    """(classes, height, width) float32; sums to 1 over the classes wherever `valid`."""

    valid: NDArray[np.bool_]
    """(height, width); True = usable in the scene."""


class RowBlender:
    """Sums weighted tiles over one block and gives out the rows that are finished.

    Memory: classes x tile x width of the block x 4 bytes, whatever its height.
    """

    def __init__(self, grid: TileGrid, block: Window, *, classes: int, device: torch.device) -> None:
        self._grid, self._block, self._top = grid, block, block.row
        depth = min(grid.tile, block.height)
        self._ring = torch.zeros((classes, depth, block.width), dtype=torch.float32, device=device)
        self._valid = np.zeros((depth, block.width), dtype=np.bool_)
        self._weights = TileWeights(grid)

    def add(self, window: Window, probabilities: torch.Tensor, valid: NDArray[np.bool_]) -> None:
        """Add one tile; tiles must come row-major.

        Args:
            window: of the tile.
            probabilities: (classes, height, width) float32.
            valid: (height, width), True = usable in the scene.

        Raises:
            GridError: if the tile lies above rows already given out, or not on the block.
        """
        part = window.intersect(self._block)
        if part is None or part.row < self._top:
            raise GridError(f"tile {window} comes too late or not on block {self._block} (rows from {self._top})")
        rows, cols = part.slices_in(window)
        ring = Window(row=self._top, col=self._block.col, height=self._ring.shape[1], width=self._block.width)
        there = part.slices_in(ring)
        self._valid[there] |= valid[rows, cols]
        down, across = self._weights.down(window)[rows], self._weights.across(window)[cols]
        weight = torch.from_numpy(down[:, None] * across[None, :]).to(self._ring.device, non_blocking=True)
        self._ring[:, *there] += probabilities[:, rows, cols] * weight

    def finish(self, up_to: int) -> Iterator[Strip]:
        """Give out every row above `up_to`, in strips that own their pixels; at most `tile` rows a call."""
        count = min(up_to, self._block.bottom) - self._top
        if count <= 0:
            return
        for start in range(0, count, _STRIP_ROWS):
            rows = min(_STRIP_ROWS, count - start)
            window = Window(row=self._top + start, col=self._block.col, height=rows, width=self._block.width)
            yield Strip(
                window=window,
                probabilities=self._ring[:, start : start + rows].clone(),
                valid=self._valid[start : start + rows].copy(),
            )
        kept = self._ring.shape[1] - count
        for row in range(0, kept, count):
            moved = min(count, kept - row)
            self._ring[:, row : row + moved] = self._ring[:, row + count : row + count + moved]
        self._ring[:, kept:] = 0
        self._valid[:kept] = self._valid[count:].copy()
        self._valid[kept:] = False
        self._top += count
