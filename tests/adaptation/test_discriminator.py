"""Domains told apart, patch by patch."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from geoseg.adaptation.discriminator import SOURCE, TARGET, Health, build_discriminator, domain_loss, told_apart


def maps(n=2, classes=3, side=64, seed=0):
    logits = torch.randn(n, classes, side, side, generator=torch.Generator().manual_seed(seed))
    return torch.softmax(3 * logits, dim=1)


@pytest.mark.parametrize(("side", "stages"), [(8, 2), (16, 3), (32, 4), (64, 5), (96, 5), (256, 5)])
def test_five_stages_and_fewer_for_small_maps_so_that_patches_are_left(side, stages):
    network = build_discriminator(3, outputs=1, width=4, side=side)
    assert sum(isinstance(layer, nn.Conv2d) for layer in network) == stages
    told = network(maps(side=side))
    assert told.shape == (2, 1, side // 2**stages, side // 2**stages)
    assert told.shape[-1] >= 2


def test_it_is_the_papers_at_its_width():
    network = build_discriminator(7, outputs=1, width=64, side=256)
    convolutions = [layer for layer in network if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [64, 128, 256, 512, 1]
    assert {(layer.kernel_size, layer.stride, layer.padding) for layer in convolutions} == {((4, 4), (2, 2), (1, 1))}
    assert [layer.negative_slope for layer in network if isinstance(layer, nn.LeakyReLU)] == [0.2] * 4


def test_the_loss_is_the_mean_binary_cross_entropy_where_all_is_valid():
    told, valid = torch.randn(2, 1, 2, 2), torch.ones(2, 64, 64, dtype=torch.bool)
    for domain, wrong in ((SOURCE, told.sigmoid()), (TARGET, 1 - told.sigmoid())):
        expected = -torch.log(1 - wrong).mean()
        assert torch.isclose(domain_loss(told, valid, domain=domain), expected, atol=1e-5)


def test_a_patch_counts_by_the_share_of_its_pixels_that_are_valid():
    told = torch.tensor([[[[2.0, -1.0], [0.5, 3.0]]]])
    valid = torch.zeros(1, 64, 64, dtype=torch.bool)
    valid[:, :32, :32], valid[:, 32:48, 32:] = True, True
    each = nn.functional.softplus(told)[0, 0]
    expected = (each[0, 0] + each[1, 1] / 2) / 1.5
    assert torch.isclose(domain_loss(told, valid, domain=SOURCE), expected)


def test_without_a_valid_pixel_the_loss_is_zero_with_zero_gradients():
    for outputs, classes in ((1, None), (6, maps())):
        told = torch.randn(2, outputs, 2, 2, requires_grad=True)
        loss = domain_loss(told, torch.zeros(2, 64, 64, dtype=torch.bool), domain=TARGET, classes=classes)
        loss.backward()
        assert float(loss.detach()) == 0
        assert not told.grad.any()


def test_class_by_class_the_loss_is_the_cross_entropy_of_domain_and_class():
    told, shares = torch.randn(2, 6, 2, 2), maps()
    valid = torch.ones(2, 64, 64, dtype=torch.bool)
    patches = nn.functional.avg_pool2d(shares, 32)
    for domain, slot in ((SOURCE, slice(0, 3)), (TARGET, slice(3, 6))):
        wanted = torch.zeros(2, 6, 2, 2)
        wanted[:, slot] = patches
        expected = nn.functional.cross_entropy(told, wanted)
        assert torch.isclose(domain_loss(told, valid, domain=domain, classes=shares), expected, atol=1e-5)


def test_the_order_of_classes_is_of_no_matter():
    told, shares, order = torch.randn(2, 6, 2, 2), maps(), torch.tensor([2, 0, 1])
    valid = torch.rand(2, 64, 64) > 0.3
    both = torch.cat([order, order + 3])
    before = domain_loss(told, valid, domain=TARGET, classes=shares)
    after = domain_loss(told[:, both], valid, domain=TARGET, classes=shares[:, order])
    assert torch.isclose(before, after)
    assert torch.allclose(told_apart(told), told_apart(told[:, both]), atol=1e-6)


def test_domains_of_a_class_add_up_to_domains():
    told = torch.randn(2, 6, 2, 2)
    probability = torch.softmax(told, dim=1)[:, 3:].sum(dim=1, keepdim=True)
    assert torch.allclose(told_apart(told).sigmoid(), probability, atol=1e-6)
    assert torch.equal(told_apart(told[:, :1]), told[:, :1])


def test_a_discriminator_has_won_only_after_many_steps_of_little_loss():
    health = Health(least=0.1)
    assert health.loss == math.log(2)
    seen = []
    for _ in range(40):
        health.see(0.01)
        seen.append(health.healthy)
    assert seen[:10] == [True] * 10
    assert not seen[-1]
    for _ in range(10):
        health.see(0.5)
    assert health.healthy
