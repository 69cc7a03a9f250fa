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


def flat_top_cosine(tile: int, overlap: int, *, first: bool) -> torch.Tensor:
    """Blending weight along one axis of a tile, shape (tile,), float32.

    sin²(π/2·(k+½)/overlap) over the first `overlap` pixels, 1 in the middle, mirrored at the end: over two
    neighbours it sums to sin² + cos² = 1. The Hann window of Pielawski & Wählby (2020) is the case of an
    overlap of half a tile.

    Args:
        tile: side of a tile, px.
        overlap: pixels shared with the next tile, at most tile / 2.
        first: True for the first tile of the lattice, which has no neighbour before it and so no ramp there.
    """
    weight = torch.ones(tile, dtype=torch.float64)
    ramp = torch.sin(torch.pi / 2 * (torch.arange(overlap, dtype=torch.float64) + 0.5) / max(overlap, 1)) ** 2
    weight[tile - overlap :] = ramp.flip(0)
    if not first:
        weight[:overlap] = ramp
    return weight.to(torch.float32)


class RowBlender:
    """Sums weighted tiles over one block and gives out the rows that are finished.

    Memory: classes x tile x width of the block x 4 bytes, whatever its height.
    """

    def __init__(self, grid: TileGrid, block: Window, *, classes: int, device: torch.device) -> None:
        self._grid, self._block, self._top = grid, block, block.row
        depth = min(grid.tile, block.height)
        self._ring = torch.zeros((classes, depth, block.width), dtype=torch.float32, device=device)
        self._valid = np.zeros((depth, block.width), dtype=np.bool_)
        self._weights = {
            first: flat_top_cosine(grid.tile, grid.overlap, first=first).to(device) for first in (True, False)
        }

    def add(self, window: Window, probabilities: torch.Tensor, valid: NDArray[np.bool_]) -> None:
        """Add one tile; tiles must come row-major.

        Args:
            window: of the tile.
            probabilities: (classes, tile, tile) float32.
            valid: (tile, tile), True = usable in the scene.

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
        down = self._weights[window.row == 0][rows]
        across = self._weights[window.col == 0][cols]
        self._ring[:, *there] += probabilities[:, rows, cols] * (down[:, None] * across[None, :])

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
