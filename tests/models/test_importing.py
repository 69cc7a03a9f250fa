import json
import logging

import pytest
import torch
from safetensors.torch import save_file

from geoseg.classes import ClassMap
from geoseg.errors import ModelError, OutputError
from geoseg.models import catalogue, importing
from geoseg.models.build import build_network
from geoseg.models.context import Context
from geoseg.models.importing import ImportRequest, import_package
from geoseg.models.package import load_package
from geoseg.models.spec import NetworkSpec

SPEC = NetworkSpec(
    architecture="unet", encoder="tu-test_resnet", bands=4, classes=3, options={"decoder_channels": (16, 8, 8, 8, 8)}
)
THREE = ClassMap.of([(0, "water", "#0000ff"), (3, "forest", "#008000"), (7, "crop", "#ffcc00")])
TWO = ClassMap.of([(0, "ground", "#ffffff"), (1, "building", "#ff0000")])


def request_of(**changes):
    known = {
        "name": "taken-over",
        "classes": THREE,
        "bands": ("red", "green", "blue", "nir"),
        "gsd": 0.5,
        "scales": {"uint8": 1 / 255},
        "mean": (0.4,) * 4,
        "std": (0.2,) * 4,
        "tile": 64,
        "overlap": 32,
        "provenance": {"licence": "MIT"},
    }
    return ImportRequest(**(known | changes))


def of_state_dict(**changes):
    known = {"architecture": SPEC.architecture, "encoder": SPEC.encoder, "options": SPEC.options}
    return request_of(**(known | changes))


FOUND = Context(radius=7, divisor=32, tile=64, labels=(0.25, 0.0), probabilities=(0.125, 0.0))


@pytest.fixture(autouse=True)
def measured_at_once(monkeypatch):
    """What is measured has its own tests, and takes seconds."""
    monkeypatch.setattr(importing, "measure_context", lambda *_, **__: FOUND)


@pytest.fixture
def network():
    torch.manual_seed(4)
    made = build_network(SPEC)
    made(torch.randn(4, 4, 64, 64))  # so that its batch statistics are its own
    return made.eval()


def logits(network, bands=4):
    noise = torch.randn(2, bands, 64, 64, generator=torch.Generator().manual_seed(9))
    with torch.inference_mode():
        return network(noise)


@pytest.mark.parametrize("name", ["package", "package.zip"])
def test_a_folder_of_smp_becomes_a_package_with_the_logits_that_smp_loads(network, tmp_path, name):
    network.save_pretrained(tmp_path / "smp")
    made = import_package(tmp_path / "smp", tmp_path / "deep" / name, request_of())
    expected = logits(catalogue.smp().from_pretrained(tmp_path / "smp").eval())
    loaded = load_package(tmp_path / "deep" / name)
    for package in (made, loaded):
        assert torch.equal(logits(package.network), expected)
        assert package.spec.options["decoder_channels"] == (16, 8, 8, 8, 8)
        assert (package.classes, package.bands, package.gsd) == (THREE, ("red", "green", "blue", "nir"), 0.5)
    assert loaded.provenance == {"licence": "MIT", "training": {"start": "smp"}}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == [name]


@pytest.mark.parametrize("ending", [".pt", ".pth", ".ckpt", ".safetensors"])
def test_a_state_dict_becomes_a_package_with_the_same_logits(network, tmp_path, ending):
    path = tmp_path / f"weights{ending}"
    state = {f"model.{name}": tensor for name, tensor in network.state_dict().items()}
    save_file(state, path) if ending == ".safetensors" else torch.save({"state_dict": state}, path)
    made = import_package(path, tmp_path / "package", of_state_dict())
    assert torch.equal(logits(made.network), logits(network))


def test_a_network_with_one_logit_becomes_one_of_two_classes(tmp_path):
    one = catalogue.smp().FPN("tu-test_resnet", encoder_weights=None, classes=1, activation="sigmoid").eval()
    one.save_pretrained(tmp_path / "smp")
    three_bands = {"bands": ("red", "green", "blue"), "mean": (0.4,) * 3, "std": (0.2,) * 3}
    made = import_package(tmp_path / "smp", tmp_path / "package", request_of(classes=TWO, **three_bands))
    share = torch.softmax(logits(made.network, bands=3), dim=1)[:, 1:]
    assert torch.allclose(share, logits(one, bands=3), atol=1e-5)


def test_a_head_for_whole_images_is_left_out(tmp_path):
    both = catalogue.smp().FPN(
        "tu-test_resnet", encoder_weights=None, in_channels=4, classes=3, aux_params={"classes": 2}
    )
    both.eval().save_pretrained(tmp_path / "smp")
    made = import_package(tmp_path / "smp", tmp_path / "package", request_of())
    assert torch.equal(logits(made.network), logits(both)[0])


