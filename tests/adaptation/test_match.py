from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.adaptation.match import Match, blended
from geoseg.raster.curves import BandCurve
from geoseg.shift.bands import band_quantiles
from geoseg.shift.windows import WindowSample

LINE = BandCurve(knots=(0.0, 1.0), values=(0.2, 0.6))


@dataclass(frozen=True)
class Known:
    """All that matching needs of reference statistics."""

    quantiles: np.ndarray


@pytest.fixture
def problem(labelled_problem):
    """The target is what the model knows in other light, band by band."""
    found = labelled_problem()
    seen = found.target
    own = replace(seen, images=(seen.images - 0.3) * np.array([2, 1.5, 0.7], np.float32)[:, None, None])
    package = replace(found.package, reference=Known(band_quantiles(own)))
    return replace(found, package=package)


def known_to(problem, candidate):
    """Quantiles of the target on a candidate's curves."""
    images = np.stack([curve(problem.target.images[:, band]) for band, curve in enumerate(candidate.curves)], axis=1)
    return band_quantiles(WindowSample(images=images, valid=problem.target.valid, places=problem.target.places))


@pytest.mark.parametrize("label", ["match-cdf", "match-moments"])
def test_the_whole_way_gives_the_target_the_distribution_that_the_model_knows(problem, label):
    candidates = {each.label: each for each in Match().candidates(problem, 60)}
    inner = slice(20, -20)
    found = known_to(problem, candidates[label])[:, inner]
    assert np.abs(found - problem.package.reference.quantiles[:, inner]).max() < 0.01


def test_there_are_two_kinds_each_whole_and_half_way_and_no_weight_changes(problem):
    candidates = list(Match().candidates(problem, 60))
    assert [each.label for each in candidates] == ["match-cdf", "match-cdf-50", "match-moments", "match-moments-50"]
    weights = problem.package.network.state_dict()
    assert all(torch.equal(each.state[name], weights[name]) for each in candidates for name in weights)


def test_half_way_lies_between_the_target_and_the_model(problem):
    whole, half, *_ = Match().candidates(problem, 60)
    own = band_quantiles(problem.target)
    assert known_to(problem, half) == pytest.approx((own + known_to(problem, whole)) / 2, abs=1e-3)


def test_the_published_recipe_goes_the_whole_way(problem, labelled_problem):
    settings = labelled_problem(recipe="published", method="match").settings
    assert [each.label for each in Match().candidates(replace(problem, settings=settings), 60)] == ["match-cdf"]


def test_without_reference_statistics_it_says_how_to_add_them(labelled_problem):
    assert "pipelines.finish_model" in Match().refusal(labelled_problem())


def test_with_reference_statistics_it_may_be_used(problem):
    assert Match().refusal(problem) is None


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_blend_lies_between_both_curves(share, number):
    before, wanted = BandCurve(knots=(0.0, 1.0), values=(0.1, 0.9)), LINE
    (curve,) = blended((before,), (wanted,), share=share)
    at = np.array([number], dtype=np.float32)
    assert curve(at) == pytest.approx((1 - share) * before(at) + share * wanted(at), abs=1e-6)


def test_the_whole_way_is_the_curve_itself():
    assert blended((), (LINE,), share=1) == (LINE,)
