"""Tiles of probabilities in, finished rows of a block out, on a CPU: blended and decided in one pass.

The same as `RowBlender` and `decide` one after the other, to the bit, but each probability is read once and only
what overlaps is kept: memory follows classes x overlap x width of the block, not the tile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.inference.batches import TiledBlock
from geoseg.inference.decide import Decision, DecisionRule
from geoseg.inference.kernels import Bytes, Kept, Legend, Place, Sums, TilePixels, decide_tile, sum_tile
from geoseg.tiling.blend import Strip
from geoseg.tiling.grid import TileGrid
from geoseg.tiling.weights import TileWeights
from geoseg.window import Window

Finished = TypeVar("Finished", covariant=True)  # noqa: PLC0105 - of the protocol alone it is true
_PART_ROWS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedTile:
    """What the network says of a tile."""

    window: Window
    """Of the tile."""

    probabilities: NDArray[np.float32]
    """(classes, height, width)."""

    valid: NDArray[np.bool_]
    """(height, width); True = to be decided."""


class Sink(Protocol[Finished]):
    """What becomes of the rows of a block that lie between two rows of tiles."""

    fills_gaps: bool
    """True where pixels that are not valid matter too: tiles that were not computed then count as zeros."""

    def begin(self, rows: range, block: Window) -> None:
        """Make room for rows of a block; there may be none."""

    def add(self, tile: TilePixels, place: Place, kept: Kept) -> None:
        """Finish what a tile is the last one over; rows count from the window's first."""

    def parts(self) -> Iterator[Finished]:
        """The finished rows, in a few parts from top to bottom."""


def finished_rows(
    computed: Iterable[ComputedTile], block: TiledBlock, classes: int, sink: Sink[Finished]
) -> Iterator[Finished]:
    """Blend the tiles of a block, which come row-major; rows without any tile are finished too.

    Args:
        computed: those of the tiles that touch the block and hold any valid pixel.
        block: what is wanted.
        classes: how many.
        sink: makes what is given out.
    """
    grid, window = block.grid, block.window
    frame = _Frame(grid, window, classes)
    coming = deque(grid.row_origins(window))
    rows = frame.begin(coming.popleft(), sink)
    for tile in _with_gaps(computed, block, classes) if sink.fills_gaps else computed:
        while tile.window.row > rows.row:
            yield from sink.parts()
            rows = frame.begin(coming.popleft(), sink)
        rows.add(tile, sink)
    yield from sink.parts()
    for row in coming:
        frame.begin(row, sink)
        yield from sink.parts()


def _with_gaps(computed: Iterable[ComputedTile], block: TiledBlock, classes: int) -> Iterator[ComputedTile]:
    """All tiles of a block, those that were not computed as zeros."""
    windows = block.grid.windows(block.window)
    for tile in computed:
        while (window := next(windows)) != tile.window:
            yield _empty(window, classes)
        yield tile
    for window in windows:
        yield _empty(window, classes)


def _empty(window: Window, classes: int) -> ComputedTile:
    zeros = np.zeros((classes, *window.shape), dtype=np.float32)
    return ComputedTile(window=window, probabilities=zeros, valid=np.zeros(window.shape, dtype=np.bool_))


class _Frame:
    """What overlaps between tiles of a block."""

    def __init__(self, grid: TileGrid, block: Window, classes: int) -> None:
        self.grid, self.block, self.weights = grid, block, TileWeights(grid)
        shared = (classes, grid.overlap, block.width)
        self._above, self._below = np.zeros(shared, dtype=np.float32), np.zeros(shared, dtype=np.float32)
        self._beside = np.zeros((classes, grid.tile, grid.overlap), dtype=np.float32)

    def begin(self, row: int, sink: Sink[Finished]) -> _RowOfTiles:
        """Turn to a row of tiles: what was shared with those below is now shared with those above."""
        self._above, self._below = self._below, self._above
        return _RowOfTiles(self, row, Kept(self._above, self._below, self._beside), sink)


