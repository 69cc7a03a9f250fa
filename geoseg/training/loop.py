"""The training loop: steps, scores, states. Knows nothing of files, settings or where batches come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol, TypedDict, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoseg.data.chips import IGNORED
from geoseg.errors import ModelError
from geoseg.models.device import autocast
from geoseg.training.batches import TrainingBatch
from geoseg.training.distributed import Ranks, without_exchange
from geoseg.training.ema import EmaTeacher
from geoseg.training.optim import make_optimizer, rate_factor, set_rate

_MOST_SKIPPED = 30  # each halves the scale of the loss, which starts at 2^16


@dataclass(frozen=True, slots=True, kw_only=True)
class FitPlan:
    """How weights are moved."""

    iterations: int
    """Steps in all."""

    learning_rate: float
    """At its largest."""

    weight_decay: float
    """Of matrices and kernels."""

    warmup: int
    """Steps until the learning rate is at its largest."""

    gradient_clip: float
    """Largest norm of all gradients together."""

    ema_decay: float
    """Of the moving mean of weights."""

    precision: str
    """Of forward passes where that is exact enough (autocast): fp32, bf16 or fp16."""

    parts: int = 1
    """Pieces that a batch goes through the network in, one after the other."""


Batch = TypeVar("Batch")
Batch_contra = TypeVar("Batch_contra", contravariant=True)


class Learner(Protocol[Batch_contra]):
    """What the loop moves: it owns its networks and optimisers, the loop owns time."""

    @property
    def iteration(self) -> int:
        """Steps done."""

    @property
    def iterations(self) -> int:
        """Steps in all."""

    def step(self, batch: Batch_contra, /) -> float:
        """Learn from one batch; gives the loss."""


BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""From logits (n, classes, height, width) and label codes (n, height, width) uint8 to a scalar."""

