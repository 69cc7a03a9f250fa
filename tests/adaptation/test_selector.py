from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.adaptation.candidate import Candidate, state_of
from geoseg.adaptation.selector import Selector
from geoseg.raster.curves import BandCurve


@pytest.fixture
def problem(labelled_problem):
    return labelled_problem()


def source_of(problem, **changes):
    return replace(Candidate(adapter="source", label="source", state=state_of(problem.package.network)), **changes)


def test_a_sight_counts_valid_pixels_alone(problem):
    sight = Selector(problem, problem.target).look(source_of(problem))
    pixels = int(problem.target.valid.sum())
    images = problem.target.tensor(problem.package.normalizer)
    chosen = problem.forward.probabilities(images).argmax(dim=1).numpy()[problem.target.valid]
    assert np.array_equal(sight.classes, chosen)
    assert sight.shares.sum() == pytest.approx(1)
    assert pixels / 10 <= sight.confident.sum() < pixels / 5
    assert 0 <= sight.score <= 1


def test_the_most_confident_pixels_are_those_that_are_chosen(problem):
    sight = Selector(problem, problem.target).look(source_of(problem))
    images = problem.target.tensor(problem.package.normalizer)
    confidence = problem.forward.probabilities(images).amax(dim=1).numpy()[problem.target.valid]
    assert confidence[sight.confident].min() >= confidence[~sight.confident].max()


def test_a_candidate_is_shown_windows_on_its_own_curves(problem):
    """Curves that undo a change of the windows give what the model said before it."""
    dark = replace(problem.target, images=problem.target.images / 4)
    curves = (BandCurve(knots=(-1.0, 1.0), values=(-4.0, 4.0)),) * 3
    before = Selector(problem, problem.target).look(source_of(problem))
    after = Selector(problem, dark).look(source_of(problem, curves=curves))
    assert (before.classes == after.classes).mean() > 0.999
    assert after.score == pytest.approx(before.score, abs=1e-3)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_are_not_looked_at(problem, wrong):
    state = state_of(problem.package.network)
    next(iter(state.values()))[0] = wrong
    assert Selector(problem, problem.target).look(source_of(problem, state=state)) is None


def test_finite_weights_that_overflow_are_noticed(problem):
    state = {name: t * 1e30 if t.is_floating_point() else t for name, t in state_of(problem.package.network).items()}
    assert Selector(problem, problem.target).look(source_of(problem, state=state)) is None
