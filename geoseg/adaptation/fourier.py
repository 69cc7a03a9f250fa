"""Images with the low frequencies of other images."""

from __future__ import annotations

import math
from types import EllipsisType

import torch
from torch import Tensor

from geoseg.errors import ConfigError

_MOST_BETA = 0.5


def fourier_style(source: Tensor, target: Tensor, *, beta: float) -> Tensor:
    """Images whose low frequencies have the amplitudes of other images; phases are kept (FDA, Yang & Soatto 2020).

    The paper does this to numbers that are never negative, whose means are thus positive: their amplitude is the mean
    itself. Here the mean is taken over with its sign, so that any gain and offset of a band before this is the same
    gain and offset after it, and normalised images may be given.

    Args:
        source: (n, bands, height, width) float32.
        target: the same shape, in the same unit.
        beta: half the side of the square of frequencies that change, as a share of the shorter side of an image, 0 to
            0.5; 0 changes nothing, and what is less than one frequency changes the mean alone.

    Returns:
        (n, bands, height, width); the very numbers of `source` where beta is 0.

    Raises:
        ConfigError: if beta is outside of its limits.
    """
    if not 0 <= beta <= _MOST_BETA:
        raise ConfigError(f"beta is {beta}: give 0 to {_MOST_BETA}")
    if beta == 0:
        return source
    spectrum = torch.fft.rfft2(source.contiguous())
    low = _low_frequencies(source.shape[-2], source.shape[-1], beta)
    ours, theirs = spectrum[low], torch.fft.rfft2(target.contiguous())[low]
    spectrum[low] = torch.polar(theirs.abs(), ours.angle())
    spectrum[..., 0, 0] = theirs[..., ours.shape[-2] // 2, 0]
    styled: Tensor = torch.fft.irfft2(spectrum, s=source.shape[-2:])
    return styled


def filled(images: Tensor, valid: Tensor) -> Tensor:
    """Images (n, bands, height, width) whose pixels that are not valid (n, height, width) have the mean of the others.

    An image without a valid pixel becomes 0.
    """
    usable = valid.unsqueeze(1).to(images.dtype)
    total = (images * usable).sum(dim=(2, 3), keepdim=True)
    mean = total / usable.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    return torch.where(valid.unsqueeze(1), images, mean)


def _low_frequencies(height: int, width: int, beta: float) -> tuple[EllipsisType, Tensor, Tensor]:
    """Index of the half spectrum: rows from below zero to above it, columns from zero."""
    half = math.floor(beta * min(height, width))
    rows, cols = min(half, height // 2), min(half, width // 2)
    return ..., torch.arange(-rows, rows + 1).unsqueeze(1), torch.arange(cols + 1)
