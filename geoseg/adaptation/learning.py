"""Steps of an adapter through the loop of training, with candidates taken on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from geoseg.adaptation.candidate import Problem
from geoseg.errors import ModelError
from geoseg.models.device import autocast
from geoseg.training.batches import TrainingBatch
from geoseg.training.feeding import batches_ahead
from geoseg.training.loop import fit
from geoseg.training.optim import rate_factor

_TARGET = 2  # keeps the numbers of target windows apart from those of chips
_WARMUP = 0.06
_LEAST_VALID = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetBatch:
    """Windows without labels."""

    images: Tensor
    """(n, bands, side, side) float32, normalised; 0 where not valid."""

    valid: Tensor
    """(n, side, side) bool, True = usable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainBatch:
    """What one step of an adapter learns from."""

    target: TargetBatch
    """Ground to fit to."""

    source: TrainingBatch | None
    """Labelled ground, where the user gave it."""


class Step(Protocol):
    """An adapter's way to learn from a batch. It owns its networks and optimisers; the loop owns time."""

    @property
    def network(self) -> nn.Module:
        """What candidates are taken from."""

    def __call__(self, batch: DomainBatch, *, factor: float) -> Mapping[str, float]:
        """Learn; gives the losses by name.

        Args:
            batch: on the CPU.
            factor: on all learning rates, 0 to 1.
        """


class DomainBatches:
    """Makes the batch of any iteration, the same each time and from any thread."""

    def __init__(self, problem: Problem) -> None:
        """Take windows of the target with any valid pixel, and chips of the source where there is one."""
        settings = problem.settings
        images = problem.target.tensor(problem.package.normalizer)
        valid = torch.from_numpy(problem.target.valid)
        shares = problem.target.valid.mean(axis=(1, 2))
        kept = np.flatnonzero(shares >= min(_LEAST_VALID, float(shares.max(initial=0))))
        self._images, self._valid = images[kept], valid[kept]
        self._size, self._seed = settings.batch_size, settings.seed
        self._source = problem.source

    def __call__(self, iteration: int) -> DomainBatch:
        """The batch of an iteration, counted from 0; target windows are turned and mirrored."""
        rng = np.random.default_rng((self._seed, iteration, _TARGET))
        drawn = rng.choice(len(self._images), size=self._size, replace=len(self._images) < self._size)
        turns = [(int(rng.integers(4)), bool(rng.integers(2))) for _ in drawn]
        parts = list(zip(drawn.tolist(), turns, strict=True))
        images = torch.stack([_turned(self._images[place], *turn) for place, turn in parts])
        valid = torch.stack([_turned(self._valid[place], *turn) for place, turn in parts])
        target = TargetBatch(images=images.contiguous(memory_format=torch.channels_last), valid=valid)
        return DomainBatch(target=target, source=None if self._source is None else self._source.maker(iteration))


class StepLearner:
    """A step as the loop of training moves it."""

    def __init__(self, step: Step, *, iterations: int) -> None:
        """Stand before the first of some steps."""
        self._step = step
        self._iterations = iterations
        self._iteration = 0

    @property
    def iteration(self) -> int:
        """Steps done."""
        return self._iteration

    @property
    def iterations(self) -> int:
        """Steps in all."""
        return self._iterations

    def step(self, batch: DomainBatch) -> float:
        """Learn from one batch; gives the sum of the losses.

        Raises:
            ModelError: if a loss is no number any more.
        """
        factor = rate_factor(self._iteration, iterations=self._iterations, warmup=round(_WARMUP * self._iterations))
        losses = self._step(batch, factor=factor)
        wrong = [name for name, loss in losses.items() if not math.isfinite(loss)]
        if wrong:
            raise ModelError(f"the {wrong[0]} loss is {losses[wrong[0]]} after {self._iteration} steps of the adapter")
        self._iteration += 1
        return math.fsum(losses.values())


def checkpoints(step: Step, problem: Problem, *, at: Sequence[int], seconds: float) -> Iterator[int]:
    """Move a step on to each of some numbers of steps; gives the number reached, to take a candidate there.

    It ends early, after the checkpoint it was on the way to, when the time is over.

    Args:
        step: what learns.
        problem: where it learns.
        at: numbers of steps, rising; the last is all of them.
        seconds: to spend.
    """
    started = time.monotonic()
    learner = StepLearner(step, iterations=at[-1])
    make = DomainBatches(problem)
    for goal in at:
        batches = batches_ahead(make, learner.iteration, goal)
        fit(
            learner,
            batches,
            every=goal,
            after_step=lambda _done, _loss: time.monotonic() - started > seconds,
            at_pause=lambda _done: True,
        )
        yield learner.iteration
        if time.monotonic() - started > seconds:
            return


def learning_precision(precision: str) -> str:
    """The precision to learn in: fp16 needs its losses scaled, so fp32 is taken instead."""
    return "fp32" if precision == "fp16" else precision


def logits_of(network: nn.Module, images: Tensor, *, device: torch.device, precision: str) -> Tensor:
    """Logits (n, classes, height, width) float32 on the device, with gradients, of normalised images on any device."""
    with autocast(device, precision):
        logits: Tensor = network(images.to(device))
    return logits.float()


def _turned(image: Tensor, quarters: int, mirrored: bool) -> Tensor:  # noqa: FBT001 - the two parts of a turn
    turned = torch.rot90(image, quarters, dims=(-2, -1))
    return torch.flip(turned, dims=(-1,)) if mirrored else turned