class _RowOfTiles:
    """One row of tiles on a block."""

    def __init__(self, frame: _Frame, row: int, kept: Kept, sink: Sink[Finished]) -> None:
        grid, block = frame.grid, frame.block
        self.row, self._frame, self._kept = row, frame, kept
        self._top = max(row, block.row)
        bottom = min(grid.height if row == grid.last_row else row + grid.stride, block.bottom)
        sink.begin(range(self._top, bottom), block)

    def add(self, tile: ComputedTile, sink: Sink[Finished]) -> None:
        """Blend one tile into it."""
        frame, window = self._frame, tile.window
        valid = np.ascontiguousarray(tile.valid)
        pixels = TilePixels(tile.probabilities, valid, frame.weights.down(window), frame.weights.across(window))
        sink.add(pixels, self._place(window), self._kept)

    def _place(self, window: Window) -> Place:
        grid, block = self._frame.grid, self._frame.block
        return Place(
            rows=(max(block.row - window.row, 0), min(block.bottom - window.row, window.height)),
            cols=(max(block.col - window.col, 0), min(block.right - window.col, window.width)),
            left=window.col - block.col,
            top=window.row - self._top,
            overlap=grid.overlap,
            stride=grid.stride,
            has_above=window.row > 0,
            has_below=window.row < grid.last_row,
            has_left=window.col > 0,
            has_right=window.col < grid.last_col,
        )


class Deciding:
    """A sink that decides: bytes of class and confidence."""

    fills_gaps = False

    def __init__(self, rule: DecisionRule) -> None:
        self._rule = rule
        self._legend = Legend(
            rule.classes.ids_of_indices(),
            np.array(rule.thresholds if any(rule.thresholds) else (), dtype=np.float32),
        )

    def begin(self, rows: range, block: Window) -> None:
        """Rows of nodata until something is decided."""
        planes = len(self._legend.ids) if self._rule.with_probabilities else 0
        self._rows, self._block = rows, block
        shape = len(rows), block.width
        self._out = Bytes(
            np.full(shape, NODATA_ID, dtype=np.uint8),
            np.full(shape, NODATA_ID, dtype=np.uint8),
            np.full((planes, *shape), NODATA_ID, dtype=np.uint8),
        )

    def add(self, tile: TilePixels, place: Place, kept: Kept) -> None:
        """As in `Sink`."""
        decide_tile(tile, place, kept, self._legend, self._out)

    def parts(self) -> Iterator[Decision]:
        """As in `Sink`; views of the rows."""
        for rows, window in _split(self._rows, self._block):
            yield Decision(
                window=window,
                class_ids=self._out.class_ids[rows],
                confidence=self._out.confidence[rows],
                probabilities=self._out.percents[:, rows] if self._rule.with_probabilities else None,
            )


class Summing:
    """A sink that keeps the probabilities."""

    fills_gaps = True

    def __init__(self, classes: int) -> None:
        self._classes = classes

    def begin(self, rows: range, block: Window) -> None:
        """Rows of zeros that are not valid until something is known of them."""
        self._rows, self._block = rows, block
        shape = len(rows), block.width
        self._out = Sums(np.zeros((self._classes, *shape), dtype=np.float32), np.zeros(shape, dtype=np.bool_))

    def add(self, tile: TilePixels, place: Place, kept: Kept) -> None:
        """As in `Sink`."""
        sum_tile(tile, place, kept, self._out)

    def parts(self) -> Iterator[Strip]:
        """As in `Sink`; views of the rows."""
        for rows, window in _split(self._rows, self._block):
            yield Strip(
                window=window,
                probabilities=torch.from_numpy(self._out.probabilities[:, rows]),
                valid=self._out.wanted[rows],
            )


def _split(rows: range, block: Window) -> Iterator[tuple[slice, Window]]:
    for top in range(rows.start, rows.stop, _PART_ROWS):
        bottom = min(top + _PART_ROWS, rows.stop)
        yield slice(top - rows.start, bottom - rows.start), Window.between(top, bottom, block.col, block.right)
