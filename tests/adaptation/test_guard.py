from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.adaptation.guard import LIMITS, Anchor, gain_of, judge
from geoseg.adaptation.selector import Sight
from geoseg.shift.consistency import Consistency

NAMES = ("water", "forest", "crop")
PIXELS = 3000
WINDOWS = 12


def consistency_of(shares, steadiness):
    """A class that fills a share of each window, of whose pixels a part is steady."""
    unions = np.tile(np.array(shares) * 1000.0, (WINDOWS, 1)) * np.linspace(0.8, 1.2, WINDOWS)[:, None]
    return Consistency(intersections=unions * steadiness, unions=unions)


def sight_of(classes, steadiness, *, confident=None):
    shares = np.bincount(classes, minlength=3) / len(classes)
    confident = np.arange(len(classes)) % 10 == 0 if confident is None else confident
    return Sight(
        consistency=consistency_of(shares, steadiness),
        classes=classes.astype(np.uint8),
        confident=confident,
        shares=shares,
    )


@pytest.fixture
def truth():
    return np.random.default_rng(1).choice(3, size=PIXELS, p=[0.2, 0.5, 0.3]).astype(np.uint8)


@pytest.fixture
def source(truth):
    """Right on two thirds of the pixels, and wherever it is most confident."""
    classes = truth.copy()
    wrong = np.arange(PIXELS) % 3 == 1
    confident = np.arange(PIXELS) % 9 == 0
    classes[wrong] = (classes[wrong] + 1) % 3
    return sight_of(classes, 0.6, confident=confident)


def anchor(sight, label="source"):
    return Anchor(family=label, sight=sight, priors=(sight.shares,))


def asked(sight, *anchors, scores=lambda: None):
    return judge(sight, anchors, scores, names=NAMES, seed=0)


def test_a_candidate_that_is_steadier_and_else_alike_passes(truth, source):
    finding = asked(sight_of(truth, 0.8), anchor(source))
    assert finding.refusal is None
    assert finding.gain == pytest.approx(0.2)
    assert finding.p_value == 0


def test_a_map_of_one_class_is_perfectly_steady_and_refused(source):
    collapsed = sight_of(np.ones(PIXELS, dtype=np.uint8), 1.0)
    finding = asked(collapsed, anchor(source))
    assert finding.gain > 0.3
    assert finding.refusal.startswith("class crop vanishes") or finding.refusal.startswith("class water vanishes")


def test_numbers_that_are_not_finite_are_refused(source):
    finding = asked(None, anchor(source))
    assert "not finite" in finding.refusal
    assert math.isnan(finding.gain)


def test_swapped_classes_are_refused_though_their_shares_are_the_same():
    """Two classes of the same share change names: only the confident pixels tell."""
    halves = np.random.default_rng(2).choice(3, size=PIXELS).astype(np.uint8)
    swapped = np.array([1, 0, 2], dtype=np.uint8)[halves]
    finding = asked(sight_of(swapped, 0.9), anchor(sight_of(halves, 0.6)))
    assert finding.refusal.startswith("it agrees on 29%")


def test_shares_far_from_those_expected_are_refused(truth, source):
    drifted = np.where(np.arange(PIXELS) % 20 == 0, truth, 0)
    drifted[source.confident] = source.classes[source.confident]
    confident = sight_of(drifted, 0.9)
    assert asked(confident, anchor(source)).refusal.startswith("its class shares drift by")


@pytest.mark.parametrize(("steadiness", "said"), [(0.605, "less than 0.01"), (0.5, "-0.100")])
def test_no_gain_is_no_reason_to_change(truth, source, steadiness, said):
    assert said in asked(sight_of(truth, steadiness), anchor(source)).refusal


def test_a_gain_in_one_window_alone_may_be_chance(truth, source):
    better = sight_of(truth, 0.6)
    intersections = better.consistency.intersections * 0.99
    intersections[3] = better.consistency.unions[3] * 1.0
    chance = Sight(
        consistency=Consistency(intersections=intersections, unions=better.consistency.unions),
        classes=better.classes,
        confident=better.confident,
        shares=better.shares,
    )
    finding = asked(chance, anchor(source))
    assert finding.gain > LIMITS.gain
    assert "may be chance" in finding.refusal


@pytest.mark.parametrize(("after", "passes"), [(0.70, True), (0.681, True), (0.67, False)])
def test_the_ground_of_the_source_is_not_forgotten(truth, source, after, passes):
    finding = asked(sight_of(truth, 0.8), anchor(source), scores=lambda: (0.7, after))
    assert (finding.refusal is None) == passes
    assert passes or "mean IoU on the source falls from 0.700 to 0.670" in finding.refusal


def test_the_source_is_scored_only_where_all_else_holds(source):
    def never():
        raise AssertionError

    assert asked(sight_of(np.ones(PIXELS, dtype=np.uint8), 1.0), anchor(source), scores=never).refusal


def test_under_another_sensor_a_good_candidate_is_near_corrected_statistics(truth):
    """The source maps nearly all as water, with confidence; matched bands tell the classes again."""
    lost = sight_of(np.where(np.arange(PIXELS) % 50 == 0, truth, 0).astype(np.uint8), 0.5)
    matched = sight_of(truth, 0.7)
    better = sight_of(np.where(np.arange(PIXELS) % 7 == 0, 1, truth).astype(np.uint8), 0.85)
    assert asked(better, anchor(lost)).refusal is not None
    assert asked(better, anchor(lost), anchor(matched, "match")).refusal is None


def test_collapse_is_refused_beside_corrected_statistics_too(truth, source):
    collapsed = sight_of(np.ones(PIXELS, dtype=np.uint8), 1.0)
    assert "vanishes" in asked(collapsed, anchor(source), anchor(sight_of(truth, 0.8), "match")).refusal


@given(st.integers(0, 1000))
def test_the_source_gains_nothing_over_itself(seed):
    same = consistency_of([0.2, 0.5, 0.3], 0.6)
    assert gain_of(same, same, draws=50, seed=seed) == (0, 1)


def test_the_bootstrap_estimates_the_share_of_all_draws_without_a_gain():
    rng = np.random.default_rng(4)
    unions = rng.uniform(50, 100, (4, 2))
    pair = [Consistency(intersections=unions * rng.uniform(0.4, 0.6, (4, 2)), unions=unions) for _ in range(2)]
    draws = [np.array(drawn) for drawn in itertools.product(range(4), repeat=4)]
    exact = np.mean([pair[0].of(drawn).iou <= pair[1].of(drawn).iou for drawn in draws])
    assert gain_of(*pair, draws=4000, seed=0)[1] == pytest.approx(exact, abs=0.03)
