"""The training loop: steps, scores, states. Knows nothing of files, settings or where batches come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from geoseg.errors import ModelError
from geoseg.training.batches import TrainingBatch
from geoseg.training.ema import EmaTeacher
from geoseg.training.optim import make_optimizer, rate_factor, set_rate


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

    bf16: bool
    """Whether forward passes run in bfloat16 where that is exact enough (autocast)."""


BatchLoss = Callable[[Tensor, Tensor], Tensor]
"""From logits (n, classes, height, width) and label codes (n, height, width) uint8 to a scalar."""

LogitsWithLabels = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""Logits (classes, height, width) of a chip and its labels (height, width)."""


class TrainerState(TypedDict):
    """All that a later process needs to go on as if nothing had happened."""

    iteration: int
    network: dict[str, Tensor]
    teacher: dict[str, Tensor]
    optimizer: dict[str, object]
    generator: Tensor


class Trainer:
    """A network on a device with its optimiser and its moving mean."""

    def __init__(self, network: nn.Module, plan: FitPlan, device: torch.device, loss: BatchLoss) -> None:
        """Put a network on a device.

        Args:
            network: what learns.
            plan: how.
            device: where.
            loss: what it makes small.
        """
        self.plan = plan
        self._loss = loss
        self.device = device
        self.iteration = 0
        """Steps done."""
        self.network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.teacher = EmaTeacher(self.network, decay=plan.ema_decay)
        self.optimizer = make_optimizer(self.network, learning_rate=plan.learning_rate, weight_decay=plan.weight_decay)

    def step(self, batch: TrainingBatch) -> float:
        """Learn from one batch; gives the loss.

        Raises:
            ModelError: if the loss is no number any more; the weights stay as they were.
        """
        plan = self.plan
        factor = rate_factor(self.iteration, iterations=plan.iterations, warmup=plan.warmup)
        set_rate(self.optimizer, plan.learning_rate * factor)
        self.network.train()
        with autocast(self.device, bf16=plan.bf16):
            logits = self.network(batch.images.to(self.device))
        loss = self._loss(logits, batch.labels.to(self.device))
        if not torch.isfinite(loss):
            raise ModelError(
                f"the loss is {loss.item()} after {self.iteration} steps: check the scales of the scenes, "
                "or lower the learning rate and resume"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), plan.gradient_clip)
        self.optimizer.step()
        self.teacher.update(self.network, iteration=self.iteration)
        self.iteration += 1
        return float(loss.detach())

    def state(self) -> TrainerState:
        """A snapshot; it shares memory with the trainer, so write it before the next step."""
        return TrainerState(
            iteration=self.iteration,
            network=self.network.state_dict(),
            teacher=self.teacher.network.state_dict(),
            optimizer=self.optimizer.state_dict(),
            generator=torch.get_rng_state(),
        )

    def load_state(self, state: TrainerState) -> None:
        """Go on from a snapshot."""
        self.iteration = state["iteration"]
        self.network.load_state_dict(state["network"])
        self.teacher.network.load_state_dict(state["teacher"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["generator"])


def fit(
    trainer: Trainer,
    batches: Iterable[TrainingBatch],
    *,
    every: int,
    after_step: Callable[[int, float], None],
    at_pause: Callable[[int], None],
) -> None:
    """Step through batches.

    Args:
        trainer: what learns; its iteration moves on by one per batch.
        batches: those of the iterations that are left.
        every: steps between two pauses; the last step is always followed by one.
        after_step: called with the steps done and the loss.
        at_pause: called with the steps done, to score and to save.
    """
    for batch in batches:
        loss = trainer.step(batch)
        after_step(trainer.iteration, loss)
        if trainer.iteration % every == 0 or trainer.iteration == trainer.plan.iterations:
            at_pause(trainer.iteration)


@torch.inference_mode()
def predict_logits(
    network: nn.Module, batches: Iterable[TrainingBatch], *, device: torch.device, bf16: bool
) -> Iterator[LogitsWithLabels]:
    """What the network says of each chip, in its order."""
    network.eval()
    for batch in batches:
        with autocast(device, bf16=bf16):
            logits = network(batch.images.to(device))
        yield from zip(logits.float().cpu().numpy(), batch.labels.numpy(), strict=True)


def autocast(device: torch.device, *, bf16: bool) -> torch.autocast:
    """The context of a forward pass."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16)
