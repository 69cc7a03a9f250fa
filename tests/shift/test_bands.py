"""Distances of bands agree with SciPy's; curves undo what a sensor did and keep the order of the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from geoseg.shift.bands import LEVELS, band_distances, band_quantiles, matching_curves
from geoseg.shift.windows import Place, WindowSample
from geoseg.window import Window

SIDE = 32
SHAPES = ("normal", "gamma", "two peaks", "digital")
shapes = st.sampled_from(SHAPES)
seeds = st.integers(0, 1000)


def sample_of(*bands, valid=None):
    """A sample with these numbers in its bands."""
    images = np.stack([band.reshape(-1, SIDE, SIDE) for band in bands], axis=1).astype(np.float32)
    places = tuple(
        Place(scene=0, window=Window(row=0, col=number * SIDE, height=SIDE, width=SIDE))
        for number in range(len(images))
    )
    usable = np.ones((len(images), SIDE, SIDE), dtype=np.bool_) if valid is None else valid
    return WindowSample(images=images, valid=usable, places=places)


def draw(shape, seed, windows=8):
    rng = np.random.default_rng(seed)
    size = windows * SIDE * SIDE
    if shape == "normal":
        return rng.normal(0.3, 0.1, size)
    if shape == "gamma":
        return rng.gamma(2.0, 0.05, size)
    if shape == "two peaks":
        return np.concatenate([rng.normal(0.1, 0.02, size // 2), rng.normal(0.6, 0.1, size - size // 2)])
    return rng.integers(20, 60, size) / 255


def quantiles_of(*bands):
    return band_quantiles(sample_of(*bands))


def test_levels_rise_from_0_to_1_and_lie_closer_at_the_ends():
    steps = np.diff(LEVELS)
    assert (LEVELS[0], LEVELS[-1]) == (0.0, 1.0)
    assert (steps > 0).all()
    assert steps[0] < steps[len(steps) // 2] / 20


@given(shape=shapes, seed=seeds)
def test_quantiles_are_numpys(shape, seed):
    numbers = draw(shape, seed).astype(np.float32)
    np.testing.assert_allclose(quantiles_of(numbers)[0], np.quantile(numbers, LEVELS), atol=1e-6)


def test_only_valid_pixels_count_and_an_absent_band_is_nan():
    numbers = draw("normal", 0)
    valid = np.random.default_rng(1).random((8, SIDE, SIDE)) < 0.5
    spoiled = np.where(valid.ravel(), numbers, 1e6)
    found = band_quantiles(sample_of(spoiled, np.full(len(numbers), np.nan), valid=valid))
    expected = np.quantile(numbers[valid.ravel()].astype(np.float32), LEVELS)
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
    assert np.isnan(found[1]).all()


@given(seed=seeds)
def test_the_order_of_the_windows_does_not_matter(seed):
    sample = sample_of(draw("gamma", seed), draw("digital", seed))
    mixed = sample.part(np.random.default_rng(seed).permutation(len(sample)))
    assert band_quantiles(sample).tobytes() == band_quantiles(mixed).tobytes()


def test_a_large_sample_is_thinned(monkeypatch):
    numbers = draw("gamma", 3)
    whole = quantiles_of(numbers)
    monkeypatch.setattr("geoseg.shift.bands._MOST_PIXELS", len(numbers) // 4)
    thinned = quantiles_of(numbers)
    assert not np.array_equal(thinned, whole)
    assert band_distances(whole, thinned)[0] < 0.1


@given(first=shapes, second=shapes, seed=seeds)
def test_distances_are_scipys_over_the_spread(first, second, seed):
    reference, target = draw(first, seed), draw(second, seed + 1)
    found = band_distances(quantiles_of(reference), quantiles_of(target))[0]
    low, high = np.quantile(reference, (0.05, 0.95))
    expected = stats.wasserstein_distance(reference, target) / ((high - low) / (2 * stats.norm.ppf(0.95)))
    assert found == pytest.approx(expected, rel=0.06, abs=0.01)  # a step of digital numbers is 3 % of their spread


def test_a_shift_by_the_spread_is_one_and_a_lost_band_is_nan():
    numbers = np.random.default_rng(0).normal(0, 0.1, 8 * SIDE * SIDE)
    reference, target = quantiles_of(numbers, numbers), quantiles_of(numbers + 0.1, np.full(len(numbers), np.nan))
    found = band_distances(reference, target)
    assert found[0] == pytest.approx(1, abs=0.02)
    assert np.isnan(found[1])


@pytest.mark.parametrize("kind", ["cdf", "moments"])
@given(shape=shapes, seed=seeds)
def test_a_sample_matched_to_itself_stays_as_it_is(kind, shape, seed):
    numbers = draw(shape, seed)
    (curve,) = matching_curves(*[quantiles_of(numbers)] * 2, kind=kind)
    np.testing.assert_allclose(curve(numbers), numbers, atol=2e-6)


@pytest.mark.parametrize("kind", ["cdf", "moments"])
@given(shape=shapes, gain=st.floats(0.2, 5), bias=st.floats(-0.5, 0.5), seed=seeds)
def test_a_gain_and_a_bias_are_undone(kind, shape, gain, bias, seed):
    numbers = draw(shape, seed)
    seen = numbers * gain + bias
    (curve,) = matching_curves(quantiles_of(numbers), quantiles_of(seen), kind=kind)
    np.testing.assert_allclose(curve(seen), numbers, atol=2e-4 * np.ptp(numbers) + 2e-6)


@given(first=shapes, second=st.sampled_from(["normal", "gamma", "two peaks"]), seed=seeds)
def test_matched_quantiles_agree(first, second, seed):
    reference, target = draw(first, seed), draw(second, seed + 1)
    (curve,) = matching_curves(quantiles_of(reference), quantiles_of(target), kind="cdf")
    inner = (LEVELS > 0.006) & (LEVELS < 0.994)
    found, wanted = (quantiles_of(numbers)[0, inner] for numbers in (curve(target), reference))
    assert np.abs(found - wanted).mean() < 1e-3 * np.ptp(reference)  # between two peaks a single one may be far off


@pytest.mark.parametrize("kind", ["cdf", "moments"])
@given(first=shapes, second=shapes, seed=seeds)
def test_order_is_kept_also_far_outside(kind, first, second, seed):
    (curve,) = matching_curves(quantiles_of(draw(first, seed)), quantiles_of(draw(second, seed + 1)), kind=kind)
    numbers = np.linspace(-10, 10, 4001)
    assert (np.diff(curve(numbers)) >= 0).all()
    assert len(curve.knots) == len(set(np.array(curve.knots, dtype=np.float32).tolist()))


def test_beyond_its_ends_a_curve_goes_on_before_it_stops():
    numbers = draw("normal", 0)
    (curve,) = matching_curves(quantiles_of(numbers), quantiles_of(numbers * 2), kind="cdf")
    assert curve(np.array([1.6], dtype=np.float32))[0] == pytest.approx(0.8, abs=0.01)
    assert curve(np.array([1e6], dtype=np.float32))[0] == curve(np.array([1e7], dtype=np.float32))[0]


@pytest.mark.parametrize("kind", ["cdf", "moments"])
def test_a_band_that_one_side_lacks_is_left_alone(kind):
    numbers, lost = draw("gamma", 0), np.full(8 * SIDE * SIDE, np.nan)
    reference, target = quantiles_of(numbers, lost, lost), quantiles_of(lost, numbers, lost)
    curves = matching_curves(reference, target, kind=kind)
    for curve in curves:
        np.testing.assert_allclose(curve(numbers.astype(np.float32)), numbers, atol=1e-6)


@pytest.mark.parametrize("kind", ["cdf", "moments"])
@pytest.mark.parametrize(("wanted", "found"), [(0.5, 0.2), (0.0, 3000.0), (1e4, 0.0)])
def test_constant_bands_are_moved_to_one_another(kind, wanted, found):
    size = 8 * SIDE * SIDE
    reference, target = quantiles_of(np.full(size, wanted)), quantiles_of(np.full(size, found))
    (curve,) = matching_curves(reference, target, kind=kind)
    assert curve(np.array([found], dtype=np.float32))[0] == pytest.approx(wanted, rel=1e-6, abs=1e-5)
