"""Exported graphs give what the package gives, tell what they expect, and appear whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from geoseg.errors import ConfigError, ModelError, OutputError
from geoseg.inference import export as export_module
from geoseg.inference.agreement import probe
from geoseg.inference.engine import TorchEngine
from geoseg.inference.export import export_graph
from geoseg.models.calibration import Calibration
from geoseg.models.package import load_package

pytest.importorskip("openvino", reason="needs pip install 'geoseg[openvino]'")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs pip install 'geoseg[onnx]'")


@pytest.fixture
def package(tiny_model):
    return replace(load_package(tiny_model), calibration=Calibration(temperature=1.3))


def run_onnx(folder, inputs):
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"pixels": inputs})[0]


def run_openvino(folder, inputs):
    from geoseg.inference.openvino_engine import openvino_library  # noqa: PLC0415 - without its telemetry

    core = openvino_library().Core()
    model = core.compile_model(folder / "model.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return model({"pixels": inputs})["probabilities"]


@pytest.mark.parametrize(("form", "run"), [("onnx", run_onnx), ("openvino", run_openvino)])
def test_a_graph_fed_as_its_page_says_gives_what_prediction_gives(package, tmp_path, form, run):
    made = export_graph(package, tmp_path / "out", form=form, tile=96)
    assert sorted(made) == sorted((tmp_path / "out").iterdir())
    page = json.loads((tmp_path / "out" / "graph.json").read_text(encoding="utf-8"))
    assert page["input"]["shape"] == [1, 3, 96, 96]
    assert [each["name"] for each in page["classes"]] == ["water", "forest", "crop"]
    images = np.random.default_rng(3).integers(0, 256, (1, 3, 96, 96), dtype=np.uint8)
    usable = np.ones((1, 96, 96), dtype=bool)
    usable[:, :20] = False
    norm = page["normalization"]
    mean, std = (np.array(norm[part], dtype=np.float32)[:, None, None] for part in ("mean", "std"))
    inputs = np.clip((images.astype(np.float32) * norm["scales"]["uint8"] - mean) / std, -norm["limit"], norm["limit"])
    inputs = np.where(usable[:, None], inputs, 0).astype(np.float32)
    expected = TorchEngine(package, dtype="uint8", device="cpu", precision="fp32").probabilities(images, usable)
    np.testing.assert_allclose(run(tmp_path / "out", inputs), expected.numpy(), atol=1e-4)


def test_files_that_exist_stay_unless_they_may_be_replaced(package, tmp_path):
    (tmp_path / "model.onnx").write_text("mine")
    with pytest.raises(OutputError, match="exists already: pass --overwrite"):
        export_graph(package, tmp_path, form="onnx")
    assert (tmp_path / "model.onnx").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    export_graph(package, tmp_path, form="onnx", overwrite=True)
    assert run_onnx(tmp_path, probe(3, 64)[:1].numpy()).shape == (1, 3, 64, 64)


def test_a_graph_that_gives_other_classes_never_gets_a_name(package, tmp_path, monkeypatch):
    wrong = replace(package, calibration=Calibration(scale=(1.0,) * 3, bias=(9.0, 0.0, 0.0)))
    exported = export_module.onnx_bytes
    monkeypatch.setattr(export_module, "onnx_bytes", lambda _, **sides: exported(wrong, **sides))
    with pytest.raises(ModelError, match="engine 'onnx' gives"):
        export_graph(package, tmp_path / "out", form="onnx")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tile", [32, 100, 4128, -64])
def test_a_tile_that_cannot_be_is_refused(package, tmp_path, tile):
    with pytest.raises(ConfigError, match=f"tile is {tile} px: give a multiple of 32 from 64 to 4096"):
        export_graph(package, tmp_path, form="onnx", tile=tile)
