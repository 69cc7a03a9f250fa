"""Entropy minimisation: a network is made surer of the target by the scales and offsets of its norms alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from geoseg.adaptation.candidate import Candidate, Problem, state_of
from geoseg.adaptation.learning import DomainBatch, learning_precision, logits_of
from geoseg.adaptation.proposing import taken, told_of
from geoseg.adaptation.sharpness import flat_gradients

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
_NORMS = (*_BATCH_NORMS, nn.GroupNorm, nn.LayerNorm, nn.InstanceNorm2d)
_MOMENTUM = 0.9  # of the running entropy


@dataclass(frozen=True, slots=True, kw_only=True)
class TentPlan:
    """How entropy is made small."""

    rate: float = 1e-3
    """Learning rate of Adam at its largest."""

    margin: float | None = 0.4
    """Entropy below which a pixel counts, as a share of its largest value ln K; None = every pixel counts alike."""

    floor: float = 0.3
    """Share of the first entropy; below it the network is put back. 0 = never."""

    reach: float = 0.05
    """How far uphill the gradient is taken; 0 = where the network stands."""

    batch_statistics: bool = False
    """Whether norms use the statistics of batches and keep their mean over the pass; else they stay as they are."""

    @classmethod
    def guarded(cls) -> Self:
        """With the filter of EATA (Niu et al. 2022) and the flat gradients and reset of SAR (Niu et al. 2023)."""
        return cls()

    @classmethod
    def published(cls) -> Self:
        """As in TENT (Wang et al. 2021)."""
        return cls(margin=None, floor=0.0, reach=0.0, batch_statistics=True)


class TentStep:
    """One step of TENT (Wang et al. 2021) on the scales and offsets of the normalisation layers.

    Nothing else of the network changes, but for the running statistics where the plan takes those of batches.
    """

    def __init__(self, problem: Problem, plan: TentPlan) -> None:
        """Stand before the first step."""
        self._plan, self._device = plan, problem.forward.device
        self._precision = learning_precision(problem.forward.precision)
        self.network = problem.network().requires_grad_(requires_grad=False)
        """What candidates are taken from."""
        self._parameters = list(affine_parameters(self.network).values())
        for parameter in self._parameters:
            parameter.requires_grad_()
        self._begin = state_of(self.network)
        self._entropy: tuple[float, float] | None = None
        self._start_over()

    def __call__(self, batch: DomainBatch, *, factor: float) -> Mapping[str, float]:
        """Learn from a batch; gives the weighed entropy of its pixels that count, 0 where there are none.

        Args:
            batch: on the CPU.
            factor: on the learning rate, 0 to 1.
        """
        images, valid = batch.target.images.to(self._device), batch.target.valid.to(self._device)
        entropies: list[float] = []
        loss = flat_gradients(self._parameters, lambda: self._loss(images, valid, entropies), reach=self._plan.reach)
        if loss is None:
            return {"entropy": 0.0}
        for group in self._optimizer.param_groups:
            group["lr"] = self._plan.rate * factor
        self._optimizer.step()
        self._watch(entropies[0])
        return {"entropy": loss}

    def restore(self) -> None:
        """Put back all weights and buffers."""
        self.network.load_state_dict(self._begin)

    def _start_over(self) -> None:
        if self._plan.batch_statistics:
            _take_batch_statistics(self.network)
        self._optimizer = torch.optim.Adam(self._parameters, lr=self._plan.rate, betas=(0.9, 0.999))

    def _loss(self, images: Tensor, valid: Tensor, entropies: list[float]) -> Tensor | None:
        logits = logits_of(self.network, images, device=self._device, precision=self._precision)
        entropy = entropy_of(logits)
        most = math.log(logits.shape[1])
        limit = math.inf if self._plan.margin is None else self._plan.margin * most
        counted = valid & (entropy.detach() < limit)
        if not counted.any():
            return None
        entropies.append(float(entropy.detach()[valid].mean()))
        return weighed_entropy(entropy[counted], limit=limit)

    def _watch(self, entropy: float) -> None:
        """Restore where the running entropy has fallen too far: the network is then sure of everything (SAR)."""
        first, running = self._entropy or (entropy, entropy)
        running = _MOMENTUM * running + (1 - _MOMENTUM) * entropy
        self._entropy = (first, running)
        if running < self._plan.floor * first:
            self.restore()
            self._start_over()
            self._entropy = (first, first)


class Tent:
    """The adapter `tent`: candidates on the way through one pass over the target, at most."""

    name = "tent"

    def __init__(self, *, plan: TentPlan | None = None) -> None:
        """Take a plan; None takes that of the recipe."""
        self._plan = plan

    def refusal(self, problem: Problem) -> str | None:
        """Why it cannot be used here, one sentence; None where it can."""
        if not affine_parameters(problem.package.network):
            return "the network has no normalisation layer with a scale and an offset to learn"
        return None if problem.target.valid.any() else "no window of the target has a valid pixel"

    def candidates(self, problem: Problem, seconds: float) -> Iterator[Candidate]:
        """Candidates after half and all of a pass; with recipe published after all of it.

        Args:
            problem: where to learn; its curves are those of the candidates.
            seconds: to spend; when they are over the next candidate is the last.
        """
        settings, published = problem.settings, problem.settings.recipe == "published"
        plan = self._plan or (TentPlan.published() if published else TentPlan.guarded())
        steps = max(1, min(settings.steps, len(problem.target) // settings.batch_size))
        at = (steps,) if published else sorted({-(-steps // 2), steps})
        step, told = TentStep(problem, plan), told_of(plan)
        yield from taken(step, problem, at=at, label=self.name, told=lambda: told, seconds=seconds)


def affine_parameters(network: nn.Module) -> Mapping[str, nn.Parameter]:
    """Scales and offsets of the normalisation layers, by name."""
    return {
        f"{layer}.{name}": parameter
        for layer, module in network.named_modules()
        if isinstance(module, _NORMS)
        for name, parameter in module.named_parameters(recurse=False)
    }


def entropy_of(logits: Tensor) -> Tensor:
    """(n, height, width) Shannon entropy of the softmax of logits (n, classes, height, width), nats."""
    log_shares = logits.log_softmax(dim=1)
    return -(log_shares.exp() * log_shares).sum(dim=1)


def weighed_entropy(entropy: Tensor, *, limit: float) -> Tensor:
    """Mean over pixels, each weighed by exp(limit - entropy) as in EATA; all alike where the limit is infinite.

    Args:
        entropy: (pixels,), at least one.
        limit: largest entropy of those, nats.
    """
    if math.isinf(limit):
        return entropy.mean()
    return (torch.exp(limit - entropy.detach()) * entropy).mean()


def _take_batch_statistics(network: nn.Module) -> None:
    """Let batch norms use the statistics of batches and keep their plain mean from here on."""
    for module in network.modules():
        if isinstance(module, _BATCH_NORMS):
            module.reset_running_stats()
            module.momentum = None
            module.train()
