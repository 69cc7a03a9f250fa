"""Self-training: a slow copy of the network labels the target for the network to learn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from geoseg.adaptation.candidate import Candidate, Problem, state_of
from geoseg.adaptation.learning import DomainBatch, checkpoints
from geoseg.adaptation.masking import hidden_blocks, masked
from geoseg.adaptation.mixing import Labelled, drawn_labels, mixed
from geoseg.adaptation.pseudo_labels import ClassThresholds, PseudoLabels, mean_over_views, share_above
from geoseg.adaptation.strong_views import AppearancePlan, changed_appearance
from geoseg.data.chips import IGNORED
from geoseg.models.device import autocast
from geoseg.shift.views import SYMMETRIES, View
from geoseg.training.ema import EmaTeacher
from geoseg.training.losses import PixelLabels, cross_entropy

_STEP = 3  # keeps the numbers of steps apart from those of windows and chips
_WARM = 1_000_000  # iterations after which the decay of the teacher has no warm-up left: its weights are no random ones
_BLOCKS = 8  # of a masked window, along each side


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTrainingPlan:
    """How a network trains itself."""

    rate: float = 5e-4
    """Learning rate at its largest."""

    head_factor: float = 1.0
    """On the rate of all but the encoder."""

    weight_decay: float = 0.01
    """Of matrices and kernels."""

    decay: float = 0.97
    """Of the teacher, a moving mean of weights and buffers."""

    threshold: float = 0.9
    """Confidence that a pseudo-label needs at most, 0 to 1."""

    quantile: float | None = 0.5
    """Share of each class that never has to reach more than it does; None = one weight for all pixels of a batch, the
    share of them above the threshold."""

    views: int = 3
    """Turned and mirrored views that the teacher labels, 1 to 8."""

    weight: float = 1.0
    """Of the pseudo-labelled loss; that of the source is 1."""

    masking: float = 0.0
    """Share of a window that is hidden in a further pass; 0 = no such pass."""

    anchor: float = 1.0
    """Weight of staying near the model as it was where that is confident; only where there is no source."""

    batch_statistics: bool = False
    """Whether norms learn with the statistics of batches and keep their running means; else both stay as they are."""

    of_student: bool = False
    """Whether candidates are the student; else the teacher."""

    @classmethod
    def guarded(cls) -> Self:
        """For some hundred steps of a small network, chosen on drawn landscapes."""
        return cls()

    @classmethod
    def published(cls) -> Self:
        """As in DAFormer (Hoyer et al. 2022), without its rare classes and feature distance."""
        return cls(
            rate=6e-5,
            head_factor=10.0,
            decay=0.999,
            threshold=0.968,
            quantile=None,
            views=1,
            anchor=0.0,
            batch_statistics=True,
            of_student=True,
        )


class SelfTrainingStep:
    """One step of self-training with mixed images.

    The frame is DACS (Tranheden et al. 2021) and DAFormer (Hoyer et al. 2022): a mean teacher (Tarvainen and Valpola
    2017) labels the target; the student learns from the source and from target windows with pieces of the source laid
    on them, in other light. The teacher looks at several views as in SAC, and each class has a threshold of its own as in
    CBST. Without a source, pieces of other target windows are laid on, and a term holds the student to what the model
    as it was is sure of.
    """

    def __init__(self, problem: Problem, plan: SelfTrainingPlan) -> None:
        """Stand before the first step, all networks as the package has them."""
        self._plan, self._device = plan, problem.forward.device
        self._precision = learning_precision(problem.forward.precision)
        self._temperature = problem.package.calibration.temperature
        self._seed, self._iteration, self._source = problem.settings.seed, 0, problem.source
        self._student = problem.network().requires_grad_(requires_grad=True)
        self._teacher = EmaTeacher(self._student, decay=plan.decay)
        self._frozen = None if problem.source else problem.network().requires_grad_(requires_grad=False)
        self._optimizer = _optimizer(self._student, plan)
        classes = len(problem.package.classes)
        self._thresholds = ClassThresholds(classes, limit=plan.threshold, quantile=plan.quantile or 1.0)
        members = torch.eye(classes, dtype=torch.bool)
        if problem.source is not None:
            members = torch.from_numpy(problem.source.members)
        self._members = members.to(self._device)

    @property
    def network(self) -> nn.Module:
        """The teacher, or the student where the plan says so."""
        return self._student if self._plan.of_student else self._teacher.network

    def __call__(self, batch: DomainBatch, *, factor: float) -> Mapping[str, float]:
        """Learn from a batch; gives the losses by name.

        Args:
            batch: on the CPU.
            factor: on all learning rates, 0 to 1.
        """
        rng = np.random.default_rng((self._seed, self._iteration, _STEP))
        images, valid = batch.target.images.to(self._device), batch.target.valid.to(self._device)
        target = self._labelled(images, valid, rng)
        self._student.train(self._plan.batch_statistics)
        self._optimizer.zero_grad(set_to_none=True)
        losses = {} if batch.source is None or self._source is None else self._learn_source(batch)
        losses["target"] = self._learn(self._mixed(batch, target, rng))
        if self._plan.masking:
            losses["masked"] = self._learn(self._masked(target, rng))
        if self._frozen is not None and self._plan.anchor:
            losses["anchor"] = self._stay(self._frozen, images, valid)
        self._move(factor)
        return losses

    def _labelled(self, images: Tensor, valid: Tensor, rng: np.random.Generator) -> Labelled:
        """The target with the teacher's labels."""
        plan = self._plan
        pseudo = mean_over_views(self._taught, images, drawn_views(plan.views, rng))
        if plan.quantile is None:
            weights = share_above(pseudo, valid, limit=plan.threshold)
            return pseudo_labelled(images, pseudo, weights)
        self._thresholds.update(pseudo, valid)
        return pseudo_labelled(images, pseudo, self._thresholds.kept(pseudo, valid).float())

    def _taught(self, images: Tensor) -> Tensor:
        with autocast(self._device, self._precision):
            logits = self._teacher.network(images.contiguous(memory_format=torch.channels_last))
        return torch.softmax(logits.float() / self._temperature, dim=1)

    def _mixed(self, batch: DomainBatch, target: Labelled, rng: np.random.Generator) -> Labelled:
        """The target with pieces of the source, or of itself, laid on it, in other light."""
        laid = next_of(target) if batch.source is None else self._source_of(batch, len(target.images))
        together = mixed(laid, target, drawn_labels(laid.labels, rng))
        images = changed_appearance(together.images, AppearancePlan(), rng)
        return Labelled(images=images, labels=together.labels, weights=together.weights)

    def _source_of(self, batch: DomainBatch, count: int) -> Labelled:
        """As many labelled chips as there are windows, each counting fully."""
        assert batch.source is not None  # noqa: S101 - asked before
        numbers = torch.arange(count) % len(batch.source.images)
        labels = batch.source.labels[numbers].to(self._device)
        images = batch.source.images[numbers].to(self._device)
        return Labelled(images=images, labels=labels, weights=(labels != IGNORED).float())

    def _masked(self, target: Labelled, rng: np.random.Generator) -> Labelled:
        """The target with blocks hidden and the labels of the whole (MIC: Hoyer et al. 2023)."""
        n, _, height, width = target.images.shape
        hidden = hidden_blocks((n, height, width), ratio=self._plan.masking, block=max(1, height // _BLOCKS), rng=rng)
        changed = changed_appearance(target.images, AppearancePlan(), rng)
        images = masked(changed, hidden.to(changed.device))
        return Labelled(images=images, labels=target.labels, weights=target.weights)

    def _learn_source(self, batch: DomainBatch) -> dict[str, float]:
        assert batch.source is not None  # noqa: S101 - asked before
        assert self._source is not None  # noqa: S101 - asked before
        loss = self._source.loss(self._logits(batch.source.images), batch.source.labels.to(self._device))
        return {"source": _back(loss)}

    def _learn(self, given: Labelled) -> float:
        loss = pseudo_loss(self._logits(given.images), given, self._members)
        return _back(self._plan.weight * loss)

    def _stay(self, frozen: nn.Module, images: Tensor, valid: Tensor) -> float:
        with torch.no_grad(), autocast(self._device, self._precision):
            before = frozen(images)
        wanted = torch.softmax(before.float() / self._temperature, dim=1)
        loss = anchor_loss(self._logits(images) / self._temperature, wanted, valid, limit=self._plan.threshold)
        return _back(self._plan.anchor * loss)

    def _logits(self, images: Tensor) -> Tensor:
        with autocast(self._device, self._precision):
            logits: Tensor = self._student(images.to(self._device))
        return logits.float()

    def _move(self, factor: float) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = group["largest"] * factor
        nn.utils.clip_grad_norm_(self._student.parameters(), 1.0)
        self._optimizer.step()
        self._teacher.update(self._student, iteration=_WARM)
        self._iteration += 1


class SelfTraining:
    """The adapter `selftrain`: candidates on the way of self-training from the model as it is."""

    name = "selftrain"

    def __init__(self, *, prefix: str = "", plan: SelfTrainingPlan | None = None) -> None:
        """Say what is special of it.

        Args:
            prefix: of the labels of its candidates, where it starts from something other than the model as it was.
            plan: how it trains; None takes that of the recipe.
        """
        self._prefix, self._plan = prefix, plan

    def refusal(self, problem: Problem) -> str | None:
        """Why it cannot be used here, one sentence; None where it can."""
        return None if problem.target.valid.any() else "no window of the target has a valid pixel"

    def candidates(self, problem: Problem, seconds: float) -> Iterator[Candidate]:
        """Candidates after a quarter, half and all of the steps; with recipe published after all of them.

        Args:
            problem: where to train; its curves are those of the candidates.
            seconds: to spend; when they are over the next candidate is the last.
        """
        started = time.monotonic()
        settings = problem.settings
        published = settings.recipe == "published"
        plan = self._plan or (SelfTrainingPlan.published() if published else SelfTrainingPlan.guarded())
        at = (settings.steps,) if published else sorted({-(-settings.steps // part) for part in (4, 2, 1)})
        step = SelfTrainingStep(problem, plan)
        for done in checkpoints(step, problem, at=at, seconds=seconds):
            yield Candidate(
                adapter=self.name,
                label=f"{self._prefix}{self.name}-{done}",
                state=state_of(step.network),
                curves=problem.package.normalizer.curves,
                parameters={**_told(plan), "steps": done, "source": problem.source is not None},
                seconds=time.monotonic() - started,
            )


def drawn_views(count: int, rng: np.random.Generator) -> tuple[View, ...]:
    """The image as it is and some of its other symmetries.

    Args:
        count: of all of them, 1 to 8.
        rng: where the numbers come from.
    """
    others = rng.permutation(np.arange(1, len(SYMMETRIES)))[: count - 1]
    return (SYMMETRIES[0], *(SYMMETRIES[number] for number in others.tolist()))


def pseudo_labelled(images: Tensor, pseudo: PseudoLabels, weights: Tensor) -> Labelled:
    """Images with pseudo-labels; unknown where the weight is 0."""
    labels = torch.where(weights > 0, pseudo.classes, IGNORED).to(torch.uint8)
    return Labelled(images=images, labels=labels, weights=weights)


def next_of(labelled: Labelled) -> Labelled:
    """The same images in the order of their right neighbours."""
    parts = (part.roll(-1, dims=0) for part in (labelled.images, labelled.labels, labelled.weights))
    images, labels, weights = parts
    return Labelled(images=images, labels=labels, weights=weights)


def pseudo_loss(logits: Tensor, given: Labelled, members: Tensor) -> Tensor:
    """Weighted cross-entropy over all pixels: those without weight count as right ones, so doubt makes steps small.

    Args:
        logits: (n, classes, height, width) float32.
        given: what to learn.
        members: (codes, classes) bool, True where a class is one of a label code's.

    Returns:
        A scalar; 0 with zero gradients where no pixel has a weight.
    """
    codes = torch.where(given.labels == IGNORED, 0, given.labels).long()
    weights = torch.where(given.labels == IGNORED, 0.0, given.weights)
    mean = cross_entropy(logits, PixelLabels(codes=codes, weights=weights, members=members))
    return mean * weights.sum().clamp_min(1) / weights.numel()


def anchor_loss(logits: Tensor, wanted: Tensor, valid: Tensor, *, limit: float) -> Tensor:
    """Divergence from what a frozen model says (Kullback-Leibler), over its confident pixels, a mean over all.

    Args:
        logits: (n, classes, height, width) float32.
        wanted: (n, classes, height, width) probabilities.
        valid: (n, height, width) bool, True = usable.
        limit: probability above which a pixel counts, 0 to 1.
    """
    confident = valid & (wanted.amax(dim=1) >= limit)
    terms = torch.xlogy(wanted, wanted) - wanted * logits.log_softmax(dim=1)
    return (terms.sum(dim=1) * confident).sum() / confident.numel()


def learning_precision(precision: str) -> str:
    """The precision to learn in: fp16 needs its losses scaled, so fp32 is taken instead."""
    return "fp32" if precision == "fp16" else precision


def _optimizer(network: nn.Module, plan: SelfTrainingPlan) -> torch.optim.AdamW:
    """AdamW with a rate for the encoder and one for the rest; norms and biases are not decayed."""
    groups = []
    for in_encoder in (True, False):
        rate = plan.rate * (1.0 if in_encoder else plan.head_factor)
        for is_matrix in (True, False):
            parameters = [
                parameter
                for name, parameter in network.named_parameters()
                if name.startswith("encoder.") == in_encoder and (parameter.ndim > 1) == is_matrix
            ]
            decay = plan.weight_decay if is_matrix else 0.0
            groups.append({"params": parameters, "weight_decay": decay, "lr": rate, "largest": rate})
    return torch.optim.AdamW([group for group in groups if group["params"]], betas=(0.9, 0.999))


def _back(loss: Tensor) -> float:
    """Add the gradients of a loss up; gives its value."""
    loss.backward()  # type: ignore[no-untyped-call]
    return float(loss.detach())


def _told(plan: SelfTrainingPlan) -> dict[str, float | int | str | bool]:
    return {name: value for name, value in asdict(plan).items() if value is not None}
