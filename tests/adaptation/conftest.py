"""A tiny problem to adapt in: a network of random weights, windows of noise, labels by brightness."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from geoseg.adaptation.candidate import Problem, SourceGround
from geoseg.config.adapt import AdaptSettings
from geoseg.models.zoo import load_model
from geoseg.shift.forward import Forward
from geoseg.shift.windows import Place, WindowSample
from geoseg.training.batches import TrainingBatch
from geoseg.window import Window

SIDE = 64


@dataclass
class FakeMaker:
    """Makes labelled batches of noise; the last pixels of the first chip are not valid."""

    seed: int = 0
    chips: int = 2
    known: bool = True

    def __call__(self, iteration: int) -> TrainingBatch:
        generator = torch.Generator().manual_seed(1000 * self.seed + iteration)
        images = torch.randn(self.chips, 3, SIDE, SIDE, generator=generator)
        labels = (images.mean(dim=1) * 3 + 1).round().clamp(0, 2).to(torch.uint8)
        images[0, :, -9:], labels[0, -9:] = 0, 255
        return TrainingBatch(images=images, labels=labels if self.known else torch.full_like(labels, 255))


@pytest.fixture
def labelled_problem(tiny_model: Path) -> Callable[..., Problem]:
    """Make a problem with labelled ground; keywords change its settings."""
    package = load_model(tiny_model)
    rng = np.random.default_rng(3)
    members = np.eye(3, dtype=np.bool_)
    valid = np.ones((6, SIDE, SIDE), dtype=np.bool_)
    valid[0, :20] = False

    def loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        known = (labels != 255).float()
        wanted = torch.where(labels == 255, 0, labels).long()
        losses = torch.nn.functional.cross_entropy(logits, wanted, reduction="none")
        return (losses * known).sum() / known.sum().clamp(min=1)

    source = SourceGround(
        maker=FakeMaker(),
        loss=loss,
        chips=rng.normal(0.4, 0.2, (3, 3, SIDE, SIDE)).astype(np.float32),
        valid=np.ones((3, SIDE, SIDE), dtype=np.bool_),
        labels=rng.integers(0, 3, (3, SIDE, SIDE)).astype(np.uint8),
        members=members,
    )
    places = tuple(Place(scene=0, window=Window(row=0, col=SIDE * n, height=SIDE, width=SIDE)) for n in range(6))
    target = WindowSample(
        images=rng.normal(0.6, 0.1, (6, 3, SIDE, SIDE)).astype(np.float32), valid=valid, places=places
    )

    def make(**changes: object) -> Problem:
        settings = AdaptSettings.model_validate(
            {"model": str(tiny_model), "side": SIDE, "batch_size": 2, "steps": 4, "method": "style", **changes}
        )
        return Problem(
            package=package, target=target, settings=settings, source=source, forward=Forward(network=package.network)
        )

    return make


@pytest.fixture
def without_labels() -> Callable[[Problem], Problem]:
    """The same problem, its batches all of unknown labels."""

    def change(problem: Problem) -> Problem:
        assert problem.source is not None
        return replace(problem, source=replace(problem.source, maker=FakeMaker(known=False)))

    return change
