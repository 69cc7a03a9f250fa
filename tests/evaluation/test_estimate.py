from __future__ import annotations

import json
import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import ConfigError, LabelError
from geoseg.evaluation.estimate import SampleCounts, estimate_accuracy

# Olofsson et al. (2014), tables 8 and 9: deforestation, forest gain, stable forest, stable non-forest.
PAPER = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
PAPER_PIXELS = [200_000, 150_000, 3_200_000, 6_450_000]
HECTARES = 0.09


def sample(counts, areas):
    ids = tuple(range(1, len(areas) + 1))
    return SampleCounts(
        class_ids=ids,
        class_names=tuple(f"class {id_}" for id_ in ids),
        counts=np.array(counts),
        areas=np.array(areas, dtype=float),
    )


@pytest.fixture(scope="module")
def paper():
    return estimate_accuracy(sample(PAPER, np.array(PAPER_PIXELS) * HECTARES))


def test_the_error_matrix_of_the_paper_comes_out_to_its_digits(paper):
    assert paper.proportions.round(4).tolist() == [
        [0.0176, 0.0, 0.0013, 0.0011],
        [0.0, 0.0110, 0.0016, 0.0024],
        [0.0019, 0.0, 0.2967, 0.0213],
        [0.0040, 0.0020, 0.0179, 0.6212],
    ]


def test_the_accuracies_of_the_paper_come_out_to_their_digits(paper):
    assert (paper.overall_accuracy.value.round(2), paper.overall_accuracy.margin.round(2)) == (0.95, 0.02)
    assert paper.users_accuracy.value.round(2).tolist() == [0.88, 0.73, 0.93, 0.96]
    assert paper.users_accuracy.margin.round(2).tolist() == [0.07, 0.10, 0.04, 0.02]
    assert paper.producers_accuracy.value.round(2).tolist() == [0.75, 0.85, 0.93, 0.96]
    assert paper.producers_accuracy.margin.round(2).tolist() == [0.21, 0.25, 0.03, 0.02]  # by its eq. 7


def test_the_areas_of_the_paper_come_out_to_their_digits(paper):
    assert round(paper.shares.standard_error[0], 4) == 0.0035
    assert round(paper.areas.value[0] / HECTARES) == 235_086
    assert paper.areas.value.round().tolist() == [21_158, 11_686, 285_770, 581_386]
    assert paper.areas.margin.round().tolist() == [6_158, 3_756, 15_510, 16_282]


def test_a_census_of_each_class_gives_back_the_truth():
    truth = np.array([[40, 10], [5, 45]])
    found = estimate_accuracy(sample(truth, truth.sum(axis=1)))
    assert found.overall_accuracy.value == pytest.approx(0.85)
    assert found.users_accuracy.value == pytest.approx([0.8, 0.9])
    assert found.producers_accuracy.value == pytest.approx([40 / 45, 45 / 55])
    assert found.areas.value == pytest.approx([45, 55])


def test_the_mean_over_many_samples_is_the_truth_and_intervals_hold_it_as_often_as_they_say():
    rng = np.random.default_rng(3)
    confusion, weights = np.array([[0.9, 0.06, 0.04], [0.1, 0.8, 0.1], [0.02, 0.08, 0.9]]), np.array([0.05, 0.25, 0.7])
    truth = weights @ confusion
    accuracy = weights @ np.diag(confusion)
    shares, overall, held = [], [], []
    for _ in range(600):
        counts = [rng.multinomial(points, row) for points, row in zip((50, 60, 90), confusion, strict=True)]
        found = estimate_accuracy(sample(counts, weights))
        shares.append(found.shares.value)
        overall.append(found.overall_accuracy.value)
        held.append((found.shares.lower <= truth) & (truth <= found.shares.upper))
    tolerance = 4 / math.sqrt(600)
    assert np.abs(np.mean(shares, axis=0) - truth).max() < tolerance * np.std(shares, axis=0).max()
    assert abs(np.mean(overall) - accuracy) < tolerance * np.std(overall)
    assert np.abs(np.mean(held, axis=0) - 0.95).max() < 0.04


def test_standard_errors_are_how_far_estimates_really_vary():
    rng = np.random.default_rng(5)
    confusion, weights = np.array([[0.85, 0.15], [0.1, 0.9]]), np.array([0.3, 0.7])
    runs = [estimate_accuracy(sample([rng.multinomial(200, row) for row in confusion], weights)) for _ in range(800)]
    for name in ("overall_accuracy", "users_accuracy", "producers_accuracy", "shares"):
        estimates = [getattr(run, name) for run in runs]
        spread = np.std([each.value for each in estimates], axis=0)
        assert np.mean([each.standard_error for each in estimates], axis=0) == pytest.approx(spread, rel=0.1)


