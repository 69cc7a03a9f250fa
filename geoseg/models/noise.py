"""Pseudo-random pixels that look enough like imagery to try a network on."""

from __future__ import annotations

import torch
from torch.nn import functional

_CELLS = (4, 16, 64)  # px from one random number to the next: fields, their parts, and texture


def smooth_noise(shape: tuple[int, int, int, int], *, seed: int) -> torch.Tensor:
    """Pseudo-random smooth pixels with the mean and variance of a model's training imagery; always the same.

    Bands share half of their variance, as those of real imagery share brightness.

    Args:
        shape: images, bands, height and width, px.
        seed: of the pseudo-random numbers.

    Returns:
        Of that shape, float32, normalised: mean 0 and variance 1 over each band.
    """
    generator = torch.Generator().manual_seed(seed)
    count, bands, height, width = shape
    total = torch.zeros(count, bands + 1, height, width)
    for cell in _CELLS:
        knots = torch.randn(count, bands + 1, height // cell + 2, width // cell + 2, generator=generator)
        total += functional.interpolate(knots, size=(height, width), mode="bilinear", align_corners=True)
    pixels = total[:, :bands] + total[:, bands:]
    every = (0, 2, 3)
    return (pixels - pixels.mean(dim=every, keepdim=True)) / pixels.std(dim=every, keepdim=True)
