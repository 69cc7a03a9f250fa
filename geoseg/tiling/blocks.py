"""Cutting a scene into blocks, the units of work. Pure integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from geoseg.errors import GridError
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

MAX_BLOCK_WIDTH = 11_264
"""Columns of a block, px: wider scenes are cut in columns too, since memory follows the width of a block.

A scene of Sentinel-2 is just narrower.
"""

_DEFAULT_PIXELS = 64 * 2**20
_ALIGNED = 512  # the storage blocks of a raster that is written
_UNEVEN = 0.25  # of the mean width of the blocks; a cut may move so far to a better place


def split_into_blocks(scene: Window, *, rows: int, cuts: Sequence[int] | None = None) -> Iterator[Window]:
    """Blocks of `rows` rows, row after row of blocks from the top, in each from the left.

    Args:
        scene: what is shared out.
        rows: of a block, px.
        cuts: columns before which a block ends, see `column_cuts`; None cuts every 11264 px.

    Raises:
        GridError: if `rows` is not positive.
    """
    if rows <= 0:
        raise GridError(f"block rows are {rows}: give at least 1")
    if cuts is None:
        cuts = range(scene.col + MAX_BLOCK_WIDTH, scene.right, MAX_BLOCK_WIDTH)
    edges = (scene.col, *cuts, scene.right)
    for top in range(scene.row, scene.bottom, rows):
        for left, right in pairwise(edges):
            yield Window.between(top, min(top + rows, scene.bottom), left, right)


def column_cuts(
    grid: TileGrid, scene: Window, *, storage_cols: int = 1, most: int = MAX_BLOCK_WIDTH
) -> tuple[int, ...]:
    """Columns before which blocks end, from left to right, so that the least is done twice.

    The column of tiles over a cut is computed by the blocks on both sides, and its pixels are decoded by both. Cuts lie
    where that is one column of tiles, and where it covers few columns of storage blocks.

    Args:
        grid: the lattice of tiles.
        scene: what is shared out, on the same pixels.
        storage_cols: columns of a storage block of the scene, px.
        most: columns of a block, px, about at most; at least two tiles.
    """
    count = -(-scene.width // max(most, 2 * grid.tile))
    even = scene.width / count
    reach = min(even * _UNEVEN, max(most - even, 0)) / 2
    return tuple(_best_cut(grid, scene.col + even * number, reach, storage_cols) for number in range(1, count))


def _best_cut(grid: TileGrid, wanted: float, reach: float, storage_cols: int) -> int:
    """The column at most so far from a wanted one, if there is one at all, before which to cut."""
    nearest = round((wanted - grid.tile / 2) / grid.stride)
    around = int(reach // grid.stride)

    def cost(tile: int) -> tuple[int, int]:
        left, right = tile * grid.stride, tile * grid.stride + grid.tile
        return -(-right // storage_cols) - left // storage_cols, abs(tile - nearest)

    return _cut_over(grid, min(range(nearest - around, nearest + around + 1), key=cost))


def _cut_over(grid: TileGrid, tile: int) -> int:
    """A column that one tile alone lies across, where a storage block of the output begins if there is one."""
    first, last = tile * grid.stride + grid.overlap, (tile + 1) * grid.stride
    aligned = first + -first % _ALIGNED
    return aligned if aligned <= last else (first + last) // 2


def default_block_rows(grid: TileGrid) -> int:
    """Rows of a block when nobody asks: a multiple of the stride, about 64 Mpx.

    Two neighbouring blocks both compute the tile row between them, so a block of n strides costs 1/n more.
    """
    width = min(grid.width, MAX_BLOCK_WIDTH)
    return max(4, _DEFAULT_PIXELS // (width * grid.stride)) * grid.stride
