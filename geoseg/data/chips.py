"""Chips: what a network is trained on, and their change of size. Knows nothing of files or networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from geoseg.classes import NODATA_ID
from geoseg.errors import LabelError

IGNORED = NODATA_ID
"""The label of a pixel that is not learnt from: unknown, nodata or outside the scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """An image with its labels."""

    image: NDArray[np.generic]
    """(bands, height, width), in the scene's numbers; where `valid` is False any value."""

    labels: NDArray[np.uint8]
    """(height, width), class index; 255 where the class is unknown or the pixel not valid."""

    valid: NDArray[np.bool_]
    """(height, width); True = usable, False = nodata or outside the scene."""

    def __post_init__(self) -> None:
        if not self.image.shape[1:] == self.labels.shape == self.valid.shape:
            raise LabelError(
                f"image {self.image.shape}, labels {self.labels.shape} and valid {self.valid.shape} "
                "do not cover the same pixels"
            )

    @property
    def valid_share(self) -> float:
        """Share of usable pixels, 0 to 1."""
        return float(self.valid.mean())


def resize_chip(chip: Chip, size: int) -> Chip:
    """The same ground in `size` x `size` pixels.

    The image is averaged over valid pixels (antialiased, bilinear), so nodata does not bleed into it; labels and
    validity take the nearest pixel. The image of the result is float32, in the same numbers.
    """
    if chip.labels.shape == (size, size):
        return chip
    rows, cols = (_nearest(length, size) for length in chip.labels.shape)
    weight = _resized(chip.valid.astype(np.float32), size)
    image = np.stack([_resized(np.where(chip.valid, band, 0).astype(np.float32), size) for band in chip.image])
    return Chip(
        image=image / np.maximum(weight, np.float32(1e-6)),
        labels=chip.labels[rows][:, cols],
        valid=chip.valid[rows][:, cols] & (weight > 0),
    )


def _nearest(length: int, size: int) -> NDArray[np.intp]:
    """Index of the pixel under each of `size` pixel centres."""
    return np.floor((np.arange(size) + 0.5) * length / size).astype(np.intp)


def _resized(band: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    picture = Image.fromarray(band).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.float32)
