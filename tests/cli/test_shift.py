from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio

from geoseg.cli.app import run

RGB = np.random.default_rng(2).integers(1, 256, (3, 96, 128), dtype=np.uint8)


@pytest.fixture
def scene(write_scene):
    return str(write_scene(RGB))


@pytest.fixture
def shift(tiny_model):
    """Run the command on scenes with the tiny model."""
    return lambda *arguments: run(["shift", *arguments, "--model", str(tiny_model), "--side", "64", "--windows", "2"])


def test_json_is_all_that_stands_on_stdout(shift, scene, capsys):
    assert shift(scene, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["model"] == "tiny"
    assert report["verdict"] in {"fine", "radiometric", "prior", "content", "unusable"}
    assert [facts["scene"] for facts in report["scenes"]] == [scene]
    assert [entry["class_name"] for entry in report["classes"]] == ["water", "forest", "crop"]


def test_the_verdict_comes_first_and_the_tables_follow(shift, scene, capsys):
    assert shift(scene) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].partition(":")[0] in {"fine", "radiometric", "prior", "content", "unusable"}
    assert any(line.startswith("blue ") for line in lines)
    assert any(line.startswith("forest ") for line in lines)
    assert lines[-1] == "2 windows seen by tiny"


def test_a_map_is_written_beside_the_report_and_not_replaced_unasked(shift, scene, tmp_path, capsys):
    path = tmp_path / "maps" / "competence.tif"
    assert shift(scene, "--map", str(path)) == 0
    with rasterio.open(path) as dataset:
        assert (dataset.height, dataset.width, dataset.nodata) == (96, 128, 255)
        assert dataset.read(1).max() <= 100
    assert str(path) in capsys.readouterr().out
    assert shift(scene, "--map", str(path)) == 1
    assert "exists already" in capsys.readouterr().err
    assert shift(scene, "--map", str(path), "--overwrite") == 0


def test_a_map_of_several_scenes_is_refused(shift, scene, tmp_path, capsys):
    assert shift(scene, scene, "--map", str(tmp_path / "map.tif")) == 1
    assert "one scene" in capsys.readouterr().err


def test_wrong_input_is_one_line(shift, capsys):
    assert shift("absent.tif") == 1
    assert capsys.readouterr().err == "geoseg: absent.tif: no such file: check the path of the scene\n"
