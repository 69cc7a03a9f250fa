"""Changes of windows that leave their labels right: other light, worse air, worse sensors, coarser pixels.

Strengths are in standard deviations of the sample's bands, so that they mean the same for any sensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from geoseg.shift.windows import WindowSample

Images = NDArray[np.float32]
"""(n, bands, side, side)."""

_BAND_ANGLE = math.pi * (3 - math.sqrt(5))
_TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """A change, of some strength."""

    family: str
    """What is done, several after each other with + between."""

    strength: float
    """How much, above 0."""

    @property
    def name(self) -> str:
        """As in tables."""
        return f"{self.family} {self.strength:g}"


def corrupted(sample: WindowSample, corruption: Corruption) -> WindowSample:
    """The same ground, seen worse. The same call gives the same pixels.

    Args:
        sample: at least one pixel valid; pixels that are not valid get any numbers, absent bands stay NaN.
        corruption: what to do; its family is made of names in `FAMILIES`.

    Raises:
        KeyError: if there is no such family.
    """
    valid = sample.valid[:, None] & np.isfinite(sample.images)
    mean, deviation = _levels(sample.images, valid)
    standard = np.where(valid, (sample.images - mean) / deviation, 0).astype(np.float32)
    for family in corruption.family.split("+"):
        standard = FAMILIES[family](standard, corruption.strength).astype(np.float32, copy=False)
    images = (standard * deviation + mean).astype(np.float32)
    images[np.broadcast_to(np.isnan(sample.images), images.shape)] = np.nan
    return replace(sample, images=images)


def _levels(images: Images, valid: NDArray[np.bool_]) -> tuple[Images, Images]:
    """Mean and standard deviation of the valid pixels by band, (1, bands, 1, 1); 0 and 1 where there are none."""
    numbers = np.where(valid, images, 0).astype(np.float64)
    count = np.maximum(valid.sum(axis=(0, 2, 3), keepdims=True), 1)
    mean = numbers.sum(axis=(0, 2, 3), keepdims=True) / count
    variance = (np.where(valid, numbers - mean, 0) ** 2).sum(axis=(0, 2, 3), keepdims=True) / count
    deviation = np.where(variance > _TINY**2, np.sqrt(variance), 1)
    return mean.astype(np.float32), deviation.astype(np.float32)


def _wave(bands: int, phase: float) -> Images:
    """A number from -1 to 1 for each band, all different: (1, bands, 1, 1)."""
    angles = _BAND_ANGLE * np.arange(1, bands + 1) + phase
    return np.asarray(np.cos(angles).astype(np.float32)[None, :, None, None], dtype=np.float32)


def _contrast(standard: Images, strength: float) -> Images:
    """Bands stretched and pressed around their mean, by factors of up to 1 + strength."""
    return standard * (1 + strength) ** _wave(standard.shape[1], 0.4)


def _offset(standard: Images, strength: float) -> Images:
    """A number added to each band, at most the strength."""
    return standard + strength * _wave(standard.shape[1], 1.1)


def _brightness(standard: Images, strength: float) -> Images:
    """The same added to all bands, as under a lighter sky."""
    return standard + np.float32(strength)


def _gamma(standard: Images, strength: float) -> Images:
    """The dark end lifted: a power of 1 / (1 + strength) between the 1st and 99th percentile of each band."""
    low, high = np.percentile(standard, (1, 99), axis=(0, 2, 3), keepdims=True)
    span = np.maximum(high - low, _TINY)
    return np.asarray(np.clip((standard - low) / span, 0, 1.5) ** (1 / (1 + strength)) * span + low, dtype=np.float32)


def _haze(standard: Images, strength: float) -> Images:
    """A share of bright grey, less than 1, laid over everything and blurred a little."""
    veiled = (1 - strength) * standard + 1.5 * strength
    return _blur(veiled, strength)


def _noise(standard: Images, strength: float) -> Images:
    """Noise of the sensor, independent by pixel and band."""
    return np.asarray(standard + np.random.default_rng(7).normal(0, strength, standard.shape), dtype=np.float32)


def _blur(standard: Images, strength: float) -> Images:
    """Optics with a standard deviation of so many pixels."""
    return gaussian_filter(standard, (0, 0, strength, strength), mode="nearest")


def _coarse(standard: Images, strength: float) -> Images:
    """Pixels (1 + strength) times as large, brought back to the grid."""
    side = standard.shape[-1]
    small = max(round(side / (1 + strength)), 2)
    fewer = zoom(
        _blur(standard, strength / 2), (1, 1, small / side, small / side), order=1, grid_mode=True, mode="nearest"
    )
    return zoom(fewer, (1, 1, side / fewer.shape[-2], side / fewer.shape[-1]), order=1, grid_mode=True, mode="nearest")


def _grey(standard: Images, strength: float) -> Images:
    """Colours that fade: a share of each band becomes the mean of all, at most 1."""
    share = min(strength, 1.0)
    return np.asarray((1 - share) * standard + share * standard.mean(axis=1, keepdims=True), dtype=np.float32)


def _crosstalk(standard: Images, strength: float) -> Images:
    """A share of each band becomes its neighbour, at most 1."""
    share = min(strength, 1.0)
    return (1 - share) * standard + share * np.roll(standard, 1, axis=1)


FAMILIES: dict[str, Callable[[Images, float], Images]] = {
    "contrast": _contrast,
    "offset": _offset,
    "brightness": _brightness,
    "gamma": _gamma,
    "haze": _haze,
    "noise": _noise,
    "blur": _blur,
    "coarse": _coarse,
    "grey": _grey,
    "crosstalk": _crosstalk,
}
"""What can be done to images in standard deviations from their mean; 0 where not valid."""

_STRENGTHS: dict[str, tuple[float, ...]] = {
    "contrast": (0.2, 0.6, 1.5),
    "offset": (0.3, 1.0, 2.5),
    "brightness": (0.3, 1.0, 2.5),
    "gamma": (0.3, 0.8, 2.0),
    "haze": (0.2, 0.45, 0.75),
    "noise": (0.1, 0.4, 1.2),
    "blur": (0.7, 1.5, 4.0),
    "coarse": (0.5, 1.5, 4.0),
    "grey": (0.3, 0.7, 1.0),
    "crosstalk": (0.15, 0.4, 0.8),
    "offset+contrast+haze": (0.15, 0.35, 0.6),
    "brightness+noise+coarse": (0.2, 0.5, 1.2),
    "gamma+grey+offset": (0.2, 0.5, 0.9),
}

CORRUPTIONS = tuple(
    Corruption(family=family, strength=strength) for family, strengths in _STRENGTHS.items() for strength in strengths
)
"""From harmless to destroying, family by family."""
