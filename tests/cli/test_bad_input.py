"""What users get wrong: one clear line, exit code 1, and nothing left under a final name. With a real network."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from geoseg.cli.app import run


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(1, 250, shape).astype(dtype)


@pytest.fixture
def scene(write_scene):
    return write_scene(noise(3, 96, 80), photometric="rgb")


def predict(*arguments):
    return run(["predict", *map(str, arguments)])


def fails(capsys, folder, message, *arguments):
    before = sorted(folder.rglob("*"))
    assert predict(*arguments) == 1
    shown = capsys.readouterr()
    errors = [line for line in shown.err.splitlines() if not line.startswith("geoseg: warning: ")]
    assert len(errors) == 1, shown.err
    assert errors[0].startswith("geoseg: ")
    assert message in errors[0]
    assert shown.out == ""
    assert sorted(folder.rglob("*")) == before


def test_a_good_scene_passes_so_that_the_failures_below_mean_something(scene, tiny_model, tmp_path, capsys):
    assert predict(scene, "--model", tiny_model, "-o", tmp_path / "out") == 0
    made = [Path(line) for line in capsys.readouterr().out.splitlines() if line.startswith(str(tmp_path))]
    assert [path.name for path in made] == [
        "scene.classes.tif",
        "scene.confidence.tif",
        "scene.gpkg",
        "scene.stac.json",
        "scene.run.json",
    ]
    assert all(path.stat().st_size for path in made)


def test_a_missing_file(tiny_model, tmp_path, capsys):
    fails(capsys, tmp_path, "absent.tif: no such file", tmp_path / "absent.tif", "--model", tiny_model)


def test_a_file_that_is_no_raster(tiny_model, tmp_path, capsys):
    path = tmp_path / "text.tif"
    path.write_text("not a picture")
    fails(capsys, tmp_path, "text.tif: cannot be read as a raster", path, "--model", tiny_model)


def test_a_truncated_tiff(write_scene, tiny_model, tmp_path, capsys):
    path = write_scene(noise(3, 512, 512), photometric="rgb")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert predict(path, "--model", tiny_model, "-o", tmp_path / "out") == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("geoseg: ")]
    assert len(errors) == 1
    assert "scene.tif: cannot be read as a raster" in errors[0]
    assert list(tmp_path.iterdir()) == [path]


def test_too_few_bands(write_scene, tiny_model, tmp_path, capsys):
    path = write_scene(noise(2, 64, 64))
    fails(capsys, tmp_path, "scene.tif: ", path, "--model", tiny_model)


@pytest.mark.parametrize(("bands", "message"), [("red,green,nir", "nir"), ("1,2,9", "9"), ("1,2", "takes 3: red")])
def test_bands_that_are_not_there(scene, tiny_model, tmp_path, capsys, bands, message):
    fails(capsys, tmp_path, message, scene, "--model", tiny_model, "--bands", bands)


def test_an_unknown_model(scene, tmp_path, capsys):
    fails(capsys, tmp_path, "no-such-model: no packaged model", scene, "--model", "no-such-model")


def test_no_packaged_model_that_fits(write_scene, tmp_path, capsys):
    path = write_scene(noise(1, 64, 64), transform=Affine(5000, 0, 5e5, 0, -5000, 5e6))
    fails(capsys, tmp_path, "no packaged model fits", path)


def test_a_broken_package(scene, tiny_model, tmp_path, capsys):
    broken = tmp_path / "broken.zip"
    with zipfile.ZipFile(tiny_model) as whole, zipfile.ZipFile(broken, "w") as part:
        part.writestr("model.json", whole.read("model.json"))
        part.writestr("weights.safetensors", whole.read("weights.safetensors")[:-100])
    fails(capsys, tmp_path, "broken.zip: weights.safetensors is not the file", scene, "--model", broken)
    broken.write_bytes(b"PK nothing")
    fails(capsys, tmp_path, "broken.zip: ", scene, "--model", broken)


def test_a_model_without_a_scale_for_the_dtype(scene, tiny_model, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    with zipfile.ZipFile(tiny_model) as whole:
        card = json.loads(whole.read("model.json"))
        card["properties"]["geoseg:prediction"]["scales"] = {"uint16": 1e-4}
        (other / "model.json").write_text(json.dumps(card))
        (other / "weights.safetensors").write_bytes(whole.read("weights.safetensors"))
    fails(capsys, tmp_path, "the model takes uint16 pixels, the scene has uint8", scene, "--model", other)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(scene, tiny_model, tmp_path, capsys):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    fails(capsys, tmp_path, "closed: cannot be written", scene, "--model", tiny_model, "-o", closed)


def test_a_folder_below_a_file(scene, tiny_model, tmp_path, capsys):
    fails(capsys, tmp_path, "cannot be written", scene, "--model", tiny_model, "-o", scene / "out")


def test_outputs_that_exist(scene, tiny_model, tmp_path, capsys):
    old = tmp_path / "out" / "scene.gpkg"
    old.parent.mkdir()
    old.write_text("mine")
    fails(
        capsys, tmp_path, "scene.gpkg: exists already: pass --overwrite", scene, "--model", tiny_model, "-o", old.parent
    )
    assert old.read_text() == "mine"
    assert predict(scene, "--model", tiny_model, "-o", old.parent, "--overwrite") == 0
    assert old.read_bytes().startswith(b"SQLite format 3")


def test_a_scheduler_that_is_not_there(scene, tiny_model, tmp_path, capsys):
    fails(capsys, tmp_path, "no Dask scheduler answers at", scene, "--model", tiny_model, "--scheduler", "nowhere:1:2")


def test_a_transform_that_cannot_be(write_scene, tiny_model, tmp_path, capsys):
    path = write_scene(noise(3, 64, 64), transform=Affine(1, 1, 5e5, 1, 1, 5e6))
    fails(capsys, tmp_path, "scene.tif: ", path, "--model", tiny_model)
