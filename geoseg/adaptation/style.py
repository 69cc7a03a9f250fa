"""Labelled chips of the source that look like the target, and a short training on them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from geoseg.adaptation.candidate import Candidate, Problem, SourceGround
from geoseg.adaptation.fourier import filled, fourier_style
from geoseg.adaptation.learning import DomainBatch, TargetBatch, learning_precision, logits_of
from geoseg.adaptation.proposing import SourceStatistics, labelled, network_optimizer, proposals, seeded, usable
from geoseg.models.device import autocast
from geoseg.raster.curves import BandCurve
from geoseg.raster.normalize import Normalizer
from geoseg.shift.bands import band_quantiles, matching_curves
from geoseg.shift.windows import WindowSample
from geoseg.training.optim import set_rate

_CLIP = 1.0
_BETAS = (0.01, 0.05, 0.09)  # of the paper


@dataclass(frozen=True, slots=True, kw_only=True)
class StylePlan:
    """Hyper-parameters."""

    betas: tuple[float, ...]
    """Of Fourier styles, which take turns."""

    curves: bool
    """Whether curves of the bands, over all windows of the target, take turns with them."""

    plain: bool
    """Whether every other chip keeps its style, seen with the statistics of the source."""

    rate: float
    """Of the network, at its largest."""

    entropy: float
    """Factor on the entropy of the target's maps."""

    eta: float
    """Exponent of its penalty."""

    sgd: bool
    """Whether the network is moved by SGD with momentum 0.9, instead of AdamW."""

    @classmethod
    def guarded(cls) -> StylePlan:
        """For some hundred steps; curves alone, which reached farther than Fourier styles or both in turns."""
        return cls(
            betas=(),
            curves=True,
            plain=True,
            rate=3e-4,
            entropy=0.0,
            eta=2.0,
            sgd=False,
        )

    @classmethod
    def published(cls) -> StylePlan:
        """Of FDA, but for one network that meets all three styles instead of three whose maps are averaged."""
        return cls(
            betas=_BETAS,
            curves=False,
            plain=False,
            rate=2.5e-4,
            entropy=0.005,
            eta=2.0,
            sgd=True,
        )


class Restyle(Protocol):
    """A way to make images look like the target."""

    @property
    def name(self) -> str:
        """Of the style."""

    def __call__(self, images: Tensor, valid: Tensor, target: TargetBatch) -> Tensor:
        """Images (n, bands, height, width), normalised, of the same shape; pixels that are not valid hold anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FourierStyle:
    """Low frequencies of windows of the target (FDA, Yang & Soatto 2020), one window an image."""

    beta: float
    """See `fourier_style`."""

    @property
    def name(self) -> str:
        """Of the style."""
        return f"fourier-{self.beta:g}"

    def __call__(self, images: Tensor, valid: Tensor, target: TargetBatch) -> Tensor:
        """As in `Restyle`; a band that the window lacks stays as it is."""
        windows = torch.arange(len(images)) % len(target.images)
        theirs = filled(target.images, target.valid)[windows]
        ours = filled(images, valid)
        there = (theirs != 0).any(dim=(2, 3), keepdim=True)
        return torch.where(there, fourier_style(ours, theirs, beta=self.beta), images)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurveStyle:
    """The distribution of each band over all windows of the target, which no single window's content can bend."""

    curves: tuple[BandCurve, ...]
    """From scaled numbers of the source to those of the target."""

    normalizer: Normalizer
    """By which images are normalised; its own curves are not used."""

    name: str = "curves"
    """Of the style."""

    def __call__(self, images: Tensor, valid: Tensor, target: TargetBatch) -> Tensor:  # noqa: ARG002 - a `Restyle`
        """As in `Restyle`."""
        bands = zip(images.numpy().swapaxes(0, 1), self.curves, *self._statistics(), strict=True)
        styled = [(curve(band * std + mean) - mean) / std for band, curve, mean, std in bands]
        return torch.from_numpy(np.stack(styled, axis=1)).contiguous(memory_format=torch.channels_last)

    def _statistics(self) -> tuple[list[np.float32], list[np.float32]]:
        return [np.float32(mean) for mean in self.normalizer.mean], [np.float32(std) for std in self.normalizer.std]


def curve_style(problem: Problem, source: SourceGround) -> CurveStyle:
    """The style by curves, from held-out chips of the source to the windows of the target as the package sees them."""
    normalizer = problem.package.normalizer
    theirs = band_quantiles(problem.target)
    if normalizer.curves:
        theirs = np.stack([curve(row) for curve, row in zip(normalizer.curves, theirs, strict=True)]).astype(float)
    ours = band_quantiles(WindowSample(images=source.chips, valid=source.valid, places=()))
    return CurveStyle(curves=matching_curves(theirs, ours, kind="cdf"), normalizer=normalizer)


