"""Batches for the training loop, made by as many threads as are needed. Knows nothing of networks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Lock

from geoseg.data.augment import AugmentPlan
from geoseg.data.chips import Chip
from geoseg.data.labelled_scene import LabelledScene
from geoseg.data.sampling import ChipSampler, Region
from geoseg.raster.normalize import Normalizer
from geoseg.training.batches import BatchMaker, TrainingBatch, prefetch, stack_chips
from geoseg.window import Window

_MOST_THREADS = 8
_SPARE_BATCHES = 2


class LockedScene(LabelledScene):
    """A scene that several threads may read, one after the other."""

    def __init__(self, scene: LabelledScene, lock: Lock) -> None:
        """Put a lock before a scene.

        Args:
            scene: to read from.
            lock: of all scenes that share its cache.
        """
        self._scene = scene
        self._lock = lock
        self.name, self.georef, self.dtype = scene.name, scene.georef, scene.dtype

    def read(self, window: Window, *, within: Window | None = None) -> Chip:
        """As `LabelledScene.read`."""
        with self._lock:
            return self._scene.read(window, within=within)

    def close(self) -> None:
        """As `LabelledScene.close`."""
        with self._lock:
            self._scene.close()


def locked_regions(regions: Sequence[Region]) -> tuple[Region, ...]:
    """The same regions for reading from several threads; what is not reading goes on side by side."""
    lock = Lock()
    locked: Mapping[int, LockedScene] = {id(region.scene): LockedScene(region.scene, lock) for region in regions}
    return tuple(replace(region, scene=locked[id(region.scene)]) for region in regions)


class ShareMaker(BatchMaker):
    """Makes some places of the batch of any iteration: those that one of several processes fills."""

    def __init__(
        self, sampler: ChipSampler, normalizer: Normalizer, augment: AugmentPlan, *, slots: range, seed: int
    ) -> None:
        """Combine what a batch is made with.

        Args:
            sampler: draws chips.
            normalizer: of the network.
            augment: how chips are changed.
            slots: places in the batch.
            seed: of the changes.
        """
        super().__init__(sampler, normalizer, augment, size=len(slots), seed=seed)
        self._slots = slots

    def __call__(self, iteration: int) -> TrainingBatch:
        """The batch of an iteration, counted from 0."""
        return stack_chips([self._chip(iteration, slot) for slot in self._slots], self._normalizer)


def batches_ahead(make: BatchMaker, start: int, stop: int, *, processes: int = 1) -> Iterator[TrainingBatch]:
    """Batches of iterations `start` to `stop`, made ahead by up to 8 threads.

    Args:
        make: gives the batch of an iteration, from any thread.
        start: the first iteration.
        stop: the one after the last.
        processes: that share the cores of this machine.
    """
    threads = max(1, min(_MOST_THREADS, (os.cpu_count() or 1) // processes))
    return prefetch(make, start, stop, threads=threads, depth=threads + _SPARE_BATCHES)
