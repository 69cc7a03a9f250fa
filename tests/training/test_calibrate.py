import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.models.calibration import Calibration
from geoseg.training.calibrate import (
    calibrated_logits,
    expected_calibration_error,
    fit_calibration,
    fit_temperature,
    fit_vector_scaling,
    mean_surprise,
    thin_out,
)


def honest_pixels(pixels, classes=4, seed=0):
    """Logits whose softmax says how probable each label is, and such labels."""
    rng = np.random.default_rng(seed)
    honest = rng.normal(0, 1.5, (pixels, classes))
    shares = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    return honest, (shares.cumsum(axis=1) < rng.random((pixels, 1))).sum(axis=1).clip(max=classes - 1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_of_overconfident_logits_is_found(temperature):
    honest, labels = honest_pixels(20_000)
    assert fit_temperature(honest * temperature, labels) == pytest.approx(temperature, rel=0.08)


def test_no_pixels_leave_the_temperature_at_one():
    assert fit_temperature(*thin_out([], ignored=255)) == 1


def test_only_known_pixels_are_kept_with_their_own_logits():
    labels = np.random.default_rng(1).integers(0, 3, (10, 12)).astype(np.uint8)
    labels[::2] = 255
    logits = np.stack([labels, labels + 1.0, labels + 2.0]).astype(np.float32)
    kept, at = thin_out([(logits, labels), (logits, labels)], ignored=255, every=7)
    assert len(kept) == len(at) == 2 * len(range(0, 60, 7))
    assert (at < 255).all()
    assert np.array_equal(kept[:, 0], at)


MEMBERS = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0], [0, 1, 1, 1]], dtype=bool)
PLANTED = Calibration(scale=(0.5, 1.0, 2.0, 1.2), bias=(1.0, -0.5, 0.0, -0.5))
logits_and_codes = st.integers(0, 2**32).map(
    lambda seed: (
        np.random.default_rng(seed).normal(0, 3, (60, 4)).astype(np.float32),
        np.random.default_rng(seed + 1).integers(0, len(MEMBERS), 60),
    )
)


def uncalibrated(honest, planted):
    """The logits that the planted calibration makes honest."""
    return (honest - np.array(planted.bias)) / np.array(planted.scale)


def surprise_by_hand(logits, labels, calibration, members):
    total = 0.0
    for pixel, label in zip(logits.astype(float), labels, strict=True):
        filled = calibration.filled(len(pixel))
        odds = [
            np.exp((value * scale + bias) / filled.temperature)
            for value, scale, bias in zip(pixel, filled.scale, filled.bias, strict=True)
        ]
        total -= np.log(sum(odd for odd, member in zip(odds, members[label], strict=True) if member) / sum(odds))
    return total / len(labels)


@given(logits_and_codes)
def test_the_surprise_is_that_of_the_sum_over_the_classes_left_open(pixels):
    logits, codes = pixels
    expected = surprise_by_hand(logits, codes, PLANTED, MEMBERS)
    assert mean_surprise(logits, codes, PLANTED, MEMBERS) == pytest.approx(expected, rel=1e-9)


@given(logits_and_codes)
def test_no_temperature_of_many_is_better_than_the_one_found(pixels):
    logits, codes = pixels
    found = Calibration(temperature=fit_temperature(logits, codes, MEMBERS))
    tried = [Calibration(temperature=float(np.exp(step))) for step in np.linspace(-2, 2, 41)]
    best = min(mean_surprise(logits, codes, one, MEMBERS) for one in tried)
    assert mean_surprise(logits, codes, found, MEMBERS) <= best + 1e-4


@given(logits_and_codes)
def test_on_the_pixels_of_the_fit_vectors_are_never_worse_than_the_temperature(pixels):
    logits, codes = pixels
    temperature = Calibration(temperature=fit_temperature(logits, codes, MEMBERS))
    vectors = fit_vector_scaling(logits, codes, MEMBERS)
    assert mean_surprise(logits, codes, vectors, MEMBERS) <= mean_surprise(logits, codes, temperature, MEMBERS) + 1e-12


@given(logits_and_codes)
def test_labels_of_one_class_need_no_members(pixels):
    logits, codes = pixels
    single = codes % 4
    assert fit_temperature(logits, single) == fit_temperature(logits, single, MEMBERS)
    assert fit_vector_scaling(logits, single) == fit_vector_scaling(logits, single, MEMBERS)


