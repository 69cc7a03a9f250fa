"""Maps of the target made to look like maps of the source, by a discriminator that tells them apart."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from geoseg.adaptation.candidate import Candidate, Problem
from geoseg.adaptation.discriminator import SOURCE, TARGET, Health, build_discriminator, domain_loss, told_apart
from geoseg.adaptation.learning import DomainBatch, TargetBatch, learning_precision, logits_of
from geoseg.adaptation.proposing import SourceStatistics, labelled, network_optimizer, proposals, seeded, usable
from geoseg.models.device import autocast
from geoseg.training.batches import TrainingBatch
from geoseg.training.optim import set_rate

MapKind = Literal["softmax", "entropy"]
"""What the discriminator is shown: probabilities, or how unsure they are."""

_CLIP = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdversarialPlan:
    """Hyper-parameters."""

    maps: MapKind = "entropy"
    """What the discriminator is shown."""

    by_class: bool = False
    """Whether it tells domains class by class (FADA)."""

    pull: float
    """Factor on the adversarial loss."""

    rate: float
    """Of the network, at its largest."""

    discriminator_rate: float
    """Of the discriminator, at its largest."""

    width: int
    """Channels of the discriminator after its first stage."""

    least_loss: float
    """Of the discriminator: below it the network is not pulled; 0 = always pulled."""

    two_statistics: bool
    """Whether chips of the source are seen with its own statistics, and the network's become those of the target."""

    sgd: bool
    """Whether the network is moved by SGD with momentum 0.9, instead of AdamW."""

    @classmethod
    def guarded(cls, maps: MapKind = "entropy", *, by_class: bool = False) -> AdversarialPlan:
        """For some hundred steps: a stronger pull than published, given up where the discriminator has won."""
        return cls(
            maps=maps,
            by_class=by_class,
            pull=0.03,
            rate=3e-4,
            discriminator_rate=5e-4,
            width=32,
            least_loss=0.1,
            two_statistics=True,
            sgd=False,
        )

    @classmethod
    def published(cls, maps: MapKind = "entropy", *, by_class: bool = False) -> AdversarialPlan:
        """Of AdaptSegNet and ADVENT, which FADA shares."""
        return cls(
            maps=maps,
            by_class=by_class,
            pull=1e-3,
            rate=2.5e-4,
            discriminator_rate=1e-4,
            width=64,
            least_loss=0.0,
            two_statistics=False,
            sgd=True,
        )


def alignment_maps(logits: Tensor, kind: MapKind) -> Tensor:
    """What a discriminator is shown of logits (n, classes, height, width): the same shape, float32.

    Args:
        logits: of the network.
        kind: softmax for probabilities (AdaptSegNet, Tsai et al. 2018); entropy for the weighted self-information
            -p log p of each class, 1 / classes at most in the sum of bits over log2 of the classes (ADVENT, Vu et al.
            2019).
    """
    logs = torch.log_softmax(logits.float(), dim=1)
    shares = logs.exp()
    return shares if kind == "softmax" else -shares * logs / math.log(max(2, logits.shape[1]))


