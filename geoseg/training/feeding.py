"""Batches for the training loop, made by as many threads as are needed. Knows nothing of networks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TypeVar

from geoseg.training.batches import prefetch

Batch = TypeVar("Batch")

_MOST_THREADS = 8
_SPARE_BATCHES = 2


def batches_ahead(make: Callable[[int], Batch], start: int, stop: int, *, processes: int = 1) -> Iterator[Batch]:
    """Batches of iterations `start` to `stop`, made ahead by up to 8 threads.

    Args:
        make: gives the batch of an iteration, from any thread.
        start: the first iteration.
        stop: the one after the last.
        processes: that share the cores of this machine.
    """
    threads = max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // processes))
    return prefetch(make, start, stop, threads=threads, depth=threads + _SPARE_BATCHES)
