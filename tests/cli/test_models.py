from __future__ import annotations

import json

import pytest
import torch

from geoseg.classes import ClassMap
from geoseg.cli import models
from geoseg.cli.app import run
from geoseg.errors import ModelError
from geoseg.models.build import build_network
from geoseg.models.calibration import Calibration
from geoseg.models.card import ModelCard
from geoseg.models.spec import NetworkSpec
from geoseg.raster.normalize import Normalizer

CARD = ModelCard(
    name="meadow-rgb",
    spec=NetworkSpec(architecture="unet", encoder="resnet18", bands=3, classes=2),
    classes=ClassMap.of([(1, "water", "#0000ff"), (4, "meadow", "#00ff00")]),
    bands=("red", "green", "blue"),
    gsd=0.6,
    normalizer=Normalizer(scales={"uint8": 1 / 255}, mean=(0.3,) * 3, std=(0.1,) * 3),
    tile=512,
    overlap=128,
    calibration=Calibration(temperature=1.1),
    provenance={"title": "Meadows and lakes", "licence": "MIT", "scores": {"mean_iou": 0.71}, "chips": list(range(40))},
    parameters=1_234_567,
    weights_bytes=4_938_268,
    weights_sha256="ab" * 32,
)


@pytest.fixture
def shelf(monkeypatch):
    monkeypatch.setattr(models, "describe_models", lambda: (CARD,))
    monkeypatch.setattr(models, "find_model", lambda name: name)
    monkeypatch.setattr(models, "read_card", lambda _: CARD)


@pytest.mark.usefixtures("shelf")
def test_the_list_says_what_each_model_needs_and_how_good_it_is(capsys):
    assert run(["models", "list"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["model", "GSD"]
    assert row.split() == ["meadow-rgb", "0.6", "m", "red,green,blue", "2", "0.71", "Meadows", "and", "lakes"]


@pytest.mark.usefixtures("shelf")
def test_the_list_as_json_is_machine_readable(capsys):
    assert run(["models", "list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["name"] == "meadow-rgb"
    assert entry["classes"] == ["water", "meadow"]
    assert entry["holdout_mean_iou"] == 0.71


@pytest.mark.usefixtures("shelf")
def test_a_model_is_shown_with_its_legend_and_licence(capsys):
    assert run(["models", "show", "meadow-rgb"]) == 0
    shown = capsys.readouterr().out
    assert "scores mean_iou  0.71\n" in shown
    assert "0, 1, 2, 3, 4, 5, 6, 7, ... (40 in all)\n" in shown
    for text in ("unet with resnet18, 1,234,567 parameters", "red, green, blue", "MIT", "meadow", "#00ff00"):
        assert text in shown


@pytest.mark.usefixtures("shelf")
def test_a_card_as_json_is_the_whole_card(capsys):
    assert run(["models", "show", "meadow-rgb", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "Feature"


def test_an_unknown_model_is_one_line(capsys):
    assert run(["models", "show", "no-such-model"]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("geoseg: no-such-model: ")
    assert shown.err.count("\n") == 1


def test_an_export_says_where_the_copy_is(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(models, "export_model", lambda name, folder: folder / name)
    assert run(["models", "export", "meadow-rgb", "-o", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'meadow-rgb'}\n"


def test_an_export_that_fails_is_one_line(monkeypatch, capsys):
    def refuses(name, folder):
        raise ModelError(f"{name}: is no packaged model, {folder} stays empty")

    monkeypatch.setattr(models, "export_model", refuses)
    assert run(["models", "export", "x", "-o", "out"]) == 1
    assert capsys.readouterr().err == "geoseg: x: is no packaged model, out stays empty\n"


def test_an_exported_graph_is_told_file_by_file(tiny_model, tmp_path, capsys):
    pytest.importorskip("onnxruntime", reason="needs pip install 'geoseg[onnx]'")
    assert run(["models", "export", str(tiny_model), "-o", str(tmp_path), "--format", "onnx", "--tile", "96"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'model.onnx'}\n{tmp_path / 'graph.json'}\n"
    assert run(["models", "export", str(tiny_model), "-o", str(tmp_path), "--format", "onnx"]) == 1
    assert "exists already: pass --overwrite" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--tile", "96"], ["--overwrite"]])
def test_options_of_graphs_are_refused_for_copies(tmp_path, capsys, options):
    assert run(["models", "export", "meadow-rgb", "-o", str(tmp_path), *options]) == 1
    assert "pass --format onnx or --format openvino" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_import_makes_a_package_that_can_be_shown(tmp_path, capsys):
    torch.save(
        build_network(NetworkSpec(architecture="unet", encoder="tu-test_resnet", bands=3, classes=2)).state_dict(),
        tmp_path / "trained.pth",
    )
    settings = {
        "name": "taken-over",
        "title": "Ground and water",
        "architecture": "unet",
        "encoder": "tu-test_resnet",
        "classes": [{"id": 0, "name": "ground", "colour": "#dfc27d"}, {"id": 4, "name": "water", "colour": "#0000ff"}],
        "bands": ["red", "green", "blue"],
        "gsd": 0.5,
        "tile": 64,
        "overlap": 32,
    }
    (tmp_path / "import.yaml").write_text(json.dumps(settings))
    package = tmp_path / "package"
    line = ["models", "import", str(tmp_path / "trained.pth"), "-o", str(package)]
    assert run([*line, "--config", str(tmp_path / "import.yaml")]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{package}\nunet with tu-test_resnet, 3 bands, 2 classes\n"
    assert shown.err.startswith("geoseg: warning: mean and std are not given")
    assert run(["models", "show", str(package)]) == 0
    assert "Ground and water" in capsys.readouterr().out


def test_an_import_that_fails_is_one_line(tmp_path, capsys):
    (tmp_path / "import.yaml").write_text("name: my-model\n")
    line = ["models", "import", "no.pth", "-o", str(tmp_path / "x"), "--config", str(tmp_path / "import.yaml")]
    assert run(line) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "x").exists()


def test_networks_are_listed_with_options_and_weights(capsys):
    assert run(["models", "networks"]) == 0
    shown = capsys.readouterr().out
    for text in (
        "unetplusplus",
        "decoder_channels",
        "resnet18",
        "imagenet, ssl, swsl",
        "geoseg models networks 'tu-*'",
    ):
        assert text in shown


def test_encoders_are_found_by_name_also_those_of_timm(capsys):
    assert run(["models", "networks", "*resnet18", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"resnet18", "tu-resnet18"} <= found["encoders"].keys()
    assert "mit_b0" not in found["encoders"]
    assert len(found["architectures"]) == 12
