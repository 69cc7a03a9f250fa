"""auto becomes one named engine before the work is spread: the fastest of those that give the right classes."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import torch

from geoseg.config.predict import PredictSettings
from geoseg.errors import ConfigError, ModelError
from geoseg.predict import fastest, predict_scene
from geoseg.predict.engines import EngineChoice, choice_of
from geoseg.predict.facts import RunFacts
from geoseg.predict.fastest import SMALL, measure_speed, remembered_speed, resolved_engine, with_engine
from geoseg.predict.plan import plan_prediction

SPEEDS = {"torch": 2.0, "openvino": 8.0, "onnx": 3.0, "torch-compile": 4.0}
INSTALLED = ("torch", "openvino", "onnxruntime", "onnx")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOSEG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def timed(monkeypatch, fake_engine):
    """Engines that are fakes, with speeds as told; keeps which ones were timed."""
    log, speeds, broken, installed = [], dict(SPEEDS), {}, set(INSTALLED)

    def build(choice):
        if choice.engine in broken:
            raise broken[choice.engine]
        return fake_engine()

    def measure(engines, shape, **_):
        log.append((tuple(engines), shape))
        return {name: speeds[name] for name in engines}

    monkeypatch.setattr(fastest, "new_engine", build)
    monkeypatch.setattr(fastest, "time_engines", measure)
    monkeypatch.setattr(fastest, "_version", lambda name: "1.0" if name in installed else "")
    return type("Timed", (), {"log": log, "speeds": speeds, "broken": broken, "installed": installed})


def a_choice(model, **changes):
    settings = {"dtype": "uint8", "device": "cpu", "precision": "auto", "threads": 2, "engine": "auto"}
    return EngineChoice(**({"model": model, "version": "v"} | settings | changes))


def test_the_fastest_is_taken_measured_once_and_remembered(tiny_model, timed, caplog):
    caplog.set_level(logging.INFO)
    choice = a_choice(tiny_model)
    assert [resolved_engine(choice, pixels=SMALL) for _ in range(3)] == ["openvino"] * 3
    assert [names for names, _ in timed.log] == [("torch", "openvino", "onnx")]
    assert caplog.messages[-1] == "engine openvino: onnx 3.0 Mpx/s, openvino 8.0 Mpx/s, torch 2.0 Mpx/s"
    timed.speeds["onnx"] = 99.0
    assert resolved_engine(choice, pixels=SMALL) == "openvino"
    assert resolved_engine(a_choice(tiny_model, tile=128), pixels=SMALL) == "onnx"


def test_tiles_are_timed_as_they_will_come(tiny_model, timed):
    resolved_engine(a_choice(tiny_model, tile=128, present=(0, 2), dtype="uint16"), pixels=SMALL)
    ((_, shape),) = timed.log
    assert (shape.bands, shape.side, shape.dtype) == (2, 128, "uint16")


@pytest.mark.parametrize("pixels", [0, SMALL - 1])
def test_small_scenes_are_never_timed_and_take_torch_whatever_is_remembered(tiny_model, timed, pixels):
    resolved_engine(a_choice(tiny_model), pixels=SMALL)
    timed.log.clear()
    assert resolved_engine(a_choice(tiny_model), pixels=pixels) == "torch"
    assert timed.log == []


def test_a_gpu_takes_torch(tiny_model, timed, monkeypatch):
    monkeypatch.setattr(fastest, "choose_device", lambda _: torch.device("cuda"))
    assert resolved_engine(a_choice(tiny_model, device="auto"), pixels=10**9) == "torch"
    assert timed.log == []


@pytest.mark.parametrize("name", ["torch", "torch-compile", "openvino", "onnx"])
def test_a_named_engine_is_taken_as_it_is(tiny_model, timed, name):
    assert resolved_engine(a_choice(tiny_model, engine=name), pixels=10**9) == name
    assert timed.log == []


@pytest.mark.parametrize("error", [ModelError("gives other classes"), ConfigError("is not installed")])
def test_an_engine_that_is_refused_is_left_out(tiny_model, timed, error):
    timed.broken["openvino"] = error
    assert resolved_engine(a_choice(tiny_model), pixels=SMALL) == "onnx"


def test_what_torch_refuses_is_an_error(tiny_model, timed):
    timed.broken["torch"] = ModelError("the model takes no such pixels")
    with pytest.raises(ModelError, match="no such pixels"):
        resolved_engine(a_choice(tiny_model), pixels=SMALL)


@pytest.mark.parametrize(
    ("installed", "precision", "pixels", "expected"),
    [
        ({"torch"}, "auto", SMALL, ("torch",)),
        ({"torch"}, "auto", 10**9, ("torch", "torch-compile")),
        ({"torch", "openvino"}, "auto", 10**9, ("torch", "openvino")),
        ({"torch", "onnxruntime"}, "auto", SMALL, ("torch",)),
        ({"torch", "onnxruntime", "onnx"}, "fp32", SMALL, ("torch", "onnx")),
        (set(INSTALLED), "bf16", SMALL, ("torch", "openvino")),
    ],
)
def test_engines_are_tried_that_are_installed_and_have_the_precision(
    tiny_model, timed, installed, precision, pixels, expected
):
    timed.installed.clear()
    timed.installed.update(installed)
    measure_speed(a_choice(tiny_model, precision=precision), pixels=pixels)
    assert timed.log[0][0] == expected


def test_an_installation_that_changed_is_timed_anew(tiny_model, timed):
    resolved_engine(a_choice(tiny_model), pixels=SMALL)
    timed.installed.discard("openvino")
    assert resolved_engine(a_choice(tiny_model), pixels=SMALL) == "onnx"


@pytest.mark.usefixtures("timed")
def test_the_remembered_speed_is_that_of_the_engine_that_runs(tiny_model):
    choice = a_choice(tiny_model)
    assert remembered_speed(choice) is None
    measure_speed(choice)
    assert remembered_speed(choice) == 8.0
    assert remembered_speed(a_choice(tiny_model, engine="torch")) == 2.0
    assert remembered_speed(a_choice(tiny_model, engine="torch-compile")) is None
    assert remembered_speed(a_choice(tiny_model, tta="d4")) == 1.0


@pytest.mark.usefixtures("timed")
def test_a_named_engine_is_timed_alone_and_leaves_auto_undecided(tiny_model):
    assert measure_speed(a_choice(tiny_model, engine="onnx")).speeds == {"onnx": 3.0}
    assert remembered_speed(a_choice(tiny_model)) is None


@pytest.mark.parametrize("where", [{"scheduler": "tcp://somewhere:8786"}, {"cluster": "local.yaml"}])
def test_other_machines_compute_with_torch(tiny_model, timed, write_scene, where):
    scene = write_scene(np.zeros((3, 70, 70), dtype=np.uint8))
    settings = PredictSettings.model_construct(**(PredictSettings(model=str(tiny_model)).model_dump() | where))
    assert with_engine(plan_prediction(scene, settings), settings).engine == "torch"
    assert timed.log == []


def test_the_same_package_is_the_same_choice(tiny_model, write_scene):
    scene = write_scene(np.zeros((3, 70, 70), dtype=np.uint8))
    settings = PredictSettings(model=str(tiny_model))
    first, second = (choice_of(plan_prediction(scene, settings), settings) for _ in range(2))
    assert first == second


def test_the_map_is_that_of_the_engine_and_its_record_tells_which(tiny_model, write_scene, tmp_path, monkeypatch):
    scene = write_scene(np.random.default_rng(4).integers(1, 256, (3, 100, 120), dtype=np.uint8))
    monkeypatch.setattr(fastest, "SMALL", 0)
    monkeypatch.setattr(fastest, "time_engines", lambda engines, *_, **__: dict.fromkeys(engines, 1.0) | {"onnx": 2.0})
    options = {"model": str(tiny_model), "precision": "fp32", "vector": False}
    ways = {"measured": {}, "remembered": {}, "named": {"engine": "onnx"}}
    made = [predict_scene(scene, tmp_path / way, **options, **more) for way, more in ways.items()]
    assert len({one.class_raster.read_bytes() for one in made}) == 1
    for one in made:
        item = json.loads(one.stac_item.read_text(encoding="utf-8"))
        assert set(item["properties"]["processing:software"]) == {"geoseg", "torch", "onnxruntime"}


def test_the_record_of_a_run_names_the_engine(tiny_model, write_scene, tmp_path):
    scene = write_scene(np.zeros((3, 70, 70), dtype=np.uint8))
    settings = PredictSettings(model=str(tiny_model))
    plan = plan_prediction(scene, settings)
    facts = RunFacts.of(plan, with_engine(plan, settings), tmp_path)
    assert facts.record.options["engine"] == "torch"