def test_weights_that_the_hub_would_have_are_not_asked_for(network, tmp_path, monkeypatch):
    network.save_pretrained(tmp_path / "smp")
    config = json.loads((tmp_path / "smp/config.json").read_text())
    (tmp_path / "smp/config.json").write_text(json.dumps(config | {"encoder_weights": "imagenet"}))
    asked = []
    monkeypatch.setattr(catalogue.smp().encoders, "hf_hub_download", lambda *_, **__: asked.append(1))
    import_package(tmp_path / "smp", tmp_path / "package", request_of())
    assert not asked


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": TWO}, "the network has 3 classes and 2 are named"),
        ({"bands": ("red",), "mean": (0.4,), "std": (0.2,)}, "the network has 4 bands and 1 are named"),
        ({"encoder": "resnet34"}, "built of tu-test_resnet, not of resnet34"),
        ({"architecture": "FPN"}, "built of unet, not of FPN"),
        ({"options": {"encoder_depth": 5}}, "leave encoder_depth out"),
        ({"tile": 32, "overlap": 32}, "overlap"),
        ({"mean": (0.4,)}, "4 bands need as many mean and std, got 1 and 4"),
        ({"mean": (), "std": ()}, "only red, green, blue have usual ones"),
        ({"prefix": "model."}, "tensors of the network 1.* missing"),
    ],
)
def test_what_a_folder_contradicts_is_refused_and_leaves_nothing(network, tmp_path, changes, message):
    network.save_pretrained(tmp_path / "smp")
    with pytest.raises(ModelError, match=message) as refused:
        import_package(tmp_path / "smp", tmp_path / "package", request_of(**changes))
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["smp"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "sigmoid"}, "activation 'sigmoid' of 3 classes"),
        ({"decoder_use_norm": {"type": "layernorm"}}, "decoder_use_norm is {'type': 'layernorm'}"),
        ({"_model_class": "Unett"}, "unknown architecture 'Unett': did you mean unet"),
        ({"classes": "three"}, "classes must be a whole number, got 'three'"),
        ({"decoder_chanels": [1]}, "unet has no option 'decoder_chanels': did you mean decoder_channels"),
    ],
)
def test_a_folder_that_no_package_can_hold_is_refused(network, tmp_path, changes, message):
    network.save_pretrained(tmp_path / "smp")
    config = json.loads((tmp_path / "smp/config.json").read_text())
    (tmp_path / "smp/config.json").write_text(json.dumps(config | changes))
    with pytest.raises(ModelError, match=message):
        import_package(tmp_path / "smp", tmp_path / "package", request_of())


@pytest.mark.parametrize(
    ("config", "message"),
    [(None, "No such file"), ("{", "is not JSON"), ("[]", "_model_class"), ('{"encoder_name": "x"}', "_model_class")],
)
def test_a_folder_that_smp_did_not_write_is_refused(tmp_path, config, message):
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ModelError, match=message):
        import_package(tmp_path, tmp_path / "package", request_of())


def test_a_name_from_before_smp_05_is_known(network, tmp_path):
    network.save_pretrained(tmp_path / "smp")
    config = json.loads((tmp_path / "smp/config.json").read_text())
    del config["decoder_use_norm"]
    (tmp_path / "smp/config.json").write_text(json.dumps(config | {"decoder_use_batchnorm": True}))
    made = import_package(tmp_path / "smp", tmp_path / "package", request_of())
    assert torch.equal(logits(made.network), logits(network))


def test_a_state_dict_needs_architecture_and_encoder(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match="does not say its network: set architecture and encoder"):
        import_package(tmp_path / "w.pt", tmp_path / "package", request_of())


def test_a_package_that_stands_there_stays(network, tmp_path):
    torch.save(network.state_dict(), tmp_path / "w.pt")
    (tmp_path / "package").mkdir()
    with pytest.raises(OutputError, match="exists already"):
        import_package(tmp_path / "w.pt", tmp_path / "package", of_state_dict())


def test_a_package_that_comes_out_different_gets_no_name(network, tmp_path, monkeypatch):
    torch.save(network.state_dict(), tmp_path / "w.pt")

    def damaged(path):
        package = load_package(path)
        with torch.no_grad():
            package.network.segmentation_head[0].bias[0] += 1
        return package

    monkeypatch.setattr(importing, "load_package", damaged)
    with pytest.raises(ModelError, match="logits of the package differ by"):
        import_package(tmp_path / "w.pt", tmp_path / "package", of_state_dict())
    assert [path.name for path in tmp_path.iterdir()] == ["w.pt"]


def test_a_tile_that_the_network_does_not_take_is_refused(tmp_path):
    pan = NetworkSpec(architecture="pan", encoder="tu-test_resnet", bands=4, classes=3)
    torch.save(build_network(pan).state_dict(), tmp_path / "w.pt")
    with pytest.raises(ModelError, match="cannot map tiles of 64 px"):
        import_package(tmp_path / "w.pt", tmp_path / "package", of_state_dict(architecture="pan", options={}))


@pytest.mark.parametrize(
    ("encoder", "mean"), [("tu-test_resnet", (0.5, 0.5, 0.5)), ("resnet18", (0.485, 0.456, 0.406))]
)
def test_usual_statistics_are_those_of_the_encoder_and_are_told(encoder, mean, caplog):
    spec = NetworkSpec(architecture="unet", encoder=encoder, bands=3, classes=3)
    with caplog.at_level(logging.WARNING, "geoseg"):
        normalizer = importing._normalizer(spec, request_of(bands=("red", "green", "blue"), mean=(), std=()))
    assert normalizer.mean == mean
    assert "mean and std are not given" in caplog.text


def test_encoders_with_other_statistics_need_them_said():
    spec = NetworkSpec(architecture="unet", encoder="inceptionv4", bands=3, classes=3)
    with pytest.raises(ModelError, match="those of inceptionv4 differ"):
        importing._normalizer(spec, request_of(bands=("red", "green", "blue"), mean=(), std=()))


def test_the_package_says_what_the_edges_of_tiles_change(network, tmp_path):
    network.save_pretrained(tmp_path / "smp")
    assert import_package(tmp_path / "smp", tmp_path / "package", request_of()).context == FOUND