def test_a_planted_scaling_is_found():
    honest, labels = honest_pixels(20_000)
    found = fit_vector_scaling(uncalibrated(honest, PLANTED), labels)
    scale = np.array(found.scale) / found.temperature
    bias = np.array(found.bias) / found.temperature
    assert scale == pytest.approx(PLANTED.scale, rel=0.1)
    assert bias - bias.mean() == pytest.approx(np.array(PLANTED.bias) - np.mean(PLANTED.bias), abs=0.1)


@pytest.mark.parametrize("step", [-0.05, 0.05])
@pytest.mark.parametrize("place", range(8))
def test_no_number_beside_the_one_found_is_better(place, step):
    honest, labels = honest_pixels(1_000)
    logits = uncalibrated(honest, PLANTED)
    found = fit_vector_scaling(logits, labels)
    numbers = np.array([*np.log(found.scale), *found.bias])
    numbers[place] += step
    beside = Calibration(
        temperature=found.temperature, scale=tuple(np.exp(numbers[:4]).tolist()), bias=tuple(numbers[4:].tolist())
    )
    assert mean_surprise(logits, labels, beside) > mean_surprise(logits, labels, found) - 1e-5


def test_a_planted_scaling_is_found_from_labels_that_leave_classes_open():
    honest, labels = honest_pixels(20_000)
    open_labels = np.where((labels < 2) & (np.arange(len(labels)) % 2 == 0), 4, labels)
    logits = uncalibrated(honest, PLANTED)
    found = calibrated_logits(logits, fit_vector_scaling(logits, open_labels, MEMBERS))
    gap = (found - found.mean(axis=1, keepdims=True)) - (honest - honest.mean(axis=1, keepdims=True))
    assert np.abs(gap).mean() < 0.2


def test_a_class_that_no_label_names_is_left_alone():
    honest, labels = honest_pixels(2_000)
    known = labels != 3
    found = fit_vector_scaling(uncalibrated(honest, PLANTED)[known], labels[known])
    assert (found.scale[3], found.bias[3]) == (1.0, 0.0)
    assert 0.0 not in found.bias[:3]


def test_vectors_are_taken_only_where_they_help_pixels_held_back():
    honest, labels = honest_pixels(4_000)
    assert not fit_calibration(honest * 1.8, labels).is_vector
    assert fit_calibration(honest * 1.8, labels).temperature == pytest.approx(1.8, rel=0.1)
    assert fit_calibration(uncalibrated(honest, PLANTED), labels).is_vector


@pytest.mark.parametrize("pixels", [0, 1, 19, 20, 21])
def test_few_pixels_give_some_calibration(pixels):
    honest, labels = honest_pixels(pixels)
    fit_calibration(honest, labels).filled(4)
    fit_vector_scaling(honest, labels).filled(4)


def test_no_pixels_leave_everything_as_it_is():
    assert fit_calibration(*thin_out([], ignored=255)) == Calibration()
    assert fit_vector_scaling(*thin_out([], ignored=255)) == Calibration()


@given(
    pixels=st.lists(st.tuples(st.integers(0, 64).map(lambda part: part / 64), st.booleans()), min_size=1, max_size=30),
    bins=st.integers(1, 8).map(lambda power: 2**power),
)
def test_the_calibration_error_is_that_of_a_plain_loop(pixels, bins):
    total = 0.0
    for index in range(bins):
        lower, upper = index / bins, (index + 1) / bins
        inside = [pixel for pixel in pixels if lower < pixel[0] <= upper or (index == 0 and pixel[0] == 0)]
        total += abs(sum(confidence - correct for confidence, correct in inside))
    confidence, correct = (np.array(values) for values in zip(*pixels, strict=True))
    found = expected_calibration_error(confidence, correct, bins=bins)
    assert found == pytest.approx(total / len(pixels), abs=1e-12)


def test_calibration_lowers_the_calibration_error():
    honest, labels = honest_pixels(10_000)
    logits = uncalibrated(honest, PLANTED)

    def error(calibration):
        shares = np.exp(calibrated_logits(logits, calibration))
        shares /= shares.sum(axis=1, keepdims=True)
        return expected_calibration_error(shares.max(axis=1), shares.argmax(axis=1) == labels)

    assert error(fit_calibration(logits, labels)) < 0.02 < error(Calibration())


def test_the_calibration_error_of_nothing_is_unknown():
    assert np.isnan(expected_calibration_error(np.zeros(0), np.zeros(0, dtype=bool)))
