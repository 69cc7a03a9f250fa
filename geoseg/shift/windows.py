"""A sample of windows of some scenes in memory, on the pixels that a model sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.raster.normalize import Normalizer
from geoseg.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a window of a sample lies."""

    scene: int
    """Number of the scene, from 0."""

    window: Window
    """On the grid that the model sees."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WindowSample:
    """Windows of one size."""

    images: NDArray[np.float32]
    """(n, bands, side, side), the scene's numbers times their scale; NaN in bands that the scene lacks, any number
    where not valid."""

    valid: NDArray[np.bool_]
    """(n, side, side), True = usable."""

    places: tuple[Place, ...]
    """(n,)."""

    def __len__(self) -> int:
        return len(self.images)

    def tensor(self, normalizer: Normalizer) -> Tensor:
        """(n, bands, side, side) float32 as a network sees them; 0 where not valid."""
        seen = torch.from_numpy(normalizer.apply(self.images, self.valid))
        return seen.contiguous(memory_format=torch.channels_last)

    def part(self, which: NDArray[np.intp]) -> WindowSample:
        """The windows of these numbers, in their order."""
        places = tuple(self.places[number] for number in which.tolist())
        return WindowSample(images=self.images[which], valid=self.valid[which], places=places)
