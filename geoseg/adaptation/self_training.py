"""Self-training: a slow copy of the network labels the target for the network to learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from geoseg.adaptation.candidate import Candidate, Problem, SourceGround
from geoseg.adaptation.fourier import filled, fourier_style
from geoseg.adaptation.learning import DomainBatch, learning_precision, logits_of
from geoseg.adaptation.masking import hidden_blocks, masked
from geoseg.adaptation.mixing import Labelled, drawn_labels, mixed
from geoseg.adaptation.proposing import taken, told_of
from geoseg.adaptation.pseudo_labels import ClassThresholds, PseudoLabels, mean_over_views, share_above
from geoseg.adaptation.self_training_plan import SelfTrainingPlan
from geoseg.adaptation.strong_views import AppearancePlan, changed_appearance
from geoseg.adaptation.target_losses import anchor_loss, pseudo_loss
from geoseg.data.chips import IGNORED
from geoseg.models.device import autocast
from geoseg.shift.views import SYMMETRIES, View
from geoseg.training.batches import TrainingBatch
from geoseg.training.ema import EmaTeacher

_STEP = 3  # keeps the numbers of steps apart from those of windows and chips
_WARM = 1_000_000  # iterations after which the decay of the teacher has no warm-up left: its weights are no random ones
_BLOCKS = 8  # of a masked window, along each side


class SelfTrainingStep:
    """One step of self-training with mixed images.

    The frame is DACS (Tranheden et al. 2021) and DAFormer (Hoyer et al. 2022): a mean teacher (Tarvainen and Valpola
    2017) labels the target; the student learns from the source and from target windows with pieces of the source laid
    on them, in other light. The teacher looks at several views as in SAC, and each class has a threshold of its own as
    in CBST. Without a source, pieces of other target windows are laid on, and a term holds the student to what the
    model as it was is sure of.
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
        source = None if batch.source is None else self._labelled_source(batch.source, images, valid)
        self._student.train(self._plan.batch_statistics)
        self._optimizer.zero_grad(set_to_none=True)
        losses = {} if source is None or self._source is None else {"source": self._learn_source(self._source, source)}
        losses["target"] = self._learn(self._mixed(next_of(target) if source is None else source, target, rng))
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

    def _labelled_source(self, batch: TrainingBatch, images: Tensor, valid: Tensor) -> Labelled:
        """As many chips of the source as there are windows, in their style where the plan says so."""
        numbers = torch.arange(len(images)) % len(batch.images)
        chips, labels = batch.images[numbers].to(self._device), batch.labels[numbers].to(self._device)
        if self._plan.beta:
            chips = in_style_of(images, valid, chips, beta=self._plan.beta)
        return Labelled(images=chips, labels=labels, weights=(labels != IGNORED).float())

    def _mixed(self, laid: Labelled, target: Labelled, rng: np.random.Generator) -> Labelled:
        """The target with pieces of other ground laid on it, in other light."""
        together = mixed(laid, target, drawn_labels(laid.labels, rng))
        images = changed_appearance(together.images, AppearancePlan(), rng)
        return Labelled(images=images, labels=together.labels, weights=together.weights)

    def _masked(self, target: Labelled, rng: np.random.Generator) -> Labelled:
        """The target with blocks hidden and the labels of the whole (MIC: Hoyer et al. 2023)."""
        n, _, height, width = target.images.shape
        hidden = hidden_blocks((n, height, width), ratio=self._plan.masking, block=max(1, height // _BLOCKS), rng=rng)
        changed = changed_appearance(target.images, AppearancePlan(), rng)
        images = masked(changed, hidden.to(changed.device))
        return Labelled(images=images, labels=target.labels, weights=target.weights)

    def _learn_source(self, ground: SourceGround, given: Labelled) -> float:
        return _back(ground.loss(self._logits(given.images), given.labels))

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
        return logits_of(self._student, images, device=self._device, precision=self._precision)

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

    def __init__(self, *, plan: SelfTrainingPlan | None = None) -> None:
        """Take a plan; None takes that of the recipe."""
        self._plan = plan

    def refusal(self, problem: Problem) -> str | None:
        """Why it cannot be used here, one sentence; None where it can."""
        return None if problem.target.valid.any() else "no window of the target has a valid pixel"

    def candidates(self, problem: Problem, seconds: float) -> Iterator[Candidate]:
        """Candidates after a quarter, half and all of the steps; with recipe published after all of them.

        Args:
            problem: where to train; its curves are those of the candidates.
            seconds: to spend; when they are over the next candidate is the last.
        """
        steps, published = problem.settings.steps, problem.settings.recipe == "published"
        plan = self._plan or (SelfTrainingPlan.published() if published else SelfTrainingPlan.guarded())
        at = (steps,) if published else sorted({-(-steps // part) for part in (4, 2, 1)})
        told = {**told_of(plan), "source": problem.source is not None}
        step = SelfTrainingStep(problem, plan)
        yield from taken(step, problem, at=at, label=self.name, told=lambda: told, seconds=seconds)


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


def in_style_of(target: Tensor, valid: Tensor, chips: Tensor, *, beta: float) -> Tensor:
    """Chips with the low frequencies of as many windows of the target (FDA: Yang and Soatto 2020); what is 0 stays 0.

    Args:
        target: (n, bands, side, side), normalised.
        valid: (n, side, side) bool, True = usable.
        chips: (n, bands, side, side), normalised.
        beta: half the side of the square of frequencies that change, as a share of the side.
    """
    there = chips != 0
    styled = fourier_style(filled(chips, there.any(dim=1)), filled(target, valid), beta=beta)
    return torch.where(there, styled, 0.0).contiguous(memory_format=torch.channels_last)


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
