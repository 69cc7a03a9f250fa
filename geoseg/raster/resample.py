"""A scene seen at another pixel size: same CRS, same origin, exact area averages or bilinear between pixels.

Each output pixel is a weighted mean of input pixels whose weights depend on its absolute position alone, so the
pixels do not depend on the windows they are read in. (GDAL's warper gives the same view, but decides per window
which source pixels and which alpha band to use, and takes imagery in a band tagged alpha for a mask.)
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from geoseg.georef import GeoRef
from geoseg.raster.kept_rows import KeptRows
from geoseg.raster.patch import Patch, SceneReader
from geoseg.window import Window

_HALF = 0.5
_PIXELS_AT_ONCE = 4 * 2**20


class ResampledScene:
    """A scene on a grid of pixels `factor` times as large. Closing it closes the scene below."""

    def __init__(self, scene: SceneReader, factor: float) -> None:
        self._scene = scene
        self._kept = KeptRows(scene, storage_rows=scene.storage_rows, height=scene.georef.height)
        self._factor = factor
        self._georef = scene.georef.rescaled(factor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close = getattr(self._scene, "close", None)
        if close is not None:
            close()

    @property
    def georef(self) -> GeoRef:
        """The resampled grid."""
        return self._georef

    @property
    def bands(self) -> tuple[str, ...]:
        """Those of the scene below."""
        return self._scene.bands

    @property
    def dtype(self) -> str:
        """That of the scene below: means are rounded to it."""
        return self._scene.dtype

    @property
    def storage_rows(self) -> int:
        """Rows, px, that cover about one storage block of the scene below."""
        return max(1, round(self._scene.storage_rows / self._factor))

    def read(self, window: Window) -> Patch:
        """The pixels of a window; valid where at least half of what they average is."""
        image = np.zeros((len(self.bands), *window.shape), dtype=self.dtype)
        valid = np.zeros(window.shape, dtype=np.bool_)
        inside = window.intersect(self.georef.window)
        if inside is not None:
            rows = max(1, int(_PIXELS_AT_ONCE / (inside.width * self._factor**2)))
            for top in range(inside.row, inside.bottom, rows):
                part = Window.between(top, min(top + rows, inside.bottom), inside.col, inside.right)
                there = part.slices_in(window)
                image[:, *there], valid[there] = self._read_inside(part)
        return Patch(image=image, valid=valid, window=window)

    def _read_inside(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        fine = self._scene.georef
        rows, top = axis_weights(window.row, window.bottom, self._factor, fine.height)
        cols, left = axis_weights(window.col, window.right, self._factor, fine.width)
        bottom, right = top + rows.shape[1], left + cols.shape[1]
        patch = self._kept.read(Window.between(top, bottom, left, right))
        weight = patch.valid.astype(np.float32)
        coverage = _resample(weight, rows, cols)
        image = np.empty((len(self.bands), *window.shape), dtype=self.dtype)
        for band, pixels in enumerate(patch.image):
            usable = np.where(patch.valid, pixels, 0).astype(np.float32)
            mean = _resample(usable, rows, cols) / np.maximum(coverage, np.float32(1e-6))
            image[band] = mean if np.issubdtype(image.dtype, np.floating) else np.rint(mean)
        return image, coverage >= _HALF


def axis_weights(start: int, stop: int, factor: float, size: int) -> tuple[sparse.csr_array, int]:
    """Weights along one axis, from pixels of a raster to pixels `factor` times as large.

    Args:
        start: first output pixel.
        stop: one past the last output pixel.
        factor: output pixel size in input pixels. From 1 on, each output pixel is the mean of what it covers;
            below 1 it is interpolated linearly between pixel centres, the edge pixels repeated.
        size: input pixels along the axis.

    Returns:
        A sparse float32 matrix (stop - start, inputs) whose rows sum to 1, and the input pixel of its first column.
    """
    places = np.arange(start, stop, dtype=np.float64)
    if factor >= 1:
        low, high = places * factor, np.minimum((places + 1) * factor, size)
        first = np.floor(low).astype(np.int64)
        count = int(np.ceil(factor)) + 1
        inputs = first[:, None] + np.arange(count)
        weights = np.minimum(inputs + 1, high[:, None]) - np.maximum(inputs, low[:, None])
        weights = np.clip(weights, 0, None)
    else:
        centre = (places + _HALF) * factor - _HALF
        first = np.floor(centre).astype(np.int64)
        inputs = first[:, None] + np.arange(2)
        weights = np.stack([first + 1 - centre, centre - first], axis=1)
    inputs = np.clip(inputs, 0, size - 1)
    weights /= weights.sum(axis=1, keepdims=True)
    left = int(inputs.min())
    shape = (len(places), int(inputs.max()) + 1 - left)
    rows = np.repeat(np.arange(len(places)), inputs.shape[1])
    entries = (weights.astype(np.float32).ravel(), (rows, inputs.ravel() - left))
    return sparse.csr_array(entries, shape=shape), left


def _resample(pixels: NDArray[np.float32], rows: sparse.csr_array, cols: sparse.csr_array) -> NDArray[np.float32]:
    return np.asarray((cols @ (rows @ pixels).T).T, dtype=np.float32)
