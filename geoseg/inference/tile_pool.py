"""Tiles on a CPU: one at a time on each thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

Forward = Callable[[NDArray[np.generic], NDArray[np.bool_]], torch.Tensor]
"""Probabilities of one tile: (1, bands, tile, tile) and (1, tile, tile) to (1, classes, tile, tile), which need
not outlive the thread's next call."""


class TilePool:
    """Threads that compute one tile each: as fast as all of them on one batch.

    The bits depend neither on the batch size nor on the number of cores (fp32 convolutions on two threads differ from
    those on one).
    """

    def __init__(self, threads: int = 0) -> None:
        """Start threads; 0 takes as many as torch would."""
        self.threads = threads or torch.get_num_threads()
        self._pool = ThreadPoolExecutor(self.threads, initializer=torch.set_num_threads, initargs=(1,))

    def probabilities(
        self, forward: Forward, images: NDArray[np.generic], usable: NDArray[np.bool_], *, classes: int
    ) -> torch.Tensor:
        """As in `Engine`, tile by tile; tiles without any usable pixel are not computed."""
        there = usable.any(axis=(1, 2))  # a padded batch costs no more than its tiles
        every = torch.empty((len(images), classes, *images.shape[2:]))

        def compute(place: int) -> None:
            one = slice(place, place + 1)
            every[one] = forward(images[one], usable[one])

        for _ in self._pool.map(compute, np.flatnonzero(there)):
            pass
        every[torch.from_numpy(~there)] = 1 / classes
        return every
