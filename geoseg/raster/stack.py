"""Bands of several files as one scene, on the grid of the finest of them.

Coarser bands are interpolated linearly between their pixel centres, on the ground: nothing shifts, whatever the sizes,
and a pixel does not depend on the window that it is read in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.raster.gdal import shown
from geoseg.raster.kept_rows import KeptFileRows
from geoseg.raster.patch import Patch
from geoseg.raster.pixel_source import PixelReader, PixelSource
from geoseg.raster.remote import is_remote
from geoseg.window import Window

if TYPE_CHECKING:
    from scipy import sparse

_HALF = 0.5
_SAME_PX = 1e-3
_BEYOND_PX = 1.5  # coarse pixels by which a band may lie beside the finest one
_MOST_AT_ONCE = 8
_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Steps:
    """How pixels of a fine grid lie on a coarse one, along one axis: coarse = fine x step + start, both at corners."""

    step: float
    """Side of a fine pixel in coarse pixels, at most 1."""

    start: float
    """Where the fine grid begins, in coarse pixels."""

    size: int
    """Coarse pixels along the axis."""

    @property
    def is_same(self) -> bool:
        """True where the grids are one."""
        return abs(self.step - 1) * self.size < _SAME_PX and abs(self.start) < _SAME_PX

    def weights(self, start: int, stop: int) -> tuple[sparse.csr_array, int]:
        """Weights of coarse pixels in fine ones, which depend on absolute places alone.

        Args:
            start: first fine pixel.
            stop: one past the last fine pixel.

        Returns:
            A sparse float32 matrix (stop - start, coarse pixels) whose rows sum to 1, and the coarse pixel of its first
            column. At the edges the last pixel is repeated.
        """
        from scipy import sparse  # noqa: PLC0415 - slow to import, and only where bands are interpolated

        centres = (np.arange(start, stop, dtype=np.float64) + _HALF) * self.step + self.start - _HALF
        first = np.floor(centres)
        weights = np.stack([first + 1 - centres, centres - first], axis=1).astype(np.float32)
        pixels = np.clip(np.stack([first, first + 1], axis=1).astype(np.int64), 0, self.size - 1)
        left = int(pixels.min())
        rows = np.repeat(np.arange(stop - start), 2)
        shape = (stop - start, int(pixels.max()) + 1 - left)
        return sparse.csr_array((weights.ravel(), (rows, pixels.ravel() - left)), shape=shape), left

    def nearest(self, start: int, stop: int) -> NDArray[np.int64]:
        """The coarse pixel in which the centre of each fine one lies, the last repeated at the edges."""
        centres = (np.arange(start, stop, dtype=np.float64) + _HALF) * self.step + self.start
        return np.clip(np.floor(centres).astype(np.int64), 0, self.size - 1)


@dataclass(frozen=True, slots=True)
class Layer:
    """Pixels on a grid of their own and how the scene's lie on it."""

    pixels: PixelSource
    """What is read."""

    rows: Steps
    """Down."""

    cols: Steps
    """Across."""

    @property
    def is_fine(self) -> bool:
        """True where its grid is the scene's."""
        return self.rows.is_same and self.cols.is_same

    def open(self) -> PixelReader:
        """Open the files; rows that the next window needs too are kept.

        Raises:
            SceneError: if one cannot be opened.
        """
        source = self.pixels
        return KeptFileRows(source.open(), storage_rows=source.storage_rows, height=source.georef.height)

    def nearest(self, window: Window) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows and columns of the pixels that are nearest to those of a window of the scene."""
        return self.rows.nearest(window.row, window.bottom), self.cols.nearest(window.col, window.right)

    @classmethod
    def on(cls, fine: GeoRef, pixels: PixelSource, *, may_reach_beyond: bool = False) -> Layer:
        """Place pixels under the grid of a scene.

        Args:
            fine: the grid.
            pixels: on another, of the same ground.
            may_reach_beyond: True lets them cover more ground than the scene.

        Raises:
            SceneError: if they do not cover its ground, or are turned against it.
        """
        coarse, name = pixels.georef, shown(pixels.files[0])
        if coarse.crs != fine.crs:
            raise SceneError(f"{name}: has another CRS than the scene: warp it (gdalwarp)")
        step = ~coarse.transform @ fine.transform
        if max(abs(step.b) * fine.height, abs(step.d) * fine.width) > _SAME_PX or min(step.a, step.e) <= 0:
            raise SceneError(f"{name}: is turned against the scene: warp it to one grid (gdalwarp)")
        ends = step.a * fine.width + step.c - coarse.width, step.e * fine.height + step.f - coarse.height
        beyond = (-step.c, -step.f, *ends)
        off = max(beyond) if may_reach_beyond else max(map(abs, beyond))
        if off > _BEYOND_PX:
            raise SceneError(
                f"{name}: lies on other ground than the scene, by {off:.3g} of its pixels: give files of one scene"
            )
        return cls(pixels, Steps(step.e, step.f, coarse.height), Steps(step.a, step.c, coarse.width))


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSource:
    """Bands of several files."""

    georef: GeoRef
    """The grid of the finest."""

    layers: tuple[Layer, ...]
    """The files, in the order of the bands."""

    @classmethod
    def of(cls, sources: Sequence[PixelSource]) -> StackSource:
        """Put bands together, on the grid of the finest (the first of several).

        Raises:
            SceneError: if they do not lie on the same ground or their types differ.
        """
        finest = min(sources, key=lambda source: abs(source.georef.transform.determinant))
        dtypes = {source.dtype for source in sources}
        if len(dtypes) != 1:
            raise SceneError(
                f"{shown(finest.files[0])} and the other bands are {', '.join(sorted(dtypes))}: all must share one "
                "type; convert them (gdal_translate -ot)"
            )
        return cls(georef=finest.georef, layers=tuple(Layer.on(finest.georef, source) for source in sources))

    @property
    def count(self) -> int:
        """How many bands a read gives."""
        return sum(layer.pixels.count for layer in self.layers)

    @property
    def dtype(self) -> str:
        """Of the pixels as read."""
        return self.layers[0].pixels.dtype

    @property
    def storage_rows(self) -> int:
        """Rows of the internal tiling of the finest bands, px; coarser ones keep the rows that they read."""
        return max(layer.pixels.storage_rows for layer in self.layers if layer.is_fine)

    @property
    def files(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(name for layer in self.layers for name in layer.pixels.files)

    def open(self) -> StackReader:
        """Open the files.

        Raises:
            SceneError: if one cannot be opened.
        """
        return StackReader(self)


class StackReader:
    """Open bands of several files; those of a network are asked at the same time."""

    def __init__(self, source: StackSource) -> None:
        self._source = source
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE) if any(map(is_remote, source.files)) else None
        self._readers: list[PixelReader] = []
        try:
            self._readers.extend(self._each(Layer.open, source.layers))
        except SceneError:
            self.close()
            raise

    def close(self) -> None:
        """Close the files; closing twice is fine."""
        for reader in self._readers:
            reader.close()
        if self._pool is not None:
            self._pool.shutdown()

    def read(self, window: Window) -> Patch:
        """The pixels of a window inside the grid.

        A pixel is valid where of each grid any band is: one band of a real pixel may be 0. Of floats all have to be.
        """
        patches = list(self._each(lambda number: self._layer(number, window), range(len(self._readers))))
        image = np.concatenate([patch.image for patch in patches])
        floats = np.issubdtype(image.dtype, np.floating)
        by_grid: dict[object, NDArray[np.bool_]] = {}
        for number, patch in enumerate(patches):
            grid = number if floats else self._source.layers[number].pixels.georef
            by_grid[grid] = patch.valid | by_grid[grid] if grid in by_grid else patch.valid
        return Patch(image=image, valid=np.logical_and.reduce(list(by_grid.values())), window=window)

    def _layer(self, number: int, window: Window) -> Patch:
        layer, reader = self._source.layers[number], self._readers[number]
        return reader.read(window) if layer.is_fine else _interpolated(layer, reader, window)

    def _each(self, make: Callable[[_Item], _Made], items: Sequence[_Item]) -> Iterator[_Made]:
        return iter(map(make, items)) if self._pool is None else self._pool.map(make, items)


def _interpolated(layer: Layer, reader: PixelReader, window: Window) -> Patch:
    rows, top = layer.rows.weights(window.row, window.bottom)
    cols, left = layer.cols.weights(window.col, window.right)
    coarse = reader.read(Window.between(top, top + rows.shape[1], left, left + cols.shape[1]))
    coverage = _spread(coarse.valid.astype(np.float32), rows, cols)
    image = np.empty((len(coarse.image), *window.shape), dtype=coarse.image.dtype)
    for band, pixels in enumerate(coarse.image):
        usable = np.where(coarse.valid, pixels, 0).astype(np.float32)
        mean = _spread(usable, rows, cols) / np.maximum(coverage, np.float32(1e-6))
        image[band] = mean if np.issubdtype(image.dtype, np.floating) else np.rint(mean)
    return Patch(image=image, valid=coverage >= _HALF, window=window)


def _spread(pixels: NDArray[np.float32], rows: sparse.csr_array, cols: sparse.csr_array) -> NDArray[np.float32]:
    return np.asarray((cols @ (rows @ pixels).T).T, dtype=np.float32)