class AdversarialStep:
    """One step of output-space alignment (Tsai et al. 2018, Vu et al. 2019; by class: Wang et al. 2020).

    The network learns from labelled chips, and from target windows by what makes a frozen discriminator take their maps
    for the source's; then the discriminator learns from the same maps, cut off from the network.
    """

    def __init__(self, problem: Problem, plan: AdversarialPlan) -> None:
        """Stand before the first step of a problem that has labelled ground."""
        source = problem.source
        if source is None:
            raise ValueError("no labelled ground")
        classes = problem.package.spec.classes
        self._plan, self._loss = plan, source.loss
        self._device = problem.forward.device
        self._precision = learning_precision(problem.forward.precision)
        self._seed, self._done, self._left_out = problem.settings.seed, 0, 0
        self._network = problem.network().train()
        with seeded(self._seed, torch.device("cpu")):
            outputs = 2 * classes if plan.by_class else 1
            discriminator = build_discriminator(classes, outputs=outputs, width=plan.width, side=problem.settings.side)
        self.discriminator = discriminator.to(self._device)
        """What the network plays against."""
        self._statistics = SourceStatistics(self._network)
        self._optimizer = network_optimizer(self._network, rate=plan.rate, sgd=plan.sgd)
        self._against = torch.optim.Adam(self.discriminator.parameters(), lr=plan.discriminator_rate, betas=(0.9, 0.99))
        self._health = Health(least=plan.least_loss)

    @property
    def network(self) -> nn.Module:
        """What learns to look alike on both grounds."""
        return self._network

    @property
    def parameters(self) -> Mapping[str, float | int | str | bool]:
        """Hyper-parameters, and how the discriminator fares."""
        plan = self._plan
        return {
            "maps": plan.maps,
            "by_class": plan.by_class,
            "pull": plan.pull,
            "rate": plan.rate,
            "discriminator_loss": round(self._health.loss, 4),
            "steps_without_pull": self._left_out,
        }

    def __call__(self, batch: DomainBatch, *, factor: float) -> Mapping[str, float]:
        """Move the network, then the discriminator."""
        source = labelled(batch)
        set_rate(self._optimizer, self._plan.rate * factor)
        set_rate(self._against, self._plan.discriminator_rate * factor)
        with seeded(self._seed + self._done, self._device):
            ours, supervised = self._from_labels(source)
            theirs, adversarial = self._from_windows(batch.target)
        nn.utils.clip_grad_norm_(self._network.parameters(), _CLIP)
        self._optimizer.step()
        told = self._tell((ours, usable(source.images).to(self._device)), (theirs, batch.target.valid.to(self._device)))
        self._done += 1
        return {"segmentation": supervised, "adversarial": adversarial, "discriminator": told}

    def _from_labels(self, source: TrainingBatch) -> tuple[Tensor, float]:
        """Gradients of the labels; gives the logits, cut off, and the loss."""
        self._optimizer.zero_grad(set_to_none=True)
        logits = self._logits_of_source(source.images)
        loss = self._loss(logits, source.labels.to(self._device))
        loss.backward()  # type: ignore[no-untyped-call]
        return logits.detach(), float(loss.detach())

    def _from_windows(self, target: TargetBatch) -> tuple[Tensor, float]:
        """Add the gradients of the pull; gives the logits, cut off, and the loss."""
        if not self._health.healthy:
            self._left_out += 1
            with torch.no_grad():
                return self._logits(target.images), 0.0
        self.discriminator.requires_grad_(requires_grad=False)
        logits = self._logits(target.images)
        loss = self._plan.pull * self._judged(logits, target.valid.to(self._device), domain=SOURCE)[1]
        loss.backward()  # type: ignore[no-untyped-call]
        return logits.detach(), float(loss.detach())

    def _tell(self, ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor]) -> float:
        """Move the discriminator by logits and valid pixels of source and target; gives its loss."""
        self.discriminator.requires_grad_(requires_grad=True)
        self._against.zero_grad(set_to_none=True)
        total, seen = 0.0, 0.0
        for domain, (logits, valid) in ((SOURCE, ours), (TARGET, theirs)):
            told, loss = self._judged(logits, valid, domain=domain)
            (loss / 2).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach()) / 2
            seen += float(domain_loss(told_apart(told.detach()), valid, domain=domain)) / 2
        self._against.step()
        self._health.see(seen)
        return total

    def _logits(self, images: Tensor) -> Tensor:
        return logits_of(self._network, images, device=self._device, precision=self._precision)

    def _logits_of_source(self, images: Tensor) -> Tensor:
        if not self._plan.two_statistics:
            return self._logits(images)
        with autocast(self._device, self._precision):
            return self._statistics.logits(self._network, images.to(self._device)).float()

    def _judged(self, logits: Tensor, valid: Tensor, *, domain: int) -> tuple[Tensor, Tensor]:
        """What the discriminator says of logits, and the loss where they are to be of a domain."""
        maps = alignment_maps(logits, self._plan.maps) * valid.unsqueeze(1)
        with autocast(self._device, self._precision):
            told: Tensor = self.discriminator(maps)
        classes = torch.softmax(logits.detach(), dim=1) if self._plan.by_class else None
        return told, domain_loss(told, valid, domain=domain, classes=classes)


class Adversarial:
    """Aligns maps of source and target (AdaptSegNet, ADVENT, FADA). It suits ground with like shares of classes."""

    def __init__(self, maps: MapKind = "entropy", *, by_class: bool = False) -> None:
        """Choose the variant.

        Args:
            maps: what the discriminator is shown.
            by_class: whether it tells domains class by class.
        """
        self._maps: MapKind = maps
        self._by_class = by_class

    @property
    def name(self) -> str:
        """As in `--method`."""
        return "adversarial"

    def refusal(self, problem: Problem) -> str | None:
        """It needs labelled ground of the source."""
        return None if problem.source is not None else "it learns from the model's source as well: give --source"

    def candidates(self, problem: Problem, seconds: float) -> Iterator[Candidate]:
        """After half of the steps and after all; with published hyper-parameters after all alone."""
        make = AdversarialPlan.published if problem.settings.recipe == "published" else AdversarialPlan.guarded
        step = AdversarialStep(problem, make(self._maps, by_class=self._by_class))
        label = f"{self.name}-{self._maps}" + ("-by-class" if self._by_class else "")
        yield from proposals(step, problem, label=label, seconds=seconds)
