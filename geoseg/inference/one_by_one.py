"""Tiles on a CPU: one call of the network for each, on the thread that asks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

Forward = Callable[[NDArray[np.generic], NDArray[np.bool_]], torch.Tensor]
"""Probabilities of one tile: (1, bands, height, width) and (1, height, width) to (1, classes, height, width)."""


def one_by_one(
    forward: Forward, images: NDArray[np.generic], usable: NDArray[np.bool_], *, classes: int
) -> torch.Tensor:
    """As in `Engine`; tiles without any usable pixel are not computed.

    The bits depend neither on the batch size nor on the number of cores: fp32 convolutions on two threads differ from
    those on one, so there is as many calls at a time as there are cores instead.
    """
    if len(images) == 1 and usable.any():
        return forward(images, usable)
    every = torch.full((len(images), classes, *images.shape[2:]), 1 / classes)
    for place in np.flatnonzero(usable.any(axis=(1, 2))):
        one = slice(place, place + 1)
        every[one] = forward(images[one], usable[one])
    return every
