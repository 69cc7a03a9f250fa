"""Cutting a scene into blocks, the units of work. Pure integers."""

from __future__ import annotations

from collections.abc import Iterator

from geoseg.errors import GridError
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

MAX_BLOCK_WIDTH = 32_768
"""Columns of a block, px: wider scenes are cut in columns too, since memory follows the width of a block."""

_DEFAULT_PIXELS = 64 * 2**20
_RESULT_BYTES = 3


def split_into_blocks(scene: Window, *, rows: int) -> Iterator[Window]:
    """Blocks of `rows` full-width rows, top to bottom; cut in columns only past 32768 px.

    Raises:
        GridError: if `rows` is not positive.
    """
    if rows <= 0:
        raise GridError(f"block rows are {rows}: give at least 1")
    for top in range(scene.row, scene.bottom, rows):
        bottom = min(top + rows, scene.bottom)
        for left in range(scene.col, scene.right, MAX_BLOCK_WIDTH):
            yield Window.between(top, bottom, left, min(left + MAX_BLOCK_WIDTH, scene.right))


def default_block_rows(grid: TileGrid) -> int:
    """Rows of a block when nobody asks: a multiple of the stride, about 64 Mpx.

    Two neighbouring blocks both compute the tile row between them, so a block of n strides costs 1/n more.
    """
    width = min(grid.width, MAX_BLOCK_WIDTH)
    return max(4, _DEFAULT_PIXELS // (width * grid.stride)) * grid.stride


def block_bytes(grid: TileGrid, block: Window, *, classes: int, bands: int, itemsize: int) -> int:
    """Upper bound of the memory one block needs while it is computed, bytes (without the network's own).

    The ring of blended probabilities, one finished strip beside it, the rows read ahead, and the result.
    """
    width = len(grid.col_origins(block)) * grid.stride + grid.overlap
    ring = 4 * classes * grid.tile * width
    rows_read = 2 * grid.tile * (width + grid.tile) * (bands * itemsize + 1)
    return 2 * ring + rows_read + _RESULT_BYTES * block.height * block.width
