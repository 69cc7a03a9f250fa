"""Tiles of a scene in batches of one fixed shape, read ahead in a thread. Knows nothing of networks.

Each storage block is decoded once: rows are read in whole storage-block rows and kept while a tile still needs
them. Pixels outside the scene are reflected at its edges; they count as not valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from geoseg.raster.patch import Patch, SceneReader
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

Item = TypeVar("Item")
_MIN_ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What the network sees of one window of the lattice."""

    window: Window
    """Of the tile; it may leave the scene."""

    image: NDArray[np.generic]
    """(bands, tile, tile), in the scene's dtype, reflected outside the scene."""

    usable: NDArray[np.bool_]
    """(tile, tile); True = the image holds a measurement there, real or reflected."""

    valid: NDArray[np.bool_]
    """(tile, tile); True = usable and inside the scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Tiles for one call of the network. Its shape never changes inside a run."""

    images: NDArray[np.generic]
    """(n, bands, tile, tile); after the last tile zeros."""

    usable: NDArray[np.bool_]
    """(n, tile, tile); after the last tile False."""

    tiles: tuple[Tile, ...]
    """Those in it, at most n, in row-major order."""


def batches(scene: SceneReader, grid: TileGrid, *, block: Window, batch_size: int) -> Iterator[Batch]:
    """Batches of the tiles that touch a block and hold any valid pixel, one read ahead of the consumer."""
    return read_ahead(_in_batches(tiles(scene, grid, block=block), batch_size))


def tiles(scene: SceneReader, grid: TileGrid, *, block: Window) -> Iterator[Tile]:
    """The tiles that touch a block and hold any valid pixel, row-major."""
    origins = grid.col_origins(block)
    every_col = reflected(origins[0], origins[-1] + grid.tile, grid.width)
    left, right = int(every_col.min()), int(every_col.max()) + 1
    rolling = _RollingRows(scene, left, right)
    for row in grid.row_origins(block):
        rows = reflected(row, row + grid.tile, grid.height)
        patch = rolling.rows(int(rows.min()), int(rows.max()) + 1)
        rows = rows - patch.window.row
        for col in origins:
            cols = reflected(col, col + grid.tile, grid.width) - left
            tile = _cut(patch, Window(row=row, col=col, height=grid.tile, width=grid.tile), rows, cols, grid.scene)
            if tile.valid.any():
                yield tile


def reflected(start: int, stop: int, size: int) -> NDArray[np.int64]:
    """Pixel indices start..stop-1 along an axis of `size` px, mirrored at both ends (the edge pixel not doubled)."""
    if size == 1:
        return np.zeros(stop - start, dtype=np.int64)
    folded = np.arange(start, stop, dtype=np.int64) % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)


def read_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, the next one made in a thread while the consumer works on this one."""
    source = iter(items)
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as pool:
        coming = pool.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, source, end)
            yield item  # type: ignore[misc] # the sentinel is excluded above


def _cut(patch: Patch, window: Window, rows: NDArray[np.int64], cols: NDArray[np.int64], scene: Window) -> Tile:
    usable = patch.valid[rows[:, None], cols[None, :]]
    valid = usable.copy()
    valid[scene.bottom - window.row :] = False
    valid[:, scene.right - window.col :] = False
    image = patch.image[:, rows[:, None], cols[None, :]]
    return Tile(window=window, image=image, usable=usable, valid=valid)


def _in_batches(every: Iterator[Tile], size: int) -> Iterator[Batch]:
    held: list[Tile] = []
    for tile in every:
        held.append(tile)
        if len(held) == size:
            yield _batch(held, size)
            held = []
    if held:
        yield _batch(held, size)


def _batch(held: list[Tile], size: int) -> Batch:
    first = held[0]
    images = np.zeros((size, *first.image.shape), dtype=first.image.dtype)
    usable = np.zeros((size, *first.usable.shape), dtype=np.bool_)
    for place, tile in enumerate(held):
        images[place], usable[place] = tile.image, tile.usable
    return Batch(images=images, usable=usable, tiles=tuple(held))


class _RollingRows:
    """Rows of a column range of the scene; those already read are kept until a request starts below them."""

    def __init__(self, scene: SceneReader, left: int, right: int) -> None:
        self._scene, self._left, self._right = scene, left, right
        self._step = scene.storage_rows * -(-_MIN_ROWS // scene.storage_rows)
        self._kept: Patch | None = None

    def rows(self, top: int, bottom: int) -> Patch:
        """Rows top..bottom-1, inside the scene, and perhaps a few more on either side."""
        kept = self._kept
        if kept is None or not kept.window.row <= top <= kept.window.bottom:
            kept = self._read(top - top % self._step, bottom)
        elif bottom > kept.window.bottom:
            kept = _stacked(_below(kept, top), self._read(kept.window.bottom, bottom))
        self._kept = kept
        return kept

    def _read(self, top: int, bottom: int) -> Patch:
        bottom = min(bottom + -bottom % self._step, self._scene.georef.height)
        return self._scene.read(Window.between(top, bottom, self._left, self._right))


def _below(patch: Patch, top: int) -> Patch | None:
    window = patch.window
    if top >= window.bottom:
        return None
    skip = top - window.row
    kept = Window.between(top, window.bottom, window.col, window.right)
    return Patch(image=patch.image[:, skip:], valid=patch.valid[skip:], window=kept)


def _stacked(upper: Patch | None, lower: Patch) -> Patch:
    if upper is None:
        return lower
    window = Window.between(upper.window.row, lower.window.bottom, lower.window.col, lower.window.right)
    image = np.concatenate([upper.image, lower.image], axis=1)
    return Patch(image=image, valid=np.concatenate([upper.valid, lower.valid]), window=window)
