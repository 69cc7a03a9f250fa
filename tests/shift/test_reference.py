"""The reference statistics of some ground are what a look at all its pixels says, and come out the same each time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoseg.errors import ModelError
from geoseg.models.package import load_package
from geoseg.models.reference import AccuracyFit, reference_from_bytes, reference_to_bytes
from geoseg.shift.bands import band_quantiles
from geoseg.shift.forward import Forward
from geoseg.shift.moments import measure_moments
from geoseg.shift.reference import measure_reference
from geoseg.shift.windows import Place, WindowSample
from geoseg.window import Window

SIDE = 32
MEMBERS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]], dtype=np.bool_)


@pytest.fixture(scope="module")
def package(tiny_model):
    return load_package(tiny_model)


@pytest.fixture(scope="module")
def forward(package):
    return Forward(network=package.network)


@pytest.fixture(autouse=True)
def quick_fit(monkeypatch):
    """The fit of the accuracy has tests of its own."""

    def fit(*_):
        return AccuracyFit(names=("consistency",), weights=np.ones(2), error=0.1, points=np.ones((4, 2)))

    monkeypatch.setattr("geoseg.shift.reference.fit_accuracy", fit)


def ground(count=10, *, codes=3, scenes=2, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.random((count, 3, SIDE, SIDE), dtype=np.float32)
    images += rng.random((count, 3, 1, 1), dtype=np.float32)
    valid = rng.random((count, SIDE, SIDE)) < 0.9
    labels = rng.integers(0, codes, (count, SIDE, SIDE)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.2] = 255
    places = tuple(
        Place(scene=number * scenes // count, window=Window(row=0, col=number * SIDE, height=SIDE, width=SIDE))
        for number in range(count)
    )
    return WindowSample(images=images, valid=valid, places=places), labels


def test_statistics_are_those_of_all_usable_pixels(package, forward):
    sample, labels = ground()
    found = measure_reference(forward, package.normalizer, sample, labels, MEMBERS[:3])
    images = sample.tensor(package.normalizer)
    chosen = forward.probabilities(images).argmax(dim=1).numpy()
    known = sample.valid & (labels < 3)
    expected = np.zeros((3, 3))
    np.add.at(expected, (labels[known], chosen[known]), 1)
    np.testing.assert_array_equal(found.confusion, expected)
    np.testing.assert_allclose(found.prior, expected.sum(axis=1) / expected.sum())
    np.testing.assert_array_equal(found.quantiles, band_quantiles(sample))
    direct = measure_moments(forward, images, torch.from_numpy(sample.valid))
    assert list(found.moments) == list(direct)
    for name, moments in direct.items():
        np.testing.assert_allclose(found.moments[name].mean, moments.mean, rtol=1e-6, atol=1e-9)
    assert found.features.mean.shape == (package.network.segmentation_head[0].in_channels,)


def test_the_same_ground_gives_the_same_bytes_and_they_can_be_read(package, forward):
    written = {
        reference_to_bytes(measure_reference(forward, package.normalizer, *ground(), MEMBERS[:3])) for _ in range(2)
    }
    assert len(written) == 1
    reference_from_bytes(written.pop(), origin="here")


def test_a_label_that_leaves_classes_open_counts_for_them_by_their_probability(package, forward):
    sample, labels = ground()
    labels[:] = 3
    found = measure_reference(forward, package.normalizer, sample, labels, MEMBERS)
    probabilities = (
        forward.probabilities(sample.tensor(package.normalizer)).movedim(1, -1)[sample.valid].double().numpy()
    )
    share = probabilities[:, 1] / (probabilities[:, 1] + probabilities[:, 2])
    assert found.prior[0] == 0
    assert found.prior[1] == pytest.approx(share.mean(), abs=1e-6)
    assert found.confusion.sum() == pytest.approx(sample.valid.sum())


def test_labels_that_leave_all_open_say_nothing(package, forward):
    sample, labels = ground()
    labels[:, ::2] = 4
    found = measure_reference(forward, package.normalizer, sample, labels, MEMBERS)
    labels[:, ::2] = 255
    again = measure_reference(forward, package.normalizer, sample, labels, MEMBERS)
    np.testing.assert_array_equal(found.confusion, again.confusion)


def test_the_spread_tells_every_distance_and_grows_with_the_differences(package, forward):
    sample, labels = ground(16)
    even = measure_reference(forward, package.normalizer, sample, labels, MEMBERS[:3]).spread
    assert set(even) == {"bands", "layers", "prior", "features"}
    sample.images[:4] += 1.5
    uneven = measure_reference(forward, package.normalizer, sample, labels, MEMBERS[:3]).spread
    assert uneven["bands"] > 1.2 * even["bands"]
    assert uneven["layers"] > 1.2 * even["layers"]
    assert all(0 <= even[name] <= 1 for name in ("prior", "features"))


def test_one_window_has_statistics_but_no_spread(package, forward):
    found = measure_reference(forward, package.normalizer, *ground(1, scenes=1), MEMBERS[:3])
    assert not found.spread
    assert reference_from_bytes(reference_to_bytes(found), origin="here").prior.sum() == pytest.approx(1)


def test_an_absent_band_is_nan_and_all_else_finite(package, forward):
    sample, labels = ground()
    sample.images[:, 2] = np.nan
    found = measure_reference(forward, package.normalizer, sample, labels, MEMBERS[:3])
    assert np.isnan(found.quantiles[2]).all()
    assert np.isfinite(list(found.spread.values())).all()


@pytest.mark.parametrize("unknown", [255, 4])
def test_ground_without_labels_is_refused(package, forward, unknown):
    sample, labels = ground()
    labels[:] = unknown
    with pytest.raises(ModelError, match="no usable pixel of the reference ground has a label"):
        measure_reference(forward, package.normalizer, sample, labels, MEMBERS)


def test_labels_of_another_shape_are_refused(package, forward):
    sample, labels = ground()
    with pytest.raises(ModelError, match="give one for each"):
        measure_reference(forward, package.normalizer, sample, labels[1:], MEMBERS)
