"""Moments are those of what reaches each layer; distances are those of normal distributions; no hook stays."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from geoseg.models.package import load_package
from geoseg.models.reference import LayerMoments
from geoseg.shift.forward import Forward
from geoseg.shift.moments import MomentSums, measure_moments, moment_distance, normalisation_layers


@pytest.fixture(scope="module")
def forward(tiny_model):
    return Forward(network=load_package(tiny_model).network)


def images_of(count, side=32, bands=3):
    return torch.randn(count, bands, side, side, generator=torch.Generator().manual_seed(count))


def everything(images):
    return torch.ones(len(images), *images.shape[2:], dtype=torch.bool)


class Tokens(nn.Module):
    """Tokens of an image through a layer normalisation, as in a transformer."""

    def __init__(self, extra):
        super().__init__()
        self.extra = extra
        self.norm = nn.LayerNorm(3)

    def forward(self, images):
        tokens = images.flatten(2).transpose(1, 2)
        tokens = torch.cat([torch.zeros(len(tokens), self.extra, 3), tokens], dim=1)
        seen = self.norm(tokens)[:, self.extra :]
        return seen.transpose(1, 2).reshape(images.shape)


class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(3)

    def forward(self, images):
        return self.norm(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LayerNorm2d(nn.LayerNorm):
    """Over the channels of images, as timm has it for convolutional networks."""

    def forward(self, images):
        return super().forward(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


NETWORKS = {
    "batch": nn.BatchNorm2d(3),
    "instance": nn.InstanceNorm2d(3),
    "group": nn.GroupNorm(3, 3),
    "layer over tokens": Tokens(0),
    "layer over the last axis": ChannelsLast(),
    "layer over channels": LayerNorm2d(3),
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_moments_of_each_kind_are_those_of_the_usable_pixels(kind):
    network, images, valid = nn.Sequential(NETWORKS[kind]), images_of(11), torch.rand(11, 32, 32) < 0.6
    ((_, found),) = measure_moments(Forward(network=network), images, valid).items()
    pixels = images.movedim(1, -1)[valid].double().numpy()
    np.testing.assert_allclose(found.mean, pixels.mean(axis=0), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.variance, pixels.var(axis=0), rtol=1e-5)


def test_tokens_that_are_no_square_all_count():
    images = images_of(2)
    ((_, found),) = measure_moments(Forward(network=Tokens(2)), images, everything(images)).items()
    share = 32 * 32 / (32 * 32 + 2)
    np.testing.assert_allclose(found.mean, share * images.mean(dim=(0, 2, 3)).double().numpy(), atol=1e-6)


def test_moments_of_a_network_are_those_that_its_layers_see(forward):
    images = images_of(10, side=64)
    seen, handles = {}, []
    for name, layer in normalisation_layers(forward.network).items():

        def keep(_, inputs, name=name):
            seen[name] = inputs[0].double()

        handles.append(layer.register_forward_pre_hook(keep))
    with torch.inference_mode():
        forward.network(images)
    for handle in handles:
        handle.remove()
    found = measure_moments(forward, images, everything(images))
    assert list(found) == list(normalisation_layers(forward.network))
    assert len(found) > 5
    for name, moments in found.items():
        np.testing.assert_allclose(moments.mean, seen[name].mean(dim=(0, 2, 3)), atol=1e-4)
        np.testing.assert_allclose(moments.variance, seen[name].var(dim=(0, 2, 3), correction=0), rtol=1e-3, atol=1e-6)


def test_a_large_layer_is_looked_at_on_every_second_row_and_column():
    images = images_of(2, side=128)
    found = measure_moments(Forward(network=nn.Sequential(nn.BatchNorm2d(3))), images, everything(images))["0"]
    np.testing.assert_allclose(found.mean, images[:, :, ::2, ::2].mean(dim=(0, 2, 3)).double(), atol=1e-6)


def test_a_pixel_of_a_smaller_layer_counts_by_its_usable_share():
    network = nn.Sequential(nn.AvgPool2d(2), nn.BatchNorm2d(1))
    images = torch.tensor([[1.0, 1, 5, 5], [1, 1, 5, 5]])[None, None].repeat(1, 1, 2, 1)
    valid = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=torch.bool)[None].repeat(1, 2, 1)
    found = measure_moments(Forward(network=network), images, valid)["1"]
    assert found.mean.tolist() == pytest.approx([(4 * 1 + 1 * 5) / 5])


def test_nothing_is_left_in_the_network_also_after_an_error(forward):
    before = {name: tensor.clone() for name, tensor in forward.network.state_dict().items()}
    with pytest.raises(RuntimeError):
        measure_moments(forward, images_of(2, bands=5), everything(images_of(2)))
    measure_moments(forward, images_of(2), everything(images_of(2)))
    assert not any(layer._forward_pre_hooks for layer in forward.network.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in forward.network.state_dict().items())


def test_ground_without_a_usable_pixel_has_no_moments(forward):
    images = images_of(2)
    assert not measure_moments(forward, images, torch.zeros(2, 32, 32, dtype=torch.bool))


def test_groups_add_up_to_the_whole():
    network, images = nn.Sequential(nn.BatchNorm2d(3)), images_of(6)
    sums = MomentSums(network, np.array([0, 2, 1, 1, 0, 2]))
    with sums.listening(everything(images), first=0):
        network(images)
    part = sums.moments(np.array([True, False, True]))["0"]
    np.testing.assert_allclose(part.mean, images[[0, 1, 4, 5]].mean(dim=(0, 2, 3)).double(), atol=1e-6)
    whole, direct = sums.moments()["0"], measure_moments(Forward(network=network), images, everything(images))["0"]
    np.testing.assert_allclose(whole.variance, direct.variance, rtol=1e-9)


def moments_of(mean, variance):
    return {"a": LayerMoments(mean=np.array(mean, dtype=float), variance=np.array(variance, dtype=float))}


@given(means=st.tuples(*[st.floats(-3, 3)] * 2), stds=st.tuples(*[st.floats(0.3, 3)] * 2))
def test_the_distance_is_the_mean_of_both_divergences(means, stds):
    one, other = (
        torch.distributions.Normal(*torch.tensor([mean, std], dtype=torch.float64))
        for mean, std in zip(means, stds, strict=True)
    )
    both = (torch.distributions.kl_divergence(one, other) + torch.distributions.kl_divergence(other, one)) / 2
    first, second = (moments_of([mean], [std**2]) for mean, std in zip(means, stds, strict=True))
    assert moment_distance(first, second) == pytest.approx(both.item(), rel=1e-6, abs=1e-9)
    assert moment_distance(first, second) == pytest.approx(moment_distance(second, first))


def test_layers_and_channels_count_alike_and_dead_channels_do_not_blow_up():
    same = moments_of([0, 0], [1, 1])
    moved = moments_of([0, 2], [1, 1])
    assert moment_distance(same, moved) == pytest.approx(1)
    two = {**same, "b": same["a"]}
    assert moment_distance(two, {**moved, "b": same["a"]}) == pytest.approx(0.5)
    assert moment_distance(moments_of([0, 0], [1, 0]), moments_of([0, 0], [1, 0])) == 0
    assert np.isfinite(moment_distance(moments_of([0, 0], [0, 0]), moments_of([0, 1], [0, 0])))
    assert np.isnan(moment_distance(same, {"c": same["a"]}))
