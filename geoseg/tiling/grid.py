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

    Tiles never move: where one leaves the scene it is padded, or cut shorter if `edge_step` allows it. A row or
    column of tiles ends with the first tile that reaches the far edge. So the lattice is a function of the scene's
    origin alone, but for that last tile, and not of the block that is computed.
    """

    height: int
    """Rows of the scene, px."""

    width: int
    """Columns of the scene, px."""

    tile: int
    """Side of a tile, px."""

    overlap: int
    """Pixels shared by two neighbouring tiles, at most half a tile."""

    margin: int = 0
    """Outermost pixels of a tile that count nothing where it has a neighbour, at most half of the overlap."""

    edge_step: int = 0
    """The last tile of a row or column of tiles is cut to a multiple of this many px; 0 leaves it whole."""

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
        if not 0 <= self.margin <= self.overlap // 2:
            raise GridError(
                f"margin is {self.margin} px: it must be from 0 to half the overlap ({self.overlap // 2} px)"
            )
        if not 0 <= self.edge_step <= self.tile or self.edge_step % NETWORK_STRIDE:
            raise GridError(
                f"edge step is {self.edge_step} px: it must be a multiple of {NETWORK_STRIDE} from 0 to the tile "
                f"({self.tile} px)"
            )

    @property
    def stride(self) -> int:
        """Distance between the origins of neighbouring tiles, px."""
        return self.tile - self.overlap

    @property
    def scene(self) -> Window:
        """All pixels of the scene."""
        return Window.of_shape(self.height, self.width)

    @property
    def last_row(self) -> int:
        """First row of the lowest tiles."""
        return self._last(self.height)

    @property
    def last_col(self) -> int:
        """First column of the rightmost tiles."""
        return self._last(self.width)

    def row_origins(self, block: Window) -> range:
        """First rows of the tiles that touch a block."""
        return self._origins(block.row, block.bottom, self.last_row)

    def col_origins(self, block: Window) -> range:
        """First columns of the tiles that touch a block."""
        return self._origins(block.col, block.right, self.last_col)

    def window(self, row: int, col: int) -> Window:
        """The tile that begins there; it may leave the scene."""
        return Window(row=row, col=col, height=self._side(row, self.height), width=self._side(col, self.width))

    def windows(self, block: Window | None = None) -> Iterator[Window]:
        """The tiles that touch a block (by default the whole scene), row-major. They may leave the scene."""
        block = block or self.scene
        for row in self.row_origins(block):
            for col in self.col_origins(block):
                yield self.window(row, col)

    def computed_pixels(self) -> int:
        """Pixels of all tiles together, those outside the scene too."""
        rows, cols = self.row_origins(self.scene), self.col_origins(self.scene)
        down = sum(self._side(row, self.height) for row in rows)
        return down * sum(self._side(col, self.width) for col in cols)

    def _last(self, size: int) -> int:
        """Origin of the first tile that reaches the end of an axis of `size` px."""
        return max(0, -(-(size - self.tile) // self.stride)) * self.stride

    def _side(self, origin: int, size: int) -> int:
        inside = size - origin
        if not self.edge_step or inside >= self.tile:
            return self.tile
        return min(self.tile, -(-inside // self.edge_step) * self.edge_step)

    def _origins(self, start: int, stop: int, last: int) -> range:
        """Multiples of the stride from the scene's origin on whose tiles reach into [start, stop)."""
        first = max(0, (start - self.tile) // self.stride + 1)
        end = min((stop - 1) // self.stride * self.stride, last)
        return range(first * self.stride, end + 1, self.stride)
