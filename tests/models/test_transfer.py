from dataclasses import replace

import pytest
import torch

from geoseg.errors import ModelError
from geoseg.models.build import build_network
from geoseg.models.package import load_package
from geoseg.models.transfer import start_from


@pytest.fixture
def package(tiny_model):
    return load_package(tiny_model)


def test_the_same_network_answers_the_same(package):
    network = build_network(package.spec)
    start_from(network, package, bands=package.bands)
    started, given = network.state_dict(), package.network.state_dict()
    assert all(torch.equal(started[name], given[name]) for name in given)


def test_other_classes_keep_their_own_head(package):
    network = build_network(replace(package.spec, classes=7))
    head = network.segmentation_head[0].weight.clone()
    start_from(network, package, bands=package.bands)
    assert torch.equal(network.segmentation_head[0].weight, head)


def test_bands_are_taken_by_name_and_new_ones_say_nothing_at_first(package):
    bands = ("thermal", *reversed(package.bands))
    network = build_network(replace(package.spec, bands=len(bands))).eval()
    start_from(network, package, bands=bands)
    image = torch.rand(1, len(package.bands), 64, 64)
    turned = torch.cat([torch.rand(1, 1, 64, 64), image.flip(1)], dim=1)
    with torch.inference_mode():
        assert torch.allclose(network(turned), package.network.eval()(image), atol=1e-5)


def test_only_weights_of_the_same_network_are_a_start(package):
    other = build_network(replace(package.spec, encoder="resnet18"))
    with pytest.raises(ModelError, match=r"only \d+ of \d+ tensors fit"):
        start_from(other, package, bands=package.bands)
