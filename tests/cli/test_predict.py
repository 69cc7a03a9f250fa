from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from affine import Affine

from geoseg.cli.app import run
from geoseg.config.predict import PredictSettings
from geoseg.errors import OutputError, SceneError
from geoseg.georef import GeoRef
from geoseg.predict import scene as scene_module
from geoseg.predict.scene import Prediction
from geoseg.predict.tally import ClassTotal

GRID = GeoRef(crs=None, transform=Affine.scale(1, -1), height=4, width=5)
WATER = ClassTotal(class_id=1, class_name="water", pixels=15, area_m2=150_000.0, confidence=0.93)
ROAD = ClassTotal(class_id=2, class_name="road", pixels=5, area_m2=None, confidence=None)


@pytest.fixture
def calls(monkeypatch):
    """Replace the mapping of a scene: it remembers how it was asked, and fails for scenes called `bad`."""
    made = []

    def predict_with(scene, output, settings, *, progress):
        made.append((scene, output, settings))
        progress("predict", 1, 1)
        if "bad" in scene:
            raise SceneError(f"{scene}: cannot be read")
        if "full" in scene:
            raise OutputError("the disk is full")
        folder = Path(output or "beside")
        return Prediction(
            scene=scene,
            model="demo",
            class_raster=folder / "a.classes.tif",
            confidence=folder / "a.confidence.tif",
            probabilities=None,
            geopackage=folder / "a.gpkg",
            stac_item=folder / "a.stac.json",
            grid=GRID,
            classes=(WATER, ROAD),
            seconds=1.5,
        )

    monkeypatch.setattr("geoseg.predict.scene.predict_with", predict_with)
    return made


def test_options_reach_the_mapping(calls):
    options = ["--model", "m", "--bands", "4,3,2", "--tile", "128", "--overlap", "32", "--batch-size", "3"]
    options += [
        "--device",
        "cpu",
        "--precision",
        "bf16",
        "--block-rows",
        "64",
        "--workers",
        "2",
        "--scheduler",
        "tcp://a",
    ]
    options += ["--grid", "scene", "--no-vector", "--probabilities", "--mapping-unit", "50", "--overwrite"]
    options += ["--engine", "openvino", "--tta", "d4", "--thresholds", "water=0.6,road=0.5"]
    assert run(["predict", "a.tif", "-o", "out", *options]) == 0
    expected = PredictSettings(
        model="m",
        bands="4,3,2",
        tile=128,
        overlap=32,
        batch_size=3,
        device="cpu",
        precision="bf16",
        engine="openvino",
        block_rows=64,
        workers=2,
        scheduler="tcp://a",
        grid="scene",
        vector=False,
        probabilities=True,
        mapping_unit=50.0,
        overwrite=True,
        tta="d4",
        thresholds={"water": 0.6, "road": 0.5},
    )
    assert calls == [("a.tif", Path("out"), expected)]


def test_every_setting_is_an_option(calls):
    assert run(["predict", "a.tif"]) == 0
    assert calls == [("a.tif", None, PredictSettings())]


@pytest.mark.usefixtures("calls")
def test_the_files_and_the_classes_stand_on_stdout_and_progress_on_stderr(capsys):
    assert run(["predict", "a.tif", "-o", "out"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[:3] == ["out/a.classes.tif", "out/a.confidence.tif", "out/a.gpkg"]
    assert "water  75.0%  15.00 ha              93%" in shown.out
    assert "road   25.0%      5 px                -" in shown.out
    assert shown.err == "a.tif: predict 100 %\n"


@pytest.mark.usefixtures("calls")
def test_json_is_all_that_stands_on_stdout(capsys):
    assert run(["predict", "a.tif", "bad.tif", "-o", "out", "--json"]) == 1
    scenes = json.loads(capsys.readouterr().out)["scenes"]
    assert scenes[0]["outputs"] == {
        "class_raster": "out/a.classes.tif",
        "confidence": "out/a.confidence.tif",
        "geopackage": "out/a.gpkg",
        "stac_item": "out/a.stac.json",
    }
    assert scenes[0]["classes"][0]["area_m2"] == 150_000.0
    assert scenes[1] == {"scene": "bad.tif", "error": "bad.tif: cannot be read"}


def test_a_scene_that_fails_does_not_stop_the_others(calls, capsys):
    assert run(["predict", "bad.tif", "full.tif", "b.tif", "-o", "out"]) == 1
    shown = capsys.readouterr()
    assert [scene for scene, _, _ in calls] == ["bad.tif", "full.tif", "b.tif"]
    assert "geoseg: bad.tif: cannot be read\n" in shown.err
    assert "geoseg: full.tif: the disk is full\n" in shown.err
    assert "out/a.gpkg" in shown.out


@pytest.mark.parametrize("arguments", [["x/a.tif", "y/a.tif", "-o", "out"], ["x/a.tif", "x/a.jp2"], ["a.tif", "a.tif"]])
def test_scenes_whose_outputs_would_share_names_are_refused_before_any_work(calls, arguments, capsys):
    assert run(["predict", *arguments]) == 1
    assert "would both be written as a.*" in capsys.readouterr().err
    assert calls == []


def test_scenes_of_one_name_beside_themselves_are_fine(calls):
    assert run(["predict", "x/a.tif", "y/a.tif"]) == 0
    assert len(calls) == 2


def test_a_wrong_option_is_one_line_before_any_work(calls, capsys):
    assert run(["predict", "a.tif", "--tile", "100"]) == 1
    assert capsys.readouterr() == ("", "geoseg: options: tile: Input should be a multiple of 32 (got 100)\n")
    assert calls == []


def test_a_map_with_pixels_that_could_not_be_read_has_an_exit_code_of_its_own(calls, monkeypatch, capsys):
    whole = scene_module.predict_with

    def with_gaps(scene, *args, **kwargs):
        return replace(whole(scene, *args, **kwargs), unreadable=7 if "gaps" in scene else 0)

    monkeypatch.setattr(scene_module, "predict_with", with_gaps)
    assert run(["predict", "gaps.tif", "a.tif", "--on-error", "nodata", "-o", "out", "--json"]) == 4
    assert [scene["unreadable"] for scene in json.loads(capsys.readouterr().out)["scenes"]] == [7, 0]
    assert run(["predict", "bad.tif", "gaps.tif"]) == 1
    assert run(["predict", "a.tif"]) == 0
    assert len(calls) == 5