LogitsWithLabels = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""Logits (classes, height, width) of a chip and its labels (height, width)."""


class TrainerState(TypedDict):
    """All that later processes need to go on as if nothing had happened."""

    iteration: int
    network: dict[str, Tensor]
    teacher: dict[str, Tensor]
    optimizer: dict[str, object]
    scaler: dict[str, object]
    skipped: int
    generators: list[list[Tensor]]


class Trainer:
    """A network on a device with its optimiser and its moving mean."""

    def __init__(
        self, network: nn.Module, plan: FitPlan, loss: BatchLoss, ranks: Ranks, *, sample: Tensor | None = None
    ) -> None:
        """Put a network on the device of this process.

        Args:
            network: what learns.
            plan: how.
            loss: what it makes small.
            ranks: the processes that train it together.
            sample: a batch of images as they will come; needed where there are several processes.
        """
        self.plan = plan
        self.device = ranks.device
        self.iteration = 0
        """Steps done."""
        self.network = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher = EmaTeacher(self.network, decay=plan.ema_decay)
        self.optimizer = make_optimizer(self.network, learning_rate=plan.learning_rate, weight_decay=plan.weight_decay)
        self._loss = loss
        self._ranks = ranks
        self._parallel = network if sample is None else ranks.parallel(self.network, sample.to(self.device))
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=plan.precision == "fp16")
        self._skipped = 0

    @property
    def iterations(self) -> int:
        """Steps in all."""
        return self.plan.iterations

    @property
    def rate(self) -> float:
        """Learning rate of the last step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def step(self, batch: TrainingBatch) -> float:
        """Learn from one batch; gives the loss.

        In fp16 a step whose gradients are too large for it is left out, and later losses are scaled down.

        Args:
            batch: the share of this process in the batch.

        Raises:
            ModelError: if the loss is no number any more, in fp16 for many steps on end; the weights stay as they were.
        """
        plan = self.plan
        factor = rate_factor(self.iteration, iterations=plan.iterations, warmup=plan.warmup)
        set_rate(self.optimizer, plan.learning_rate * factor)
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        statistics = [buffer.clone() for buffer in self.network.buffers()] if self._scaler.is_enabled() else []
        loss = float(self._ranks.sum(self._gradients(batch)))
        if not (math.isfinite(loss) or self._scaler.is_enabled()):
            raise ModelError(
                f"the loss is {loss} after {self.iteration} steps: check the scales of the scenes, "
                "or lower the learning rate and resume"
            )
        self._scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), plan.gradient_clip)
        if self._moved():
            self.teacher.update(self.network, iteration=self.iteration)
        else:  # what overflowed is in the running means of norms too
            for buffer, kept in zip(self.network.buffers(), statistics, strict=True):
                buffer.copy_(kept)
        self.iteration += 1
        return loss

    def _gradients(self, batch: TrainingBatch) -> Tensor:
        """Add the gradients of all parts up, each weighed by its known pixels; gives the loss of this process."""
        plan, ranks = self.plan, self._ranks
        side = math.ceil(len(batch.labels) / plan.parts)
        parts = list(zip(torch.split(batch.images, side), torch.split(batch.labels, side), strict=True))
        known = [int((labels != IGNORED).sum()) for _, labels in parts]
        everywhere = max(1, ranks.total(sum(known)))
        total = torch.zeros((), device=self.device)
        for number, (images, labels) in enumerate(parts, start=1):
            with nullcontext() if number == len(parts) else without_exchange(self._parallel):
                with autocast(self.device, plan.precision):
                    logits = self._parallel(images.to(self.device))
                loss = self._loss(logits, labels.to(self.device)) * (known[number - 1] / everywhere)
                self._scaler.scale(loss * ranks.world).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _moved(self) -> bool:
        """Step the optimiser; False where gradients were too large for fp16."""
        scale = self._scaler.get_scale()
        self._scaler.step(self.optimizer)
        self._scaler.update()
        moved = self._scaler.get_scale() >= scale
        self._skipped = 0 if moved else self._skipped + 1
        if self._skipped > _MOST_SKIPPED:
            raise ModelError(
                f"the last {self._skipped} of {self.iteration} steps had no finite gradient in fp16: train with "
                "precision bf16 or fp32, check the scales of the scenes, or lower the learning rate"
            )
        return moved

    def state(self) -> TrainerState:
        """A snapshot, in all processes; it shares memory with the trainer, so write it before the next step."""
        return TrainerState(
            iteration=self.iteration,
            network=self.network.state_dict(),
            teacher=self.teacher.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=self._scaler.state_dict(),
            skipped=self._skipped,
            generators=self._ranks.gather(_random_state(self.device)),
        )

    def load_state(self, state: TrainerState) -> None:
        """Go on from a snapshot.

        Raises:
            ModelError: if another number of processes made it.
        """
        generators = state["generators"]
        if len(generators) != self._ranks.world:
            raise ModelError(f"the run was begun by {len(generators)} processes: resume it with as many")
        self.iteration = state["iteration"]
        self.network.load_state_dict(state["network"])
        self.teacher.network.load_state_dict(state["teacher"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self._scaler.is_enabled() and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
        self._skipped = state["skipped"]
        _set_random_state(generators[self._ranks.rank], self.device)


def fit(
    learner: Learner[Batch],
    batches: Iterable[Batch],
    *,
    every: int,
    after_step: Callable[[int, float], bool],
    at_pause: Callable[[int], bool],
) -> None:
    """Step through batches.

    Args:
        learner: what learns; its iteration moves on by one per batch.
        batches: those of the iterations that are left.
        every: steps between two pauses; the last step is always followed by one.
        after_step: called with the steps done and the loss; True ends the fit at once, before a pause.
        at_pause: called with the steps done, to score and to save; True ends the fit.
    """
    for batch in batches:
        loss = learner.step(batch)
        if after_step(learner.iteration, loss):
            return
        if is_pause(learner.iteration, every=every, iterations=learner.iterations) and at_pause(learner.iteration):
            return


def is_pause(iteration: int, *, every: int, iterations: int) -> bool:
    """Whether the steps done are followed by a pause."""
    return iteration > 0 and (iteration % every == 0 or iteration == iterations)


@torch.inference_mode()
def predict_logits(
    network: nn.Module, batches: Iterable[TrainingBatch], *, device: torch.device, precision: str
) -> Iterator[LogitsWithLabels]:
    """What the network says of each chip, in its order."""
    network.eval()
    for batch in batches:
        with autocast(device, precision):
            logits = network(batch.images.to(device))
        yield from zip(logits.float().cpu().numpy(), batch.labels.numpy(), strict=True)


def _random_state(device: torch.device) -> list[Tensor]:
    """Of the CPU, and of the GPU where there is one."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_random_state(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)
