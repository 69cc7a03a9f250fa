"""From regions to batches of tensors, made ahead in a thread. Knows nothing of networks or losses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.data.augment import AugmentPlan, change_appearance, turn
from geoseg.data.chips import IGNORED, Chip
from geoseg.data.sampling import ChipSampler, Region, scaled_chip
from geoseg.errors import LabelError
from geoseg.raster.normalize import Normalizer
from geoseg.window import Window

Made = TypeVar("Made")
_STATISTICS_CHIPS = 128
_LEAST_STD = 1e-6
_AUGMENTATION = 1  # keeps the numbers of changes apart from those of draws


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingBatch:
    """What one step learns from."""

    images: Tensor
    """(n, bands, height, width) float32, normalised; 0 where not valid."""

    labels: Tensor
    """(n, height, width) uint8, label code; 255 where not learnt from."""


class BatchMaker:
    """Makes the batch of any iteration, or some places of it, the same each time and from any thread."""

    def __init__(
        self, sampler: ChipSampler, normalizer: Normalizer, augment: AugmentPlan, *, slots: range, seed: int
    ) -> None:
        """Combine what a batch is made with.

        Args:
            sampler: draws chips.
            normalizer: of the network; its scales are not used, for chips are scaled.
            augment: how chips are changed.
            slots: places of the whole batch to make; the other places are made by other processes.
            seed: of the changes.
        """
        self._sampler = sampler
        self._normalizer = normalizer
        self._augment = augment
        self._slots = slots
        self._seed = seed

    def __call__(self, iteration: int) -> TrainingBatch:
        """The batch of an iteration, counted from 0."""
        chips = [self._chip(iteration, slot) for slot in self._slots]
        return stack_chips(chips, self._normalizer)

    def _chip(self, iteration: int, slot: int) -> Chip:
        chip = self._sampler.draw(iteration, slot)
        rng = np.random.default_rng((self._seed, iteration, slot, _AUGMENTATION))
        if self._augment.d4:
            chip = turn(chip, rng)
        image = change_appearance(chip.image.astype(np.float32, copy=False), self._augment, rng)
        return Chip(image=image, labels=chip.labels, valid=chip.valid)


def stack_chips(chips: Sequence[Chip], normalizer: Normalizer) -> TrainingBatch:
    """Normalise chips of one size, scaled already, and put them into tensors; a band that is NaN becomes 0."""
    images = np.stack([normalizer.apply(chip.image.astype(np.float32, copy=False), chip.valid) for chip in chips])
    labels = np.stack([np.where(chip.valid, chip.labels, np.uint8(IGNORED)) for chip in chips])
    return TrainingBatch(
        images=torch.from_numpy(images).contiguous(memory_format=torch.channels_last),
        labels=torch.from_numpy(labels),
    )


def fit_normalizer(sampler: ChipSampler, scales: dict[str, float]) -> Normalizer:
    """Band statistics of the ground that is learnt from, drawn as chips are; bands that a scene lacks do not count.

    Raises:
        LabelError: if no scene has some band.
    """
    totals: NDArray[np.float64] = np.zeros(())
    for iteration in range(_STATISTICS_CHIPS):
        chip = sampler.draw(iteration, 0)
        pixels = chip.image[:, chip.valid].astype(np.float64)
        there = ~np.isnan(pixels)
        pixels = np.where(there, pixels, 0)
        totals = totals + np.stack([there.sum(axis=1), pixels.sum(axis=1), (pixels**2).sum(axis=1)])
    counts, sums, squares = totals
    if not counts.all():
        raise LabelError(f"band {int(counts.argmin()) + 1} of the model is in no scene: give a source that has it")
    mean = sums / counts
    std = np.sqrt(np.maximum(squares / counts - mean**2, 0)).clip(min=_LEAST_STD)
    return Normalizer(scales=scales, mean=tuple(mean.tolist()), std=tuple(std.tolist()))


def region_chips(regions: Sequence[Region], *, side: int, gsd: float) -> Iterator[Chip]:
    """All ground of some regions once, in chips of `side` px at `gsd` metres; chips at the far edges stick out."""
    for region in regions:
        step = max(1, round(side * gsd / (region.gsd or gsd)))
        for row in range(region.window.row, region.window.bottom, step):
            for col in range(region.window.col, region.window.right, step):
                window = Window(row=row, col=col, height=step, width=step)
                chip = region.scene.read(window, within=region.window)
                if (chip.labels != IGNORED).any():
                    yield scaled_chip(chip, side, region)


def prefetch(make: Callable[[int], Made], start: int, stop: int, *, threads: int = 1, depth: int = 3) -> Iterator[Made]:
    """Batches of iterations `start` to `stop`, made ahead.

    An error while a batch is made is raised where that batch is asked for. Ending the iteration early ends the threads.

    Args:
        make: gives the batch of an iteration; with several threads it is called in several at a time.
        start: the first iteration.
        stop: the one after the last.
        threads: at most; as no more than `depth` batches are made ahead, they work only as fast as batches are taken.
        depth: batches that are made ahead.
    """
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="geoseg-batches") as pool:
        depth = min(depth, stop - start)
        waiting = deque(pool.submit(make, iteration) for iteration in range(start, start + depth))
        try:
            for ahead in range(start + depth, stop + depth):
                batch = waiting.popleft().result()
                if ahead < stop:
                    waiting.append(pool.submit(make, ahead))
                yield batch
        finally:
            for future in waiting:
                future.cancel()


def pixel_shares(counts: NDArray[np.int64]) -> tuple[float, ...]:
    """Share of all pixels by class."""
    return tuple((counts / max(1, counts.sum())).tolist())
