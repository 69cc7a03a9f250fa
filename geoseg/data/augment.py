"""Other appearances of the same ground: turned, and seen through another sensor or another air.

Every change takes its numbers from an explicit generator. Works for any bands; knows nothing of files or networks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geoseg.data.chips import Chip


@dataclass(frozen=True, slots=True, kw_only=True)
class AugmentPlan:
    """How strongly chips are changed; 0 switches a change off."""

    d4: bool = True
    """Whether chips are turned by quarter turns and mirrored."""

    gain: float = 0.0
    """Largest relative change of brightness of all bands together; each band varies by half of it on its own."""

    bias: float = 0.0
    """Largest offset, in scaled units, shared by the bands; each band varies by half of it on its own."""

    gamma: float = 0.0
    """Largest change of the logarithm of the exponent."""

    haze: float = 0.0
    """Largest share of the light that comes from the air; applied to a third of the chips."""

    grey: float = 0.0
    """Largest share of each band replaced by the mean of the bands; applied to a third of the chips."""

    blur: float = 0.0
    """Largest standard deviation of a Gaussian blur, px; applied to a third of the chips."""

    noise: float = 0.0
    """Largest standard deviation of noise, in scaled units; applied to a third of the chips."""

    drop: float = 0.0
    """Share of the chips that lose the bands in `optional`, as if the scene had none of them."""

    optional: tuple[int, ...] = ()
    """Places of the bands that may be dropped."""


_SOMETIMES = 1 / 3


def turn(chip: Chip, rng: np.random.Generator) -> Chip:
    """One of the eight symmetries of the square, the same for image, labels and validity."""
    quarter_turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def turned(array: NDArray[np.generic]) -> NDArray[np.generic]:
        array = np.rot90(array, quarter_turns, axes=(-2, -1))
        return np.ascontiguousarray(array[..., ::-1] if mirrored else array)

    return Chip(
        image=turned(chip.image),
        labels=turned(chip.labels).astype(np.uint8, copy=False),
        valid=turned(chip.valid).astype(np.bool_, copy=False),
    )


def change_appearance(image: NDArray[np.float32], plan: AugmentPlan, rng: np.random.Generator) -> NDArray[np.float32]:
    """The same ground in another light, air and sensor.

    Args:
        image: (bands, height, width), scaled to about 0 to 1; a band that the scene lacks is NaN.
        plan: how strong the changes are.
        rng: where the numbers come from.

    Returns:
        An image of the same shape.
    """
    image = _tone(image, plan, rng)
    if plan.haze and rng.random() < _SOMETIMES:
        share = np.float32(rng.uniform(0, plan.haze))
        image = image * (1 - share) + share * np.float32(rng.uniform(0.6, 1.0))
    if plan.grey and rng.random() < _SOMETIMES:
        share = np.float32(rng.uniform(0, plan.grey))
        image = image * (1 - share) + share * np.nanmean(image, axis=0, keepdims=True)
    if plan.blur and rng.random() < _SOMETIMES:
        sigma = float(rng.uniform(0.3, max(plan.blur, 0.3)))
        image = ndimage.gaussian_filter(image, sigma=(0, sigma, sigma), mode="nearest", truncate=3.0)
    if plan.noise and rng.random() < _SOMETIMES:
        strength = np.float32(rng.uniform(0, plan.noise))
        image = image + strength * rng.standard_normal(image.shape, dtype=np.float32)
    image = np.asarray(image, dtype=np.float32)
    if plan.drop and plan.optional and rng.random() < plan.drop:
        image[list(plan.optional)] = np.nan
    return image


def _tone(image: NDArray[np.float32], plan: AugmentPlan, rng: np.random.Generator) -> NDArray[np.float32]:
    """Gamma, then gain and bias per band."""
    shape = (len(image), 1, 1)
    if plan.gamma:
        shared, own = rng.uniform(-plan.gamma, plan.gamma), rng.uniform(-plan.gamma, plan.gamma, shape) / 3
        image = np.sign(image) * np.abs(image) ** np.exp(shared + own).astype(np.float32)
    gain = np.exp(rng.uniform(-plan.gain, plan.gain) + rng.uniform(-plan.gain, plan.gain, shape) / 2)
    bias = rng.uniform(-plan.bias, plan.bias) + rng.uniform(-plan.bias, plan.bias, shape) / 2
    return image * gain.astype(np.float32) + bias.astype(np.float32)
