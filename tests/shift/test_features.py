"""Features are those before the last layer, their covariance is scikit-learn's, far pixels are far."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import distance
from sklearn.covariance import LedoitWolf
from torch import nn

from geoseg.errors import ModelError
from geoseg.models.package import load_package
from geoseg.shift.features import (
    distances_of,
    fit_features,
    last_features,
    picked_features,
    shrunk_covariance,
    statistics_of,
)
from geoseg.shift.forward import Forward


@pytest.fixture(scope="module")
def forward(tiny_model):
    return Forward(network=load_package(tiny_model).network)


@pytest.fixture(scope="module")
def images():
    return torch.randn(10, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_the_last_layer_makes_the_logits_of_the_features(forward, images):
    found = torch.cat(list(last_features(forward, images)))
    with torch.inference_mode():
        assert torch.allclose(forward.network.segmentation_head(found), forward.logits(images), atol=1e-5)
    assert not forward.network.segmentation_head._forward_pre_hooks


def test_a_network_without_a_head_gives_the_input_of_its_last_convolution():
    network = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Conv2d(5, 2, 1))
    images = torch.randn(9, 3, 8, 8)
    found = torch.cat(list(last_features(Forward(network=network), images)))
    assert torch.equal(found, network[:2](images))
    assert not network[2]._forward_pre_hooks


def test_a_network_without_convolutions_is_refused():
    with pytest.raises(ModelError, match="no convolution"):
        list(last_features(Forward(network=nn.Identity()), torch.zeros(1, 3, 8, 8)))


@given(count=st.integers(5, 400), features=st.integers(2, 12), seed=st.integers(0, 99))
def test_the_covariance_is_that_of_scikit_learn(count, features, seed):
    rng = np.random.default_rng(seed)
    pixels = rng.normal(size=(count, features)) @ rng.normal(size=(features, features)) + rng.normal(size=features)
    mean, covariance = shrunk_covariance(pixels)
    oracle = LedoitWolf().fit(pixels)
    np.testing.assert_allclose(mean, oracle.location_)
    np.testing.assert_allclose(covariance, oracle.covariance_, rtol=1e-4, atol=1e-5 * np.trace(covariance))


@given(seed=st.integers(0, 99))
def test_distances_are_scipys_and_their_percentiles_rise(seed):
    rng = np.random.default_rng(seed)
    statistics = statistics_of(rng.normal(size=(3000, 4)) * [1, 2, 3, 2])
    others = rng.normal(size=(2, 4, 3, 5))
    found = distances_of(statistics, torch.from_numpy(others)).numpy()
    inverse = np.linalg.inv(statistics.covariance)
    for place in np.ndindex(2, 3, 5):
        expected = distance.mahalanobis(others[place[0], :, place[1], place[2]], statistics.mean, inverse)
        assert found[place] == pytest.approx(expected, rel=1e-3)
    assert statistics.distances.shape == (101,)
    assert (np.diff(statistics.distances) >= 0).all()
    assert statistics.distances[50] == pytest.approx(np.sqrt(3.36), rel=0.15)


def test_a_feature_that_never_changes_does_no_harm():
    rng = np.random.default_rng(0)
    pixels = np.concatenate([rng.normal(size=(100, 2)), np.zeros((100, 1))], axis=1)
    assert np.isfinite(statistics_of(pixels).distances).all()
    assert np.isfinite(statistics_of(np.zeros((5, 3))).distances).all()
    assert np.isfinite(statistics_of(np.zeros((0, 3))).distances).all()


def test_only_usable_pixels_are_picked_in_equal_steps():
    features = torch.arange(2 * 16.0).view(1, 2, 4, 4)
    valid = torch.zeros(1, 8, 8, dtype=torch.bool)
    valid[:, :4] = True
    (found,) = picked_features(features, valid, most=4)
    assert found[:, 0].tolist() == [1, 3, 5, 7]
    (everything,) = picked_features(features, valid, most=99)
    assert everything[:, 0].tolist() == list(range(8))
    (nothing,) = picked_features(features, torch.zeros_like(valid), most=4)
    assert nothing.shape == (0, 2)


def test_statistics_of_a_network_are_those_of_its_pixels_and_come_out_the_same(forward, images):
    valid = torch.ones(10, 64, 64, dtype=torch.bool)
    valid[3:] = False
    found, again = (fit_features(forward, images, valid) for _ in range(2))
    assert found.covariance.tobytes() == again.covariance.tobytes()
    pixels = torch.cat(list(last_features(forward, images)))[:3].movedim(1, -1).flatten(0, 2).double()
    np.testing.assert_allclose(found.mean, pixels.mean(dim=0), atol=0.05)


def test_other_ground_is_farther(forward, images):
    statistics = fit_features(forward, images, torch.ones(10, 64, 64, dtype=torch.bool))
    near, far = (
        torch.cat([distances_of(statistics, part) for part in last_features(forward, seen)]).median()
        for seen in (images, images * 4 + 2)
    )
    assert far > 1.5 * near


def test_statistics_of_another_network_are_refused():
    statistics = statistics_of(np.random.default_rng(0).normal(size=(50, 4)))
    with pytest.raises(ModelError, match="the network has 5 features, its reference statistics 4"):
        distances_of(statistics, torch.zeros(1, 5, 2, 2))
