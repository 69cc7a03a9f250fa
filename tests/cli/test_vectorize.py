from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.cli.app import run


@pytest.fixture
def raster(tmp_path):
    ids = np.repeat(np.array([1, 2], np.uint8), [300, 100]).reshape(20, 20)
    path = tmp_path / "map.classes.tif"
    profile = {"driver": "GTiff", "width": 20, "height": 20, "count": 1, "dtype": "uint8", "nodata": 255}
    with rasterio.open(path, "w", crs="EPSG:32633", transform=Affine(10, 0, 5e5, 0, -10, 5e6), **profile) as out:
        out.write(ids, 1)
        out.update_tags(1, CLASS_1="water", CLASS_2="forest")
    return path


def test_the_command_says_where_the_polygons_are_and_what_there_is_of_each_class(raster, capsys):
    assert run(["vectorize", str(raster), "--workers", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        str(raster.with_name("map.gpkg")),
        str(raster.with_name("map.stac.json")),
        "",
        "class   polygons  share     area  mean confidence",
        "water          1  75.0%  3.00 ha                -",
        "forest         1  25.0%  1.00 ha                -",
        "",
        "2 polygons",
    ]
    assert "map.classes.tif: polygons 100 %" in shown.err


def test_as_json_it_says_the_same_with_the_confidence(raster, tmp_path, capsys):
    confidence = tmp_path / "confidence.tif"
    with rasterio.open(raster) as dataset:
        profile = dataset.profile
    with rasterio.open(confidence, "w", **profile) as out:
        out.write(np.full((20, 20), 80, dtype=np.uint8), 1)
    arguments = ["-o", str(tmp_path / "p.gpkg"), "--confidence", str(confidence), "--json", "--workers", "1"]
    assert run(["vectorize", str(raster), *arguments]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["output"], told["polygons"]) == (str(tmp_path / "p.gpkg"), 2)
    assert told["stac_item"] == str(tmp_path / "p.stac.json")
    assert [(each["name"], each["pixels"], each["confidence"]) for each in told["classes"]] == [
        ("water", 300, pytest.approx(0.8)),
        ("forest", 100, pytest.approx(0.8)),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--smooth"], "smooth: needs the probability of each class"),
        (["--strict", "--simplify", "2"], "strict and simplify exclude each other"),
        (["--classes", "missing.yaml"], "missing.yaml: cannot be read"),
        (["-o", "a.shp"], "vector files end in"),
    ],
)
def test_what_cannot_be_is_one_line(raster, capsys, arguments, message):
    assert run(["vectorize", str(raster), *arguments]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err.splitlines()[-1]
    assert [each.name for each in raster.parent.iterdir()] == ["map.classes.tif"]
