import pytest
import torch
from torch import nn

from geoseg.errors import ModelError
from geoseg.models.build import build_network
from geoseg.models.probing import count_normalisation, inspect_network
from geoseg.models.spec import NetworkSpec


def spec_of(architecture="unet", encoder="tu-test_resnet", bands=3, classes=4, **options):
    return NetworkSpec(architecture=architecture, encoder=encoder, bands=bands, classes=classes, options=options)


SMALL_DPT = {"decoder_intermediate_channels": (8, 8, 8, 8), "decoder_fusion_channels": 8}


@pytest.mark.parametrize(
    ("architecture", "encoder", "layers"),
    [
        ("unet", "resnet18", {"batch_norm": 30}),
        ("segformer", "mit_b0", {"batch_norm": 1, "layer_norm": 30}),
        ("fpn", "tu-pvt_v2_b0", {"group_norm": 7, "layer_norm": 30}),
        ("unet", "tu-convnextv2_atto", {"batch_norm": 10, "global_response_norm": 12, "layer_norm": 16}),
    ],
)
def test_normalisation_layers_are_counted_by_kind(architecture, encoder, layers):
    assert count_normalisation(build_network(spec_of(architecture, encoder))) == layers


def test_only_layers_are_counted_that_hold_numbers():
    assert count_normalisation(nn.Sequential(nn.SyncBatchNorm(2), nn.InstanceNorm2d(2), nn.RMSNorm(2))) == {
        "batch_norm": 1,
        "instance_norm": 1,
        "rms_norm": 1,
    }
    assert count_normalisation(nn.Sequential(nn.Conv2d(2, 2, 1), nn.LocalResponseNorm(2))) == {}


class Halves(nn.Module):
    """Takes multiples of a number of pixels, and loses what is beyond them or refuses it."""

    def __init__(self, divisor, *, refuses):
        super().__init__()
        self.head, self.divisor, self.refuses = nn.Conv2d(3, 4, 1), divisor, refuses

    def forward(self, images):
        side = images.shape[-1] // self.divisor * self.divisor
        if self.refuses and side != images.shape[-1]:
            raise RuntimeError(f"Wrong input shape {images.shape[-1]}\nExpected a multiple")
        return self.head(images)[..., :side, :side]


@pytest.mark.parametrize("refuses", [True, False])
@pytest.mark.parametrize("divisor", [1, 2, 4, 7, 8, 14, 16, 28, 32, 56, 64])
def test_the_divisor_is_found(divisor, refuses):
    facts = inspect_network(Halves(divisor, refuses=refuses), spec_of(), tile=448)
    assert (facts.divisor, facts.fixed_size, facts.parameters) == (divisor, False, 16)


@pytest.mark.parametrize(
    ("tile", "said"),
    [
        (100, "cannot map tiles of 100 px: it takes multiples of 32 px, such as 96 or 128 or 160"),
        (30, "multiples of 32 px, such as 32 or 64"),
    ],
)
def test_a_tile_that_is_no_multiple_is_refused_with_those_that_are(tile, said):
    network = build_network(spec_of("fpn"))
    with pytest.raises(ModelError, match=said) as refused:
        inspect_network(network, spec_of("fpn"), tile=tile)
    assert "\n" not in str(refused.value)


def test_a_tile_that_is_too_small_is_refused_with_larger_ones():
    network = build_network(spec_of("pan"))
    with pytest.raises(ModelError, match=r"tiles of 64 px: it takes multiples of 16 px, such as .*too small"):
        inspect_network(network, spec_of("pan"), tile=64)
    assert inspect_network(network, spec_of("pan"), tile=128).divisor == 16


def test_an_encoder_of_one_size_takes_that_alone():
    spec = spec_of("dpt", "tu-vit_tiny_patch16_224", img_size=96, **SMALL_DPT)
    network = build_network(spec)
    facts = inspect_network(network, spec, tile=96)
    assert (facts.divisor, facts.fixed_size) == (96, True)
    with pytest.raises(ModelError, match="dynamic_img_size: true or img_size: 64 in its options"):
        inspect_network(network, spec, tile=64)


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (lambda images: images, r"logits of shape \(1, 3, 64, 64\), not \(1, 4, 64, 64\)"),
        (lambda images: images[:, :1].expand(-1, 4, -1, -1) * torch.nan, "not finite"),
        (lambda images: (images, images), "gives a tuple"),
    ],
)
def test_anything_but_finite_logits_of_every_class_is_refused(forward, said):
    network = nn.Sequential(nn.Conv2d(3, 3, 1))
    network.forward = forward
    with pytest.raises(ModelError, match=said):
        inspect_network(network, spec_of(), tile=64)


def test_the_network_is_left_as_it_was():
    network = build_network(spec_of()).train()
    network.encoder.eval()
    modes = [module.training for module in network.modules()]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    inspect_network(network, spec_of(), tile=64)
    assert torch.equal(torch.rand(1), expected)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
