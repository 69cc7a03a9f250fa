"""Normalised images in clearly other light and focus, for a student to label as its teacher labels them unchanged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_REACH = 3  # standard deviations of a blur that its kernel holds


@dataclass(frozen=True, slots=True, kw_only=True)
class AppearancePlan:
    """How strongly appearance is changed. Works for any bands."""

    gain: float = 0.2
    """Largest relative change of contrast of all bands together; each band varies by half of it on its own."""

    offset: float = 0.2
    """Largest change of brightness, in standard deviations of a band, shared by the bands; each varies by half."""

    blur: float = 1.15
    """Largest standard deviation of a Gaussian blur, px."""

    blurred: float = 0.5
    """Share of the images that are blurred."""


def changed_appearance(images: Tensor, plan: AppearancePlan, rng: np.random.Generator) -> Tensor:
    """Other contrast and brightness per band, and a blur, drawn for each image (colour jitter and blur of DACS).

    What is exactly 0, no data or a band that is not there, stays 0.

    Args:
        images: (n, bands, height, width), normalised.
        plan: how strong the changes are.
        rng: where the numbers come from.

    Returns:
        Images of the same shape.
    """
    there = images != 0
    gain = torch.from_numpy(_drawn(images, plan.gain, rng)).to(images).exp()
    offset = torch.from_numpy(_drawn(images, plan.offset, rng)).to(images)
    changed = images * gain + offset * there
    blurred = torch.cat([_perhaps_blurred(image[None], plan, rng) for image in changed])
    return torch.where(there, blurred, 0.0).contiguous(memory_format=torch.channels_last)


def _drawn(images: Tensor, most: float, rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(n, bands, 1, 1): a number for each image and half as large ones for each of its bands."""
    n, bands = images.shape[:2]
    return rng.uniform(-most, most, (n, 1, 1, 1)) + rng.uniform(-most / 2, most / 2, (n, bands, 1, 1))


def _perhaps_blurred(image: Tensor, plan: AppearancePlan, rng: np.random.Generator) -> Tensor:
    chance, sigma = rng.random(), rng.uniform(0.15, max(plan.blur, 0.15))
    return blurred(image, sigma) if plan.blur and chance < plan.blurred else image


def blurred(images: Tensor, sigma: float) -> Tensor:
    """A Gaussian blur of images (n, bands, height, width) with a standard deviation in px; rims repeat."""
    reach = max(1, math.ceil(_REACH * sigma))
    steps = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = torch.exp(-(steps**2) / (2 * sigma**2))
    bands = images.shape[1]
    row = (kernel / kernel.sum()).view(1, 1, 1, -1).repeat(bands, 1, 1, 1)
    padded = functional.pad(images, (reach,) * 4, mode="replicate")
    return functional.conv2d(functional.conv2d(padded, row, groups=bands), row.transpose(2, 3), groups=bands)
