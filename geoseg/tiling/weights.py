"""How much each pixel of a tile counts where tiles overlap. Plain numbers, no torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.tiling.grid import TileGrid
from geoseg.window import Window


def flat_top_cosine(length: int, ramp: Ramp, *, first: bool, last: bool) -> NDArray[np.float32]:
    """Blending weight along one axis of a tile, shape (length,), float32.

    sin²(π/2·(k+½)/n) over the n pixels of the ramp, 1 in the middle, mirrored at the end: over two neighbours it sums
    to sin² + cos² = 1. The Hann window of Pielawski & Wählby (2020) is the case of an overlap of half a tile.

    Args:
        length: side of the tile, px.
        ramp: what it shares with its neighbours.
        first: True for the first tile along the axis, which has no neighbour before it and so no ramp there.
        last: the same at its end.
    """
    weight = np.ones(length)
    rising = ramp.weights()
    if not last:
        weight[length - ramp.overlap :] = rising[::-1]
    if not first:
        weight[: ramp.overlap] = rising
    return weight.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Ramp:
    """How the weight of a tile rises over what it shares with the tile before it."""

    overlap: int
    """Pixels shared."""

    margin: int = 0
    """The first of them, where the weight is 0; over as many at the end it is 1."""

    def weights(self) -> NDArray[np.float64]:
        """Shape (overlap,), from 0 to 1."""
        rising = self.overlap - 2 * self.margin
        steps = np.sin(np.pi / 2 * (np.arange(rising) + 0.5) / max(rising, 1)) ** 2
        return np.concatenate([np.zeros(self.margin), steps, np.ones(self.margin)])


class TileWeights:
    """The weights of the tiles of a lattice, made once for each of the few kinds there are."""

    def __init__(self, grid: TileGrid) -> None:
        self._grid, self._ramp = grid, Ramp(grid.overlap, grid.margin)
        self._known: dict[tuple[int, bool, bool], NDArray[np.float32]] = {}

    def down(self, window: Window) -> NDArray[np.float32]:
        """Weight of each row of a tile."""
        return self._of(window.height, first=window.row == 0, last=window.row == self._grid.last_row)

    def across(self, window: Window) -> NDArray[np.float32]:
        """Weight of each column of a tile."""
        return self._of(window.width, first=window.col == 0, last=window.col == self._grid.last_col)

    def _of(self, length: int, *, first: bool, last: bool) -> NDArray[np.float32]:
        key = (length, first, last)
        if key not in self._known:
            self._known[key] = flat_top_cosine(length, self._ramp, first=first, last=last)
        return self._known[key]
