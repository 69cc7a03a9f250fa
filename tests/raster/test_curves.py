"""Band curves rise, keep what is absent absent, and are the same in numpy and on a device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import ModelError
from geoseg.inference.curves import TorchCurves
from geoseg.raster.curves import BandCurve
from geoseg.raster.normalize import Normalizer

CPU = torch.device("cpu")


@st.composite
def band_curves(draw):
    size = draw(st.integers(2, 12))
    steps = st.lists(st.integers(1, 50), min_size=size, max_size=size)
    rises = st.lists(st.integers(0, 50), min_size=size, max_size=size)
    knots = np.cumsum(draw(steps)) / 50 - draw(st.integers(0, 3))
    values = np.cumsum(draw(rises)) / 50
    return BandCurve(knots=tuple(knots.tolist()), values=tuple(values.tolist()))


@given(curve=band_curves(), seed=st.integers(0, 1000))
def test_a_curve_keeps_the_order_and_the_ends(curve, seed):
    numbers = np.sort(np.random.default_rng(seed).normal(0, 3, 200)).astype(np.float32)
    found = curve(numbers)
    assert (np.diff(found) >= -1e-6).all()
    assert found.min() >= np.float32(curve.values[0])
    assert found.max() <= np.float32(curve.values[-1])


@given(curve=band_curves(), scale=st.sampled_from([1.0, 1 / 255, 1e-4]), seed=st.integers(0, 1000))
def test_the_device_gives_what_numpy_gives(curve, scale, seed):
    numbers = np.random.default_rng(seed).integers(0, 2**15, (2, 3, 8, 8)).astype(np.float32)
    expected = curve((numbers * np.float32(scale)).astype(np.float32))
    found = TorchCurves([curve] * 3, scale, CPU)(torch.from_numpy(numbers)).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_an_absent_band_stays_absent_and_becomes_the_mean():
    curve = BandCurve(knots=(0.0, 1.0), values=(0.5, 0.7))
    normalizer = Normalizer(scales={"uint8": 1.0}, mean=(0.2,), std=(0.1,), curves=(curve,))
    scaled = np.array([[[np.nan, 0.0], [1.0, 9.0]]], dtype=np.float32)
    seen = normalizer.apply(scaled, np.array([[True, True], [True, False]]))
    np.testing.assert_allclose(seen, [[[0.0, 3.0], [5.0, 0.0]]], rtol=1e-5)


@pytest.mark.parametrize(
    ("knots", "values", "words"),
    [
        ((0.0, 0.0), (0.0, 1.0), "must rise"),
        ((0.0, 1.0), (1.0, 0.0), "must not fall"),
        ((0.0,), (1.0,), "2 to 1024 knots"),
        ((0.0, float("nan")), (0.0, 1.0), "finite"),
        ((0.0, 1.0), (0.0, 1.0, 2.0), "a value each"),
    ],
)
def test_an_impossible_curve_is_refused(knots, values, words):
    with pytest.raises(ModelError, match=words):
        BandCurve(knots=knots, values=values)


def test_a_normaliser_has_a_curve_for_each_band_or_none():
    curve = BandCurve(knots=(0.0, 1.0), values=(0.0, 1.0))
    with pytest.raises(ModelError, match="2 bands need as many curves or none, got 1"):
        Normalizer(scales={"uint8": 1.0}, mean=(0.2, 0.3), std=(0.1, 0.1), curves=(curve,))
