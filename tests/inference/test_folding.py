"""A folded network gives the logits of the network, in fewer layers, and the network stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from geoseg.inference.folding import folded, has_only_convolutions
from geoseg.models.build import build_network
from geoseg.models.spec import NetworkSpec

INPUTS = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def lively(network):
    """Statistics as after training, not the zeros and ones of the beginning."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, generator=generator)
    return network.eval()


@pytest.mark.parametrize(
    ("architecture", "encoder"), [("unet", "resnet18"), ("unet", "tu-regnetx_002"), ("fpn", "tu-mobilenetv3_small_050")]
)
def test_the_logits_are_those_of_the_network(architecture, encoder):
    spec = NetworkSpec(architecture=architecture, encoder=encoder, bands=3, classes=4, options={})
    torch.manual_seed(2)
    network = lively(build_network(spec))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    changed = folded(network, bands=3, tile=64)
    with torch.inference_mode():
        expected, found = network(INPUTS), changed(INPUTS)
    assert norms(network) > 10
    assert norms(changed) == 0
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


class Shared(nn.Module):
    """The output of the convolution is used beside its normalisation too."""

    def __init__(self):
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, inputs):
        found = self.convolution(inputs)
        return self.norm(found) + found


class Twice(nn.Module):
    """One convolution under two normalisations."""

    def __init__(self):
        super().__init__()
        self.convolution, self.one, self.two = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, inputs):
        return self.two(self.convolution(self.one(self.convolution(inputs))))


@pytest.mark.parametrize("kind", [Shared, Twice])
def test_what_cannot_be_folded_is_left_alone(kind):
    torch.manual_seed(3)
    network = lively(kind())
    changed = folded(network, bands=3, tile=64)
    assert norms(changed) == norms(network)
    with torch.inference_mode():
        assert torch.equal(changed(INPUTS), network(INPUTS))


def test_a_network_of_convolutions_alone_is_told_from_others():
    assert has_only_convolutions(nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU()))
    assert not has_only_convolutions(nn.Sequential(nn.Conv2d(3, 2, 1), nn.GroupNorm(1, 2)))
    assert not has_only_convolutions(Shared())
