"""Bands of another sensor, found from how they go together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from geoseg.adaptation.assignment import BROKEN, BandStatistics, _misfits, find_assignment, mixing_of
from geoseg.shift.bands import LEVELS, band_correlations, band_quantiles
from geoseg.shift.windows import WindowSample

SPECTRA = {
    "blue": (0.08, 0.04, (1.0, 0.0)),
    "green": (0.11, 0.05, (0.95, 0.15)),
    "red": (0.14, 0.06, (0.95, -0.25)),
    "nir": (0.35, 0.09, (0.1, 1.0)),
}
"""Mean, deviation, and what of two hidden causes, soil and plants, a band shows."""


def ground(names, *, seed=0, gain=1.0, pixels=20_000):
    """Windows of one sensor: (1, bands, 1, pixels)."""
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(2, pixels))
    bands = []
    for name in names:
        mean, deviation, mixture = SPECTRA[name]
        seen = np.array(mixture) @ causes / np.linalg.norm(mixture) + 0.15 * rng.normal(size=pixels)
        bands.append(gain * (mean + deviation * seen / 1.01))
    images = np.stack(bands)[None, :, None, :].astype(np.float32)
    return WindowSample(images=images, valid=np.ones((1, 1, pixels), dtype=np.bool_), places=())


def statistics(names, **how):
    sample = ground(names, **how)
    return BandStatistics(quantiles=band_quantiles(sample), correlations=band_correlations(sample))


def found(known, target, **how):
    return find_assignment(statistics(known), statistics(target, seed=1, **how), stds=np.ones(len(known)))


@given(gain=st.floats(0.6, 1.5), seed=st.integers(1, 10**6))
@settings(max_examples=20, deadline=None)
def test_bands_of_the_same_sensor_stay_where_they_are(gain, seed):
    bands = ("blue", "green", "red", "nir")
    target = statistics(bands, seed=seed, gain=gain)
    assert find_assignment(statistics(bands), target, stds=np.ones(4)) is None


@given(bends=st.lists(st.floats(0.6, 1.6), min_size=3, max_size=3), seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_bands_that_other_light_bends_stay_where_they_are(bends, seed):
    sample = ground(("red", "green", "blue"), seed=seed)
    bent = np.abs(sample.images) ** np.array(bends)[None, :, None, None]
    sample = WindowSample(images=bent.astype(np.float32), valid=sample.valid, places=())
    target = BandStatistics(quantiles=band_quantiles(sample), correlations=band_correlations(sample))
    assert find_assignment(statistics(("red", "green", "blue")), target, stds=np.ones(3)) is None


def test_near_infrared_in_front_of_red_and_green_is_told():
    told = found(("red", "green", "blue"), ("nir", "red", "green"))
    assert told is not None
    assert told.places == (1, 2, None)
    assert told.told(("red", "green", "blue")) == "red = band 2, green = band 3, blue = estimated"


@pytest.mark.parametrize("target", [("nir", "blue", "green", "red"), ("nir", "red", "green", "blue")])
def test_near_infrared_that_lies_first_is_found_though_every_band_is_there(target):
    known = ("blue", "green", "red", "nir")
    told = found(known, target)
    assert told is not None
    assert told.places[3] == 0
    assert None not in told.places
    np.testing.assert_array_equal(told.mixing.sum(axis=0), 1)


@given(order=st.permutations(range(3)), light=st.floats(0.8, 1.2))
@settings(max_examples=12, deadline=None)
def test_whatever_is_found_brings_near_infrared_to_no_visible_band(order, light):
    names = [("nir", "red", "green")[place] for place in order]
    told = found(("red", "green", "blue"), names, gain=light)
    assert told is not None
    assert names.index("nir") not in told.places


def test_nothing_is_found_in_bands_of_another_world():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(1, 3, 1, 5000)).astype(np.float32)
    sample = WindowSample(images=images, valid=np.ones((1, 1, 5000), dtype=np.bool_), places=())
    noise = BandStatistics(quantiles=band_quantiles(sample), correlations=band_correlations(sample))
    assert find_assignment(statistics(("red", "green", "blue")), noise, stds=np.ones(3)) is None


@pytest.mark.parametrize("change", ["constant", "absent"])
def test_a_band_without_numbers_forbids_every_assignment(change):
    target = statistics(("nir", "red", "green"))
    quantiles, correlations = target.quantiles.copy(), target.correlations.copy()
    correlations[0] = correlations[:, 0] = np.nan
    quantiles[0] = np.nan if change == "absent" else 0.3
    told = find_assignment(
        statistics(("red", "green", "blue")),
        BandStatistics(quantiles=quantiles, correlations=correlations),
        stds=np.ones(3),
    )
    assert told is None


def test_an_estimated_band_is_the_regression_on_the_others():
    rng = np.random.default_rng(3)
    pixels = rng.normal(size=(3, 3)) @ rng.normal(size=(3, 4000))
    pixels -= pixels.mean(axis=1, keepdims=True)
    deviations = pixels.std(axis=1)
    wanted, *_ = np.linalg.lstsq(pixels[:2].T, pixels[2], rcond=None)
    mixing = mixing_of((1, 2, None), np.corrcoef(pixels), deviations)
    np.testing.assert_allclose(mixing[2], [0, *wanted], atol=1e-6)
    np.testing.assert_array_equal(mixing[:2], [[0, 1, 0], [0, 0, 1]])


def test_the_misfit_is_the_distance_of_two_normal_distributions():
    rng = np.random.default_rng(4)
    one, other = (np.corrcoef(rng.normal(size=(3, 3)) @ rng.normal(size=(3, 500))) for _ in range(2))
    target = BandStatistics(quantiles=np.zeros((3, len(LEVELS))), correlations=other)
    mixing = mixing_of((2, 0, None), one)
    mixed = mixing @ other @ mixing.T
    root = np.real(sqrtm(one))
    wanted = np.trace(one + mixed - 2 * np.real(sqrtm(root @ mixed @ root + 1e-12 * np.eye(3)))) / 3
    assert _misfits(one, [mixing], target)[0] == pytest.approx(wanted, abs=1e-4)


def test_the_limit_lies_between_seasons_and_sensors():
    same = statistics(("red", "green", "blue"))
    other = statistics(("nir", "red", "green"))
    as_it_stands = [np.eye(3)]
    assert _misfits(same.correlations, as_it_stands, same)[0] < 1e-6
    assert _misfits(same.correlations, as_it_stands, other)[0] > BROKEN
