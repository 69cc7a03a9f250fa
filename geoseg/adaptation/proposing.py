"""From a step that learns to candidates: the same for every adapter that takes steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from geoseg.adaptation.candidate import Candidate, Problem, state_of
from geoseg.adaptation.learning import DomainBatch, Step, checkpoints
from geoseg.errors import ModelError
from geoseg.training.batches import TrainingBatch
from geoseg.training.optim import make_optimizer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Parameters = Mapping[str, float | int | str | bool]
"""What a candidate was made with, by name."""


class RecordedStep(Step, Protocol):
    """A step that says what it learnt with."""

    @property
    def parameters(self) -> Parameters:
        """Hyper-parameters, and what happened so far."""


def taken(
    step: Step, problem: Problem, *, at: Sequence[int], label: str, told: Callable[[], Parameters], seconds: float
) -> Iterator[Candidate]:
    """Candidates of a step at some numbers of steps.

    Args:
        step: what learns.
        problem: where; its curves are those of the candidates.
        at: numbers of steps, rising; the last is all of them.
        label: name of the adapter, and of the variant after a hyphen.
        told: gives what a candidate was made with, when it is taken.
        seconds: to spend; when they are over the next candidate is the last.
    """
    started = time.monotonic()
    for reached in checkpoints(step, problem, at=at, seconds=seconds):
        yield Candidate(
            adapter=label.partition("-")[0],
            label=f"{label}-{reached}",
            state=state_of(step.network),
            curves=problem.package.normalizer.curves,
            parameters={"steps": reached, **told()},
            seconds=time.monotonic() - started,
        )


def told_of(plan: DataclassInstance) -> Parameters:
    """The hyper-parameters of a plan, without those that are not used (None)."""
    return {name: value for name, value in asdict(plan).items() if value is not None}


def proposals(step: RecordedStep, problem: Problem, *, label: str, seconds: float) -> Iterator[Candidate]:
    """Candidates of a step after half of the steps and after all; with published hyper-parameters after all alone.

    Args:
        step: what learns.
        problem: where.
        label: name of the adapter, and of the variant after a hyphen.
        seconds: to spend.
    """
    steps, recipe = problem.settings.steps, problem.settings.recipe
    at = (steps,) if recipe == "published" else (steps // 2, steps)
    return taken(step, problem, at=at, label=label, told=lambda: {"recipe": recipe, **step.parameters}, seconds=seconds)


def labelled(batch: DomainBatch) -> TrainingBatch:
    """The part of a batch that has labels.

    Raises:
        ModelError: if there is none.
    """
    if batch.source is None:
        raise ModelError("this adapter learns from labelled ground: give the source it was trained on")
    return batch.source


def usable(images: Tensor) -> Tensor:
    """(n, height, width) bool: where images have numbers; the normaliser writes 0 into all bands where not valid."""
    return (images != 0).any(dim=1)


def network_optimizer(network: nn.Module, *, rate: float, sgd: bool) -> torch.optim.Optimizer:
    """AdamW as in training, or SGD as most published adapters have it (momentum 0.9, weight decay 5e-4)."""
    if sgd:
        return torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    return make_optimizer(network, learning_rate=rate, weight_decay=1e-4)


class SourceStatistics:
    """Shows a network ground of the source with the statistics that its norms began with.

    The network's own may meanwhile become those of other ground: two domains, one set of weights (Chang et al. 2019).
    """

    def __init__(self, network: nn.Module) -> None:
        """Keep the statistics that a network has now."""
        self._buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}

    def logits(self, network: nn.Module, images: Tensor) -> Tensor:
        """What the network says of images with the statistics kept; its own neither count nor change."""
        training = network.training
        network.eval()
        logits: Tensor = functional_call(network, self._buffers, (images,))
        network.train(training)
        return logits


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers of a step, as of dropout, that depend on nothing before it and change nothing after it."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
