"""Commands that read scenes or maps reach what was allowed and no more, and leave out what a quality band marks."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from geoseg.cli.app import run

RGB = np.random.default_rng(2).integers(1, 256, (3, 96, 128), dtype=np.uint8)
CLASSES = np.random.default_rng(3).integers(1, 3, (1, 96, 128), dtype=np.uint8)


def vrt_of(bands):
    """A VRT in in/ whose pixels lie in apart/, which it does not reach by itself."""
    parts = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="1">../apart/a.tif'
        f"</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in range(1, bands + 1)
    )
    transform = "<GeoTransform>500000, 1, 0, 5000000, 0, -1</GeoTransform>"
    return f'<VRTDataset rasterXSize="128" rasterYSize="96"><SRS>EPSG:32633</SRS>{transform}{parts}</VRTDataset>'


@pytest.fixture
def stranger(tmp_path, write_scene):
    """Make such a VRT of an image."""

    def make(image):
        for name in ("in", "apart"):
            (tmp_path / name).mkdir(exist_ok=True)
        write_scene(image, "apart/a.tif")
        (tmp_path / "in" / "a.vrt").write_text(vrt_of(len(image)))
        return str(tmp_path / "in" / "a.vrt")

    return make


def tries(arguments, allowed, capsys):
    """Refused in one line that says what to allow, and done when that is allowed."""
    assert run(arguments) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if "classes 100 %" not in line]  # but for progress
    assert len(told) == 1
    assert told[0].endswith(f"if you trust it, pass --allow {allowed / 'a.tif'}")
    assert run([*arguments, "--allow", str(allowed)]) == 0
    return capsys.readouterr().out


def test_shift(stranger, tiny_model, tmp_path, capsys):
    command = ["shift", stranger(RGB), "--model", str(tiny_model), "--side", "64", "--windows", "2", "--json"]
    assert json.loads(tries(command, tmp_path / "apart", capsys))["windows"] == 2


def test_adapt(stranger, tiny_model, tmp_path, capsys):
    command = ["adapt", "--model", str(tiny_model), "--target", stranger(RGB), "-o", str(tmp_path / "fitted")]
    command += ["--method", "tent", "--steps", "4", "--side", "64", "--windows", "8", "--json"]
    assert json.loads(tries(command, tmp_path / "apart", capsys))["outcome"] in {"adapted", "kept-source"}


@pytest.mark.parametrize("place", [1, 2])
def test_evaluate(stranger, write_scene, tmp_path, capsys, place):
    there, here = stranger(CLASSES), str(write_scene(CLASSES, "here.tif"))
    paths = [there, here] if place == 1 else [here, there]
    assert json.loads(tries(["evaluate", *paths, "--json"], tmp_path / "apart", capsys))["pixel_accuracy"] == 1


def test_points_are_drawn_and_evaluated(stranger, tmp_path, capsys):
    there, points = stranger(CLASSES), str(tmp_path / "points.gpkg")
    tries(["sample", there, "-o", points, "--per-class", "5"], tmp_path / "apart", capsys)
    assert run(["evaluate", there, "--points", points]) == 1
    assert "--allow" in capsys.readouterr().err
    assert run(["evaluate", there, "--points", points, "--allow", str(tmp_path / "apart")]) == 1
    assert "label the points first" in capsys.readouterr().err


def test_diff(stranger, write_scene, tmp_path, capsys):
    here = str(write_scene(CLASSES, "here.tif"))
    tries(["diff", here, stranger(CLASSES), "-o", str(tmp_path / "d.gpkg")], tmp_path / "apart", capsys)


def test_vectorize(stranger, write_scene, tmp_path, capsys):
    there, here = stranger(CLASSES), str(write_scene(CLASSES, "here.tif"))
    out = ["-o", str(tmp_path / "of_classes.gpkg"), "--json"]
    assert json.loads(tries(["vectorize", there, *out], tmp_path / "apart", capsys))["polygons"] > 1
    out = ["-o", str(tmp_path / "with_confidence.gpkg"), "--confidence", there, "--json"]
    assert json.loads(tries(["vectorize", here, *out], tmp_path / "apart", capsys))["polygons"] > 1


QUALITY = np.zeros((1, 96, 128), np.uint8)
QUALITY[:, :, 64:] = 3


def nodata_of(scene, tiny_model, capsys, *options):
    command = ["shift", scene, "--model", str(tiny_model), "--side", "96", "--windows", "9", "--json"]
    assert run([*command, *options]) == 0
    return json.loads(capsys.readouterr().out)["scenes"][0]["nodata"]


def test_shift_leaves_out_what_a_quality_band_marks(write_scene, tiny_model, capsys):
    scene, quality = str(write_scene(RGB)), str(write_scene(QUALITY, "scl.tif"))
    assert nodata_of(scene, tiny_model, capsys) == 0
    assert nodata_of(scene, tiny_model, capsys, "--mask", f"{quality}=4") == 0
    assert nodata_of(scene, tiny_model, capsys, "--mask", f"{quality}=3") > 0.2


def test_a_map_of_competence_is_nodata_there(write_scene, tiny_model, tmp_path, capsys):
    scene, quality = str(write_scene(RGB)), str(write_scene(QUALITY, "scl.tif"))
    nodata_of(scene, tiny_model, capsys, "--mask", f"{quality}=3", "--map", str(tmp_path / "map.tif"))
    with rasterio.open(tmp_path / "map.tif") as dataset:
        values = dataset.read(1)
    assert (values[:, 64:] == 255).all()
    assert (values[:, :64] != 255).all()


def test_adapt_leaves_it_out_too(write_scene, tiny_model, tmp_path, capsys):
    scene, quality = str(write_scene(RGB)), str(write_scene(np.full_like(QUALITY, 3), "scl.tif"))
    command = ["adapt", "--model", str(tiny_model), "--target", scene, "-o", str(tmp_path / "fitted"), "--side", "64"]
    assert run([*command, "--mask", f"{quality}=3"]) == 1
    assert "valid" in capsys.readouterr().err
    assert not (tmp_path / "fitted").exists()
