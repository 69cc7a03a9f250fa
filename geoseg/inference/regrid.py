"""From the model's grid back to the scene's own: probabilities are resampled, then decided, so edges stay smooth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from geoseg.raster.patch import SceneReader
from geoseg.raster.resample import axis_weights
from geoseg.tiling.blend import Strip
from geoseg.window import Window

_PIXELS_AT_ONCE = 2**21


def window_on_model_grid(block: Window, model_scene: Window, *, factor: float) -> Window:
    """The pixels of the model's grid that a block of the scene's grid is made from.

    Args:
        block: on the scene's grid.
        model_scene: the whole scene on the model's grid.
        factor: side of a model pixel in scene pixels.
    """
    rows, top = axis_weights(block.row, block.bottom, 1 / factor, model_scene.height)
    cols, left = axis_weights(block.col, block.right, 1 / factor, model_scene.width)
    return Window.between(top, top + rows.shape[1], left, left + cols.shape[1])


def regrid(strips: Iterator[Strip], scene: SceneReader, *, block: Window, factor: float) -> Iterator[Strip]:
    """Strips on the scene's own grid.

    Args:
        strips: on the model's grid, top to bottom, together covering `window_on_model_grid(block)`.
        scene: on its own grid; says which pixels are valid.
        block: the part wanted, on the scene's grid.
        factor: side of a model pixel in scene pixels.
    """
    first = next(strips)
    held = _Held(first, strips)
    cols, _ = axis_weights(block.col, block.right, 1 / factor, _size(scene.georef.width, factor))
    step = max(1, _PIXELS_AT_ONCE // block.width)
    for row in range(block.row, block.bottom, step):
        window = Window.between(row, min(row + step, block.bottom), block.col, block.right)
        rows, top = axis_weights(window.row, window.bottom, 1 / factor, _size(scene.georef.height, factor))
        probabilities = held.rows(top, top + rows.shape[1])
        yield Strip(
            window=window,
            probabilities=_resampled(probabilities, rows, cols),
            valid=scene.read(window).valid,
        )


def _size(scene_size: int, factor: float) -> int:
    return max(1, int(np.floor(scene_size / factor + 0.5)))


def _resampled(probabilities: NDArray[np.float32], rows: sparse.csr_array, cols: sparse.csr_array) -> torch.Tensor:
    planes = np.stack([np.asarray((cols @ (rows @ plane).T).T, dtype=np.float32) for plane in probabilities])
    total = planes.sum(axis=0)
    return torch.from_numpy(planes / np.where(total > 0, total, 1))


class _Held:
    """Rows of strips that may still be needed."""

    def __init__(self, first: Strip, rest: Iterator[Strip]) -> None:
        self._rest = rest
        self._top = first.window.row
        self._pixels = first.probabilities.cpu().numpy()

    def rows(self, top: int, bottom: int) -> NDArray[np.float32]:
        """Probabilities (classes, bottom - top, width) of model rows; `top` must not go back."""
        parts = [self._pixels[:, top - self._top :]]
        reached = self._top + self._pixels.shape[1]
        while reached < bottom:
            strip = next(self._rest)
            parts.append(strip.probabilities.cpu().numpy())
            reached = strip.window.bottom
        self._pixels = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        self._top = top
        return self._pixels[:, : bottom - top]
