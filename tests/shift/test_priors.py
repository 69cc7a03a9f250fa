"""Shares of classes are found where they differ from the reference's, whatever the model's usual errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import distance
from scipy.special import softmax

from geoseg.shift.priors import corrected_prior, jensen_shannon, likeliest_prior

CLASSES = 4
CENTRES = np.random.default_rng(5).normal(0, 1.5, (CLASSES, 3))

shares = st.lists(st.floats(0.001, 1), min_size=CLASSES, max_size=CLASSES).map(
    lambda found: np.array(found) / sum(found)
)


def pixels(prior, seed, *, count=20_000):
    """Numbers of pixels with classes by a prior."""
    rng = np.random.default_rng(seed)
    classes = rng.choice(CLASSES, count, p=prior)
    return CENTRES[classes] + rng.normal(size=(count, 3)), classes


def probabilities(numbers, prior, temperature=1.0):
    """What a model says that knows the classes and was trained on ground with a prior."""
    squares = ((numbers[:, None] - CENTRES) ** 2).sum(axis=-1)
    return softmax((np.log(prior) - squares / 2) / temperature, axis=1)


def confusion_of(prior, temperature=1.0):
    numbers, classes = pixels(prior, seed=1)
    counts = np.zeros((CLASSES, CLASSES))
    np.add.at(counts, (classes, probabilities(numbers, prior, temperature).argmax(axis=1)), 1)
    return counts


def predicted_shares(found):
    return np.bincount(found.argmax(axis=1), minlength=CLASSES) / len(found)


@given(known=shares, target=shares, temperature=st.sampled_from([0.5, 1.0, 2.0]), seed=st.integers(2, 99))
def test_predicted_shares_are_corrected_whatever_the_calibration(known, target, temperature, seed):
    known, target = 0.7 * known + 0.3 / CLASSES, 0.95 * target + 0.05 / CLASSES
    numbers, classes = pixels(target, seed)
    found = probabilities(numbers, known, temperature)
    true = np.bincount(classes, minlength=CLASSES) / len(classes)
    corrected = corrected_prior(predicted_shares(found), confusion_of(known, temperature))
    assert np.abs(corrected - true).sum() < 0.2
    assert np.abs(corrected - true).sum() < np.abs(predicted_shares(found) - true).sum() + 0.1


@given(known=shares, target=shares, seed=st.integers(2, 99))
def test_the_likeliest_prior_is_the_true_one_where_confidences_are_right(known, target, seed):
    known = 0.7 * known + 0.3 / CLASSES
    numbers, classes = pixels(target, seed)
    true = np.bincount(classes, minlength=CLASSES) / len(classes)
    found = likeliest_prior(probabilities(numbers, known), known)
    assert np.abs(found - true).sum() < 0.06


@given(known=shares, order=st.permutations(range(CLASSES)))
def test_both_know_no_order_of_the_classes(known, order):
    numbers, _ = pixels(known, 3, count=500)
    found, confusion = probabilities(numbers, known), confusion_of(known)
    turned = corrected_prior(predicted_shares(found)[order], confusion[np.ix_(order, order)])
    np.testing.assert_allclose(turned, corrected_prior(predicted_shares(found), confusion)[order], atol=1e-8)
    turned = likeliest_prior(found[:, order], known[order])
    np.testing.assert_allclose(turned, likeliest_prior(found, known)[order], atol=1e-6)


@given(known=shares)
def test_a_perfect_model_is_believed(known):
    np.testing.assert_allclose(corrected_prior(known, np.diag([9.0, 5.0, 3.0, 1.0])), known, atol=1e-9)


def test_a_class_that_the_reference_lacks_is_taken_as_predicted():
    confusion = np.diag([10.0, 10.0, 0.0, 0.0])
    np.testing.assert_allclose(
        corrected_prior(np.array([0.5, 0.2, 0.3, 0.0]), confusion), [0.5, 0.2, 0.3, 0], atol=1e-9
    )
    known = np.array([0.5, 0.5, 0.0, 0.0])
    found = likeliest_prior(np.tile([0.1, 0.1, 0.8, 0.0], (50, 1)), known)
    assert np.isfinite(found).all()
    assert found.sum() == pytest.approx(1)
    assert found.argmax() == 2


def test_many_pixels_are_thinned_to_the_same_answer():
    prior = np.array([0.1, 0.2, 0.3, 0.4])
    numbers, _ = pixels(prior, 0, count=120_000)
    found = probabilities(numbers, np.full(CLASSES, 0.25))
    np.testing.assert_allclose(likeliest_prior(found, np.full(CLASSES, 0.25)), prior, atol=0.02)


@given(first=shares, second=shares)
def test_the_divergence_is_scipys(first, second):
    assert jensen_shannon(first, second) == pytest.approx(distance.jensenshannon(first, second, base=2) ** 2, abs=1e-9)


def test_the_divergence_goes_from_0_to_1():
    assert jensen_shannon(np.array([0.0, 3.0]), np.array([0.0, 1.0])) == 0
    assert jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1
