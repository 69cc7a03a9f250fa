"""Tiles of a scene, one by one or in batches of one fixed shape, read ahead in a thread. Knows nothing of networks.

Each storage block is decoded once: rows are read in whole storage-block rows and kept while a tile still needs
them. Tiles are copies, so that rows can go; pixels outside are reflected at its edges and never wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from geoseg.ahead import read_ahead
from geoseg.inference.rolling_rows import RollingRows, Rows
from geoseg.raster.patch import SceneReader
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

_Number = TypeVar("_Number", bound=np.generic)

Wanted = Callable[[Window], NDArray[np.bool_]]
"""Which pixels of a window are to be decided, on the grid of the tiles; others only surround them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TiledBlock:
    """A block of a scene, with the tiles that touch it."""

    grid: TileGrid
    """The lattice of tiles over the scene."""

    window: Window
    """The block, inside the scene."""

    wanted: Wanted | None = None
    """Which of its pixels are to be decided; None = all that are valid."""

    saw: Callable[[Window, bool], None] | None = None
    """Called with every tile in turn and whether it holds anything to decide, on the thread that makes the tiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What the network sees of one window of the lattice."""

    window: Window
    """Of the tile; it may leave the scene."""

    image: NDArray[np.generic]
    """(bands, height, width), in the scene's dtype, reflected outside the scene."""

    usable: NDArray[np.bool_]
    """(height, width); True = the image holds a measurement there, real or reflected."""

    valid: NDArray[np.bool_]
    """(height, width); True = usable, inside the scene and wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Tiles for one call of the network. Its shape never changes inside a run."""

    images: NDArray[np.generic]
    """(n, bands, tile, tile); zeros after the last tile, and beyond tiles that are cut short."""

    usable: NDArray[np.bool_]
    """(n, tile, tile); there False."""

    tiles: tuple[Tile, ...]
    """Those in it, at most n, in row-major order."""


def batches(scene: SceneReader, block: TiledBlock, *, batch_size: int) -> Iterator[Batch]:
    """Batches of the tiles that touch a block and hold any valid pixel, one made ahead of the consumer."""
    return read_ahead(_in_batches(tiles(scene, block), batch_size, block.grid.tile))


def tiles(scene: SceneReader, block: TiledBlock) -> Generator[Tile, None, None]:
    """The tiles that touch a block and hold any valid pixel, row-major, their rows read one row of tiles ahead."""
    grid = block.grid
    for rows, row in read_ahead(_rows_of_tiles(scene, block)):
        for col in grid.col_origins(block.window):
            tile = _cut(rows, grid.window(row, col), block)
            is_wanted = bool(tile.valid.any())
            if block.saw is not None:
                block.saw(tile.window, is_wanted)
            if is_wanted:
                yield tile


def _rows_of_tiles(scene: SceneReader, block: TiledBlock) -> Iterator[tuple[Rows, int]]:
    """For each row of tiles the pixels it is cut from, and its first row."""
    grid = block.grid
    *_, last = origins = grid.col_origins(block.window)
    every_col = reflected(origins[0], grid.window(0, last).right, grid.width)
    rolling = RollingRows(scene, int(every_col.min()), int(every_col.max()) + 1)
    for row in grid.row_origins(block.window):
        rows = reflected(row, grid.window(row, 0).bottom, grid.height)
        yield rolling.rows(int(rows.min()), int(rows.max()) + 1), row


def reflected(start: int, stop: int, size: int) -> NDArray[np.int64]:
    """Pixel indices start..stop-1 along an axis of `size` px, mirrored at both ends (the edge pixel not doubled)."""
    if size == 1:
        return np.zeros(stop - start, dtype=np.int64)
    folded = np.arange(start, stop, dtype=np.int64) % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)


def _cut(rows: Rows, window: Window, block: TiledBlock) -> Tile:
    if rows.window.intersect(window) == window:
        patch = rows.copied(window)
        image, usable = patch.image, patch.valid
        inside = usable
    else:
        scene = block.grid.scene
        beyond_rows = reflected(window.row, window.bottom, scene.height)
        beyond_cols = reflected(window.col, window.right, scene.width)
        patch = rows.part(_span(beyond_rows, beyond_cols))
        there = beyond_rows - patch.window.row, beyond_cols - patch.window.col
        image, usable = _taken(patch.image, *there), _taken(patch.valid, *there)
        inside = usable.copy()
        inside[scene.bottom - window.row :] = False
        inside[:, scene.right - window.col :] = False
    valid = inside if block.wanted is None else inside & block.wanted(window)
    return Tile(window=window, image=image, usable=usable, valid=valid)


def _taken(pixels: NDArray[_Number], rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[_Number]:
    """Pixels (..., height, width) at rows and columns, those columns that follow one another in one go."""
    lines = pixels.take(rows, axis=-2)
    follows = np.flatnonzero(np.diff(cols) != 1)
    edges = np.concatenate([[0], follows + 1, [len(cols)]])
    longest = int(np.argmax(np.diff(edges)))
    first, last = int(edges[longest]), int(edges[longest + 1])
    found = np.empty((*lines.shape[:-1], len(cols)), dtype=pixels.dtype)
    found[..., first:last] = lines[..., cols[first] : cols[first] + last - first]
    found[..., :first] = lines.take(cols[:first], axis=-1)
    found[..., last:] = lines.take(cols[last:], axis=-1)
    return found


def _span(rows: NDArray[np.int64], cols: NDArray[np.int64]) -> Window:
    """The window that holds them all."""
    return Window.between(int(rows.min()), int(rows.max()) + 1, int(cols.min()), int(cols.max()) + 1)


def _in_batches(every: Iterator[Tile], size: int, side: int) -> Iterator[Batch]:
    held: list[Tile] = []
    for tile in every:
        held.append(tile)
        if len(held) == size:
            yield _batch(held, size, side)
            held = []
    if held:
        yield _batch(held, size, side)


def _batch(held: list[Tile], size: int, side: int) -> Batch:
    image = held[0].image
    images = np.zeros((size, len(image), side, side), dtype=image.dtype)
    usable = np.zeros((size, side, side), dtype=np.bool_)
    for place, tile in enumerate(held):
        height, width = tile.window.shape
        images[place, :, :height, :width], usable[place, :height, :width] = tile.image, tile.usable
    return Batch(images=images, usable=usable, tiles=tuple(held))