def entropy_penalty(logits: Tensor, valid: Tensor, *, eta: float) -> Tensor:
    """Charbonnier penalty on the entropy of maps, which pushes unsure pixels most (FDA, Yang & Soatto 2020).

    Args:
        logits: (n, classes, height, width).
        valid: (n, height, width) bool.
        eta: exponent of (entropy squared + 1e-8), where the entropy of a pixel is 0 to 1.

    Returns:
        The mean over valid pixels; 0 where there is none.
    """
    logs = torch.log_softmax(logits.float(), dim=1)
    entropy = -(logs.exp() * logs).sum(dim=1) / math.log(max(2, logits.shape[1]))
    penalty = (entropy**2 + 1e-8) ** eta
    return (penalty * valid).sum() / valid.sum().clamp(min=1)


class StyleStep:
    """One step of training on labelled chips in the style of the target (FDA, Yang & Soatto 2020)."""

    def __init__(self, problem: Problem, plan: StylePlan) -> None:
        """Stand before the first step of a problem that has labelled ground."""
        source = problem.source
        if source is None:
            raise ValueError("no labelled ground")
        self._plan, self._loss = plan, source.loss
        self._device = problem.forward.device
        self._precision = learning_precision(problem.forward.precision)
        self._seed, self._done = problem.settings.seed, 0
        self._network = problem.network().train()
        self._statistics = SourceStatistics(self._network)
        self._optimizer = network_optimizer(self._network, rate=plan.rate, sgd=plan.sgd)
        fourier = tuple(FourierStyle(beta=beta) for beta in plan.betas)
        self._styles: tuple[Restyle, ...] = (curve_style(problem, source), *fourier) if plan.curves else fourier

    @property
    def network(self) -> nn.Module:
        """What learns from styled chips."""
        return self._network

    @property
    def parameters(self) -> Mapping[str, float | int | str | bool]:
        """Hyper-parameters."""
        plan = self._plan
        styles = " ".join(style.name for style in self._styles)
        return {"styles": styles, "plain": plan.plain, "rate": plan.rate, "entropy": plan.entropy}

    def __call__(self, batch: DomainBatch, *, factor: float) -> Mapping[str, float]:
        """Move the network by one batch of chips, some of them styled, and by windows of the target."""
        plan, source = self._plan, labelled(batch)
        set_rate(self._optimizer, plan.rate * factor)
        self._optimizer.zero_grad(set_to_none=True)
        plain = self._plain(len(source.images))
        images = torch.where(plain.view(-1, 1, 1, 1), source.images, self.styled(source.images, batch.target))
        with seeded(self._seed + self._done, self._device):
            losses = {
                name: self._learnt(images[which], source.labels[which], is_plain=name == "plain")
                for name, which in (("plain", plain), ("styled", ~plain))
                if which.any()
            }
            if plan.entropy:
                losses["entropy"] = self._unsure(batch.target)
        nn.utils.clip_grad_norm_(self._network.parameters(), _CLIP)
        self._optimizer.step()
        self._done += 1
        return losses

    def styled(self, images: Tensor, target: TargetBatch) -> Tensor:
        """Images of the source in the style that has its turn."""
        valid = usable(images)
        style = self._styles[self._done % len(self._styles)]
        there = valid.unsqueeze(1) & (images != 0).any(dim=(2, 3), keepdim=True)  # some chips lack a band
        return torch.where(there, style(images, valid, target), images)

    def _plain(self, count: int) -> Tensor:
        """(n,) bool: which chips keep their style; it is the others' turn after each round of styles."""
        turn = self._done // len(self._styles)
        return self._plan.plain & ((torch.arange(count) + turn) % 2 == 0)

    def _learnt(self, images: Tensor, labels: Tensor, *, is_plain: bool) -> float:
        """Add the gradients of some chips; gives the loss, by their share."""
        logits = self._logits_of_plain(images) if is_plain else self._logits(images)
        loss = self._loss(logits, labels.to(self._device)) / (2 if self._plan.plain else 1)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _logits_of_plain(self, images: Tensor) -> Tensor:
        with autocast(self._device, self._precision):
            return self._statistics.logits(self._network, images.to(self._device)).float()

    def _unsure(self, target: TargetBatch) -> float:
        """Add the gradients of the entropy; gives the loss."""
        logits = self._logits(target.images)
        loss = self._plan.entropy * entropy_penalty(logits, target.valid.to(self._device), eta=self._plan.eta)
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _logits(self, images: Tensor) -> Tensor:
        return logits_of(self._network, images, device=self._device, precision=self._precision)


class Style:
    """Fine-tunes on labelled chips in the style of the target: its look changes at training, not at prediction."""

    @property
    def name(self) -> str:
        """As in `--method`."""
        return "style"

    def refusal(self, problem: Problem) -> str | None:
        """It needs labelled ground of the source."""
        return None if problem.source is not None else "it learns from the model's source: give --source"

    def candidates(self, problem: Problem, seconds: float) -> Iterator[Candidate]:
        """After half of the steps and after all; with published hyper-parameters after all alone."""
        make = StylePlan.published if problem.settings.recipe == "published" else StylePlan.guarded
        yield from proposals(StyleStep(problem, make()), problem, label=self.name, seconds=seconds)
