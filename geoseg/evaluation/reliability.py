"""Whether confidences mean what they say: expected calibration error and the reliability curve.

After Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, ICML. Knows nothing of files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

PERCENT = 100
"""The largest value in a raster of confidence."""

BINS = 15
"""Bins of equal width; the upper end of each belongs to it."""


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Pixels by confidence: how many there are, and how many of them are right."""

    counts: NDArray[np.int64]
    """(2, 101): pixels of each confidence from 0 to 100 %, and those of them that are right."""

    @classmethod
    def empty(cls) -> Self:
        """No pixels yet."""
        return cls(np.zeros((2, PERCENT + 1), dtype=np.int64))

    def add(self, confidence: NDArray[np.uint8], right: NDArray[np.bool_]) -> Self:
        """With the pixels of a window.

        Args:
            confidence: per cent; pixels above 100 are left out.
            right: whether the class of each pixel is that of the reference, same shape.
        """
        known = confidence <= PERCENT
        pixels = np.bincount(confidence[known], minlength=PERCENT + 1)
        hits = np.bincount(confidence[known & right], minlength=PERCENT + 1)
        return type(self)(self.counts + np.stack([pixels, hits]))

    def merge(self, other: Self) -> Self:
        """With all pixels of another."""
        return type(self)(self.counts + other.counts)

    @property
    def pixels(self) -> NDArray[np.int64]:
        """(15,) pixels of each bin."""
        return _binned(self.counts[0])

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(15,) mean confidence of each bin, 0 to 1; NaN in an empty one."""
        return _ratio(_binned(self.counts[0] * np.arange(PERCENT + 1)), self.pixels * PERCENT)

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """(15,) share of each bin's pixels that are right; NaN in an empty one."""
        return _ratio(_binned(self.counts[1]), self.pixels)

    @property
    def error(self) -> float:
        """Expected calibration error, 0 to 1: mean gap of confidence and accuracy over all pixels; NaN without."""
        total = int(self.pixels.sum())
        gaps = np.abs(self.accuracy - self.confidence)
        return float(np.nansum(gaps * self.pixels) / total) if total else math.nan


def _binned(by_percent: NDArray[np.int64]) -> NDArray[np.int64]:
    upper = -(-np.arange(PERCENT + 1) * BINS // PERCENT)  # whole numbers, so that 20 % is the end of the third bin
    return np.bincount(np.maximum(upper - 1, 0), weights=by_percent, minlength=BINS).astype(np.int64)


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    share = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share