@given(
    counts=st.integers(2, 5).flatmap(
        lambda classes: st.lists(
            st.lists(st.integers(0, 40), min_size=classes, max_size=classes), min_size=classes, max_size=classes
        )
    ),
    areas=st.lists(st.floats(0.1, 1e9), min_size=5, max_size=5),
)
def test_shares_sum_to_one_and_everything_lies_in_its_interval(counts, areas):
    counts = np.array(counts) + 2 * np.eye(len(counts), dtype=int)
    found = estimate_accuracy(sample(counts, areas[: len(counts)]))
    assert found.proportions.sum() == pytest.approx(1)
    assert found.proportions.sum(axis=1) == pytest.approx(found.mapped_areas / found.mapped_areas.sum())
    assert found.shares.value.sum() == pytest.approx(1)
    assert found.areas.value.sum() == pytest.approx(sum(areas[: len(counts)]))
    for each in (found.overall_accuracy, found.users_accuracy, found.producers_accuracy, found.shares, found.areas):
        assert (each.lower >= 0).all()
        assert (each.lower <= each.value + 1e-9 * each.limit).all()
        assert (each.value <= each.upper + 1e-9 * each.limit).all()
        assert (each.upper <= each.limit).all()


def test_drawing_more_points_of_one_class_changes_no_estimate():
    few, many = sample([[8, 2], [1, 9]], [1, 3]), sample([[80, 20], [1, 9]], [1, 3])
    assert estimate_accuracy(few).shares.value == pytest.approx(estimate_accuracy(many).shares.value)


def test_a_class_that_is_never_mapped_has_an_area_and_no_users_accuracy():
    found = estimate_accuracy(sample([[8, 2], [0, 0]], [100, 0]))
    assert found.areas.value == pytest.approx([80, 20])
    assert math.isnan(found.users_accuracy.value[1])
    assert found.producers_accuracy.value.tolist() == [1, 0]
    assert np.isfinite(found.areas.margin).all()


def test_a_class_that_is_never_true_has_no_producers_accuracy():
    found = estimate_accuracy(sample([[8, 0], [4, 0]], [50, 50]))
    assert math.isnan(found.producers_accuracy.value[1])
    assert found.areas.value.tolist() == [100, 0]


def test_one_point_of_a_class_leaves_estimates_without_error_and_says_so(caplog):
    with caplog.at_level(logging.WARNING, logger="geoseg"):
        found = estimate_accuracy(sample([[9, 1], [0, 1]], [50, 50]))
    assert "one labelled point in class 2" in caplog.text
    assert found.users_accuracy.value[1] == 1
    assert math.isnan(found.users_accuracy.margin[1])
    assert math.isfinite(found.users_accuracy.margin[0])
    assert math.isnan(found.overall_accuracy.margin)


def test_the_json_form_survives_strict_json_with_undefined_numbers_as_null():
    text = json.dumps(estimate_accuracy(sample([[8, 2], [0, 0]], [100, 0])).as_json(), allow_nan=False)
    back = json.loads(text)
    assert back["points"] == 10
    assert back["overall_accuracy"]["value"] == pytest.approx(0.8)
    assert back["classes"][1]["users_accuracy"]["value"] is None
    assert back["classes"][1]["area"]["value"] == pytest.approx(20)
    assert back["counts"] == [[8, 2], [0, 0]]


def test_a_mapped_class_without_points_is_one_clear_line():
    with pytest.raises(LabelError, match=r"'class 2' covers 25.00% of the map and has no labelled point") as caught:
        sample([[8, 2], [0, 0]], [75, 25])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("counts", "areas"), [([[1, 2]], [1, 1]), ([[1, -1], [1, 1]], [1, 1]), ([[1, 1], [1, 1]], [1, 0])]
)
def test_counts_that_cannot_be_are_refused(counts, areas):
    with pytest.raises(ValueError, match="class"):
        sample(counts, areas)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_confidence_level_that_is_no_share_is_one_clear_line(level):
    with pytest.raises(ConfigError, match="between 0 and 1"):
        estimate_accuracy(sample(PAPER, PAPER_PIXELS), confidence_level=level)


def test_a_higher_confidence_level_has_wider_intervals(paper):
    wider = estimate_accuracy(sample(PAPER, PAPER_PIXELS), confidence_level=0.99)
    assert (wider.users_accuracy.margin > paper.users_accuracy.margin).all()
