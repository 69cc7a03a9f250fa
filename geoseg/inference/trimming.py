"""Computes of a tile only the part that holds measurements: at the rim of a scene the rest of it is nodata."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.inference.engine import Engine

KEPT = 64
"""Pixels without measurements that are computed around those with, at least."""


class TrimmingEngine:
    """Another engine on a CPU, asked for the smallest part of a tile that holds all its usable pixels.

    Parts begin and end at multiples of some pixels from the corner of the tile, so they depend on the tile alone.
    What is cut off is no measurement, and networks feel the edge of an image, so some of it is kept around.
    """

    def __init__(self, engine: Engine, *, step: int, along_both: bool, kept: int = KEPT) -> None:
        """Trim the tiles of an engine.

        Args:
            engine: asked for the parts.
            step: sides of parts are multiples of it, px, or whole; those of images are what the network takes.
            kept: pixels around those that are usable, at least, where the tile has them.
            along_both: False cuts either rows or columns, whichever is less left, which makes fewer shapes.
        """
        self._engine, self._step, self._along_both = engine, step, along_both
        self._kept = kept

    @property
    def classes(self) -> int:
        """How many classes."""
        return self._engine.classes

    @property
    def device(self) -> torch.device:
        """Where the probabilities lie."""
        return self._engine.device

    @property
    def threads(self) -> int:
        """As many as the other's."""
        return self._engine.threads

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """As in `Engine`; outside of the part every class is as probable as any other."""
        if len(images) != 1 or usable.all() or not usable.any():
            return self._engine.probabilities(images, usable)
        rows, cols = self._part(usable[0])
        if rows.stop - rows.start == images.shape[2] and cols.stop - cols.start == images.shape[3]:
            return self._engine.probabilities(images, usable)
        every = torch.full((1, self.classes, *images.shape[2:]), 1 / self.classes)
        part = np.ascontiguousarray(images[:, :, rows, cols])
        every[:, :, rows, cols] = self._engine.probabilities(part, np.ascontiguousarray(usable[:, rows, cols]))
        return every

    def _part(self, usable: NDArray[np.bool_]) -> tuple[slice, slice]:
        rows, cols = (self._along(np.asarray(usable.any(axis=1 - axis))) for axis in (0, 1))
        if self._along_both:
            return rows, cols
        left = [(each.stop - each.start) / size for each, size in zip((rows, cols), usable.shape, strict=True)]
        return (rows, slice(0, usable.shape[1])) if left[0] < left[1] else (slice(0, usable.shape[0]), cols)

    def _along(self, usable: NDArray[np.bool_]) -> slice:
        """Of one axis, from the first to the last usable pixel and some more, widened to multiples of the step."""
        places = np.flatnonzero(usable)
        first = max(0, int(places[0]) - self._kept) // self._step * self._step
        last = -(-(int(places[-1]) + 1 + self._kept) // self._step) * self._step
        return slice(first, min(last, len(usable)))
