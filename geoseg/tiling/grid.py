"""The lattice of overlapping tiles over a scene. Pure integers: no pixels, no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from geoseg.errors import GridError
from geoseg.window import Window

NETWORK_STRIDE = 32
"""Tile origins are multiples of this many pixels, so that every tile meets the network's pooling in one phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileGrid:
    """Squares of `tile` px whose origins are the multiples of `tile - overlap` px, counted from the scene's origin.

    Tiles never move: where one leaves the scene it is padded. So the lattice is a function of the scene's origin
    alone, not of its far edges and not of the block that is computed.
    """

    height: int
    """Rows of the scene, px."""

    width: int
    """Columns of the scene, px."""

    tile: int
    """Side of a tile, px."""

    overlap: int
    """Pixels shared by two neighbouring tiles, at most half a tile."""

    def __post_init__(self) -> None:
        if self.height <= 0 or self.width <= 0:
            raise GridError(f"a scene needs a positive size, got {self.height} x {self.width} px")
        if self.tile <= 0 or self.tile % NETWORK_STRIDE:
            raise GridError(f"tile is {self.tile} px: it must be a multiple of {NETWORK_STRIDE}")
        if not 0 <= self.overlap <= self.tile // 2 or self.overlap % NETWORK_STRIDE:
            raise GridError(
                f"overlap is {self.overlap} px: it must be a multiple of {NETWORK_STRIDE} from 0 to half a tile "
                f"({self.tile // 2} px)"
            )

    @property
    def stride(self) -> int:
        """Distance between the origins of neighbouring tiles, px."""
        return self.tile - self.overlap

    @property
    def scene(self) -> Window:
        """All pixels of the scene."""
        return Window.of_shape(self.height, self.width)

    def row_origins(self, block: Window) -> range:
        """First rows of the tiles that touch a block."""
        return self._origins(block.row, block.bottom)

    def col_origins(self, block: Window) -> range:
        """First columns of the tiles that touch a block."""
        return self._origins(block.col, block.right)

    def windows(self, block: Window | None = None) -> Iterator[Window]:
        """The tiles that touch a block (by default the whole scene), row-major. They may leave the scene."""
        block = block or self.scene
        for row in self.row_origins(block):
            for col in self.col_origins(block):
                yield Window(row=row, col=col, height=self.tile, width=self.tile)

    def _origins(self, start: int, stop: int) -> range:
        """Multiples of the stride from the scene's origin on whose tiles reach into [start, stop)."""
        first = max(0, (start - self.tile) // self.stride + 1)
        last = (stop - 1) // self.stride
        return range(first * self.stride, last * self.stride + 1, self.stride)
