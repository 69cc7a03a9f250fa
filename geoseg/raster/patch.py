"""Pixels of a window in memory, and the protocol of whatever they are read from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The pixels of one window. Its shape always equals the window's, also outside the scene."""

    image: NDArray[np.generic]
    """(bands, height, width), in the scene's own dtype and units; where `valid` is False any value."""

    valid: NDArray[np.bool_]
    """(height, width); True = usable, False = nodata or outside the scene."""

    window: Window
    """Where it lies, in scene pixels."""

    def __post_init__(self) -> None:
        if self.image.shape[1:] != self.window.shape or self.valid.shape != self.window.shape:
            raise SceneError(f"image {self.image.shape} or valid {self.valid.shape} does not cover {self.window}")


class SceneReader(Protocol):
    """Something with bands on a grid that gives the pixels of any window.

    `read` is called from one thread at a time. Windows may leave the scene: what is outside is not valid.
    """

    @property
    def georef(self) -> GeoRef:
        """The grid."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands in the order in which `read` gives them."""

    @property
    def dtype(self) -> str:
        """Name of the numpy dtype of the pixels: uint8, uint16, int16 or float32."""

    @property
    def storage_rows(self) -> int:
        """Reads that start and end on multiples of this many rows decode nothing twice."""

    def read(self, window: Window) -> Patch:
        """The pixels of a window."""
