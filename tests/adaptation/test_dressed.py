"""Labelled ground in the look of the target, and what it proves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.adaptation.candidate import Candidate, state_of
from geoseg.adaptation.dressed import DressedGround
from geoseg.adaptation.guard import LIMITS, unproven
from geoseg.adaptation.match import blended
from geoseg.adaptation.rise import Rise, chip_counts, iou_of, rise_of
from geoseg.adaptation.source_scores import mean_iou
from geoseg.shift.bands import band_quantiles, matching_curves
from geoseg.shift.windows import WindowSample

MEMBERS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=np.bool_)


def as_it_was(problem):
    return Candidate(adapter="source", label="source", state=state_of(problem.package.network))


@pytest.fixture
def known(labelled_problem):
    """What the model says of the source is the truth there."""
    problem = labelled_problem()
    images = problem.package.normalizer.apply(problem.source.chips, problem.source.valid)
    labels = problem.forward.logits(torch.from_numpy(images)).argmax(dim=1).numpy().astype(np.uint8)
    return replace(problem, source=replace(problem.source, labels=labels))


@given(
    arrays(np.uint8, (2, 4, 4), elements=st.integers(0, 2)),
    arrays(np.uint8, (2, 4, 4), elements=st.sampled_from([0, 1, 2, 3, 255])),
)
def test_counts_of_chips_score_as_all_their_pixels_do(chosen, labels):
    counts = chip_counts(chosen, labels, MEMBERS)
    total = counts.sum(axis=0)
    assert total.sum() == (labels != 255).sum()
    both = (total.sum(axis=0) > 0) == (total.sum(axis=1) > 0)
    if both.all() and total.any():  # the other score also counts classes that only the map has
        assert iou_of(counts) == pytest.approx(mean_iou(chosen, labels, MEMBERS))


def test_the_model_as_it_was_gains_nothing_over_itself(known):
    rise = DressedGround(known, known.source, as_it_was(known)).rise(as_it_was(known))
    assert rise.gain == 0
    assert rise.p_value == 1
    assert unproven(rise, LIMITS) is not None


def test_curves_undo_the_dressing_by_themselves(known):
    """Which is why curves can not be proven by it: the look of any target would speak for them."""
    ours = band_quantiles(WindowSample(images=known.source.chips, valid=known.source.valid, places=()))
    curves = blended((), matching_curves(ours, band_quantiles(known.target), kind="cdf"), share=1.0)
    ground = DressedGround(known, known.source, as_it_was(known))
    assert ground.rise(replace(as_it_was(known), curves=curves)).after > 0.8


def test_the_least_of_all_looks_counts(known):
    ground = DressedGround(known, known.source, as_it_was(known))
    ground._before = [counts * 0 for counts in ground._before]
    rise = ground.rise(as_it_was(known))
    scores = [iou_of(ground._counts(look, as_it_was(known))) for look in ground._looks]
    assert rise.gain == pytest.approx(min(scores))


def chips(right, *, count=20, pixels=100):
    """Maps of two classes of which a share is right in each chip."""
    hits = np.round(pixels * np.broadcast_to(right, count))
    counts = np.zeros((count, 2, 2))
    counts[:, 0, 0] = counts[:, 1, 1] = hits
    counts[:, 0, 1] = counts[:, 1, 0] = pixels - hits
    return counts


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (chips(0.9), None),
        (chips(0.71), "a rise of less than 0.1"),
        (chips(0.5), "a rise of less than 0.1"),
        (chips(np.r_[np.full(18, 0.65), 1.0, 1.0]), "a rise of less than 0.1"),
    ],
)
def test_a_candidate_has_to_gain_clearly_where_labels_are(after, said):
    found = unproven(rise_of(chips(0.7), after, seed=0), LIMITS)
    assert (found is None) == (said is None)
    assert said is None or said in found


def test_a_gain_in_one_chip_alone_may_be_chance():
    after = chips(0.66)
    after[0] = 40 * chips(1.0, count=1)[0]
    before = chips(0.7)
    before[0] *= 40
    assert "may be chance" in unproven(rise_of(before, after, seed=0), LIMITS)


def test_what_is_said_names_the_numbers():
    told = unproven(Rise(before=0.5, after=0.52, p_value=0.0), LIMITS)
    assert "from 0.50 to 0.52" in told
