import re

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import save_file

from geoseg.errors import ModelError
from geoseg.models import catalogue
from geoseg.models.build import build_network
from geoseg.models.spec import NetworkSpec

ARCHITECTURES = (
    "deeplabv3",
    "deeplabv3plus",
    "dpt",
    "fpn",
    "linknet",
    "manet",
    "pan",
    "pspnet",
    "segformer",
    "unet",
    "unetplusplus",
    "upernet",
)
SMALL = {
    "dpt": {
        "encoder": "tu-test_vit",
        "options": {
            "dynamic_img_size": True,
            "decoder_intermediate_channels": (8, 8, 8, 8),
            "decoder_fusion_channels": 8,
        },
    },
    "segformer": {"encoder": "tu-test_efficientnet"},
}


def spec_of(**changes):
    known = {"architecture": "unet", "encoder": "tu-test_resnet", "bands": 5, "classes": 4}
    return NetworkSpec(**(known | changes))


@pytest.fixture
def smp():
    return catalogue.smp()


@pytest.fixture
def timm(smp):
    return smp.encoders.timm


def test_smp_still_has_the_twelve_architectures():
    assert catalogue.architectures() == ARCHITECTURES


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_have_one_plane_for_each_class_at_the_size_of_the_image(architecture):
    network = build_network(spec_of(architecture=architecture, **SMALL.get(architecture, {}))).eval()
    with torch.inference_mode():
        assert network(torch.zeros(2, 5, 128, 192)).shape == (2, 4, 128, 192)


def test_capitals_do_not_matter():
    assert type(build_network(spec_of(architecture="FPN"))).__name__ == "FPN"


def test_options_reach_the_architecture():
    wide = build_network(spec_of(options={"decoder_channels": (32, 32, 16, 16, 16)}))
    narrow = build_network(spec_of(options={"decoder_channels": (8, 8, 8, 8, 8)}))
    assert sum(p.numel() for p in narrow.parameters()) < sum(p.numel() for p in wide.parameters())


def test_options_that_only_the_encoder_takes_reach_it():
    network = build_network(spec_of(encoder="tu-test_vit2", architecture="dpt", options={"img_size": 64}))
    assert network.encoder.model.patch_embed.img_size == (64, 64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "unett"}, "unknown architecture 'unett': did you mean unet.*geoseg models networks"),
        ({"encoder": "resnet181"}, "unknown encoder 'resnet181': did you mean resnet18.*geoseg models networks"),
        ({"encoder": "timm-regnetx_002"}, "did you mean tu-regnetx_002"),
        ({"encoder": "tu-resnet181"}, "unknown timm encoder 'tu-resnet181': did you mean tu-resnet18"),
        ({"options": {"depth": 3}}, "unet has no option 'depth'.*it has .*encoder_depth"),
        ({"options": {"drop_out": 3}}, "unet has no option 'drop_out'.*it has .*encoder_depth"),
        ({"encoder": "resnet18", "options": {"img_size": 64}}, "unet has no option 'img_size'"),
        ({"options": {"aux_params": None}}, "unet has no option 'aux_params'"),
        ({"options": {"decoder_channels": (8, 8)}}, "unet with encoder tu-test_resnet cannot be built: "),
        ({"encoder": "tu-test_vit"}, "Plain vision transformers go with dpt alone"),
        ({"encoder": "tu-pvt_v2_b0", "architecture": "pan"}, "cannot be dilated"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_line(changes, message):
    with pytest.raises(ModelError, match=message) as refused:
        build_network(spec_of(**changes))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("changes", [{"bands": 0}, {"classes": 0}])
def test_a_network_without_bands_or_classes_is_refused(changes):
    with pytest.raises(ModelError, match="at least 1 band and 1 class"):
        spec_of(**changes)


def fails(*_, **__):
    raise LocalEntryNotFoundError("no connection\nand no cache")


def test_weights_of_smp_that_cannot_be_downloaded_are_one_line(monkeypatch, smp):
    monkeypatch.setattr(smp.encoders, "hf_hub_download", fails)
    with pytest.raises(
        ModelError, match=r"'imagenet' of encoder mobilenet_v2 .* need the network.*local file"
    ) as error:
        build_network(spec_of(encoder="mobilenet_v2"), encoder_weights="imagenet")
    assert "\n" not in str(error.value)


def test_weights_of_timm_that_cannot_be_downloaded_are_one_line(monkeypatch, timm):
    made = timm.create_model
    asked = []

    def without_network(name, **keywords):
        asked.append(keywords.get("pretrained"))
        return fails() if keywords.get("pretrained") else made(name, **keywords)

    monkeypatch.setattr(timm, "create_model", without_network)
    with pytest.raises(ModelError, match="weights 'imagenet' of encoder tu-test_resnet cannot be downloaded"):
        build_network(spec_of(), encoder_weights="imagenet")
    assert True in asked


def test_downloaded_weights_are_taken(monkeypatch, tmp_path, smp):
    stored = smp.encoders.get_encoder("mobilenet_v2")
    save_file(stored.state_dict(), tmp_path / "model.safetensors")
    monkeypatch.setattr(smp.encoders, "hf_hub_download", lambda *_, filename, **__: str(tmp_path / filename))
    network = build_network(spec_of(encoder="mobilenet_v2", bands=3), encoder_weights="imagenet")
    assert all(torch.equal(a, b) for a, b in zip(network.encoder.parameters(), stored.parameters(), strict=True))


@pytest.mark.parametrize(
    ("encoder", "weights", "message"),
    [
        ("resnet18", "imagenett", "there are imagenet, ssl, swsl"),
        ("tu-resnet18", "a1_in1k", re.escape("give imagenet, and choose among a timm model's weights by its name")),
        ("resnet18", "no/such.pth", "no such file of weights"),
        ("resnet18", "no_such.safetensors", "no such file of weights"),
    ],
)
def test_weights_that_there_are_not_are_refused_in_one_line(encoder, weights, message):
    with pytest.raises(ModelError, match=message):
        build_network(spec_of(encoder=encoder), encoder_weights=weights)


def test_a_local_file_fills_the_encoder_and_nothing_else(tmp_path):
    source = build_network(spec_of(classes=2))
    save_file(source.encoder.state_dict(), tmp_path / "encoder.safetensors")
    torch.manual_seed(1)
    filled = build_network(spec_of(), encoder_weights=str(tmp_path / "encoder.safetensors"))
    torch.manual_seed(1)
    random = build_network(spec_of())
    for name, tensor in filled.state_dict().items():
        wanted = source if name.startswith("encoder.") else random
        assert torch.equal(tensor, wanted.state_dict()[name]), name
