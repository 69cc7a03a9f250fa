"""Statistics of batch normalisation taken anew."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from geoseg.models.package import load_package
from geoseg.shift.batchnorm import has_batchnorm, recomputed_batchnorm
from geoseg.shift.forward import Forward

SIDE = 64


@pytest.fixture(scope="module")
def forward(tiny_model):
    return Forward(network=load_package(tiny_model).network)


def images_of(seed, count=5):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, SIDE, SIDE, generator=generator) * 1.7 + 0.8


def everywhere(images):
    return torch.ones(len(images), SIDE, SIDE, dtype=torch.bool)


def of_torch(network, images):
    """Torch's own: one batch in training mode, cumulative averages."""
    network = copy.deepcopy(network)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None
            layer.train()
    with torch.no_grad():
        network(images)
    return network.state_dict()


def statistics(state):
    return {name: tensor for name, tensor in state.items() if "running_" in name}


def test_one_batch_gives_what_torch_gives(forward):
    images = images_of(1)
    ours = recomputed_batchnorm(forward, images, everywhere(images), keep=0)
    theirs = of_torch(forward.network, images)
    assert len(statistics(ours)) > 4
    for name, tensor in statistics(ours).items():
        assert torch.allclose(tensor, theirs[name], rtol=1e-3, atol=1e-4), name


@given(keep=st.floats(0, 1))
def test_the_blend_is_a_line_between_source_and_target(forward, keep):
    images = images_of(2, count=2)
    source = forward.network.state_dict()
    target = recomputed_batchnorm(forward, images, everywhere(images), keep=0)
    blended = recomputed_batchnorm(forward, images, everywhere(images), keep=keep)
    for name, tensor in statistics(blended).items():
        assert torch.allclose(tensor, keep * source[name] + (1 - keep) * target[name], rtol=1e-5, atol=1e-6)


def test_keeping_all_changes_nothing(forward):
    images = images_of(3)
    state = recomputed_batchnorm(forward, images, everywhere(images), keep=1)
    source = forward.network.state_dict()
    assert state.keys() == source.keys()
    assert all(torch.equal(tensor, source[name]) for name, tensor in state.items())


def test_only_means_and_variances_change_and_the_network_stays_as_it_is(forward):
    before = copy.deepcopy(forward.network.state_dict())
    images = images_of(4)
    state = recomputed_batchnorm(forward, images, everywhere(images), keep=0.5)
    changed = {name for name, tensor in state.items() if not torch.equal(tensor, before[name])}
    assert changed == set(statistics(state))
    assert all(torch.equal(tensor, before[name]) for name, tensor in forward.network.state_dict().items())
    assert not any(layer._forward_pre_hooks for layer in forward.network.modules())


@pytest.mark.parametrize("pixels", [2**20, 2 * SIDE**2])
def test_the_order_of_windows_in_a_batch_and_of_batches_is_no_matter(forward, monkeypatch, pixels):
    monkeypatch.setattr("geoseg.shift.batchnorm._PIXELS_AT_ONCE", pixels)
    images = images_of(5, count=4)
    straight = recomputed_batchnorm(forward, images, everywhere(images), keep=0)
    turned = recomputed_batchnorm(forward, images.flip(0), everywhere(images), keep=0)
    for name, tensor in statistics(straight).items():
        assert torch.allclose(tensor, turned[name], rtol=1e-3, atol=1e-4), name


def test_the_same_images_give_the_same_bits(forward):
    images = images_of(6)
    first, second = (recomputed_batchnorm(forward, images, everywhere(images), keep=0.5) for _ in range(2))
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def test_windows_without_a_valid_pixel_do_not_count(forward):
    images = images_of(7, count=4)
    valid = everywhere(images)
    valid[2:] = False
    with_empty = recomputed_batchnorm(forward, images, valid, keep=0)
    without = recomputed_batchnorm(forward, images[:2], everywhere(images[:2]), keep=0)
    assert all(torch.equal(tensor, without[name]) for name, tensor in with_empty.items())


def test_pixels_that_are_not_valid_do_not_count_in_the_first_layer():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1)).eval()
    images = images_of(8)
    valid = torch.rand(len(images), SIDE, SIDE, generator=torch.Generator().manual_seed(8)) > 0.4
    state = recomputed_batchnorm(Forward(network=network), images, valid, keep=0)
    pixels = images.movedim(1, 0)[:, valid]
    assert torch.allclose(state["0.running_mean"], pixels.mean(dim=1), atol=1e-5)
    assert torch.allclose(state["0.running_var"], pixels.var(dim=1), rtol=1e-4)


def test_nothing_valid_keeps_the_source(forward):
    images = images_of(9)
    state = recomputed_batchnorm(forward, images, ~everywhere(images), keep=0)
    assert all(torch.equal(tensor, state[name]) for name, tensor in forward.network.state_dict().items())


def test_networks_without_batch_normalisation_are_told(forward):
    assert has_batchnorm(forward.network)
    assert not has_batchnorm(nn.Sequential(nn.Conv2d(3, 3, 1), nn.GroupNorm(1, 3)))
    assert not has_batchnorm(nn.BatchNorm2d(3, track_running_stats=False))
