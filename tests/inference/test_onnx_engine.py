"""ONNX Runtime gives the classes that torch gives, the same bits on any thread, or is refused."""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.errors import ConfigError, ModelError
from geoseg.inference import onnx_engine
from geoseg.inference.engine import TorchEngine
from geoseg.inference.onnx_engine import OnnxEngine
from geoseg.models.calibration import Calibration
from geoseg.models.package import load_package
from geoseg.predict.engines import EngineChoice, engine_for

needs_onnx = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("onnx", "onnxruntime")),
    reason="onnxruntime is not installed: pip install 'geoseg[onnx]'",
)

IMAGES = np.random.default_rng(15).integers(0, 256, (5, 3, 64, 64), dtype=np.uint8)
USABLE = np.ones((5, 64, 64), dtype=bool)


@pytest.fixture(scope="module")
def package(tiny_model):
    return load_package(tiny_model)


@pytest.fixture(scope="module")
def engine(package):
    return OnnxEngine(package, dtype="uint8", device="cpu", threads=3)


def torch_engine(package, **options):
    return TorchEngine(package, dtype="uint8", device="cpu", precision="fp32", **options)


@needs_onnx
def test_probabilities_are_those_of_torch(package, engine):
    usable = USABLE.copy()
    usable[:, 20:40, :30] = False
    found = engine.probabilities(IMAGES, usable)
    assert (engine.classes, engine.device, engine.precision, engine.threads) == (3, torch.device("cpu"), "fp32", 3)
    torch.testing.assert_close(found, torch_engine(package).probabilities(IMAGES, usable), atol=1e-5, rtol=1e-4)


@needs_onnx
def test_missing_bands_and_calibration_are_those_of_torch(package):
    changed = replace(package, calibration=Calibration(temperature=1.7, scale=(0.5, 1.0, 2.0), bias=(0.3, -0.6, 0.0)))
    images = IMAGES[:, [0, 2]]
    found = OnnxEngine(changed, dtype="uint8", device="cpu", present=(0, 2)).probabilities(images, USABLE)
    expected = torch_engine(changed, present=(0, 2)).probabilities(images, USABLE)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@needs_onnx
def test_threads_that_ask_at_once_get_the_bits_of_one(engine):
    whole = engine.probabilities(IMAGES, USABLE)
    order = [3, 0, 4, 1, 2] * 4
    with ThreadPoolExecutor(3) as pool:
        found = pool.map(lambda place: engine.probabilities(IMAGES[place : place + 1], USABLE[:1]), order)
        assert all(torch.equal(one[0], whole[place]) for one, place in zip(found, order, strict=True))


@needs_onnx
def test_tiles_that_are_cut_at_an_edge_are_exported_when_they_come(package, engine):
    images, usable = IMAGES[:1, :, :32], USABLE[:1, :32]
    found = engine.probabilities(images, usable)
    torch.testing.assert_close(found, torch_engine(package).probabilities(images, usable), atol=1e-5, rtol=1e-4)


@needs_onnx
def test_a_graph_that_gives_other_classes_is_refused(package, monkeypatch):
    exported = onnx_engine.onnx_bytes
    wrong = replace(package, calibration=Calibration(scale=(1.0,) * 3, bias=(9.0, 0.0, 0.0)))
    monkeypatch.setattr(onnx_engine, "onnx_bytes", lambda _, **sides: exported(wrong, **sides))
    with pytest.raises(ModelError, match=r"engine 'onnx' gives .* less than 99.5%; use --engine torch"):
        OnnxEngine(package, dtype="uint8", device="cpu")


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_its_libraries_the_message_says_how_to_install_them(package, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=r"pip install 'geoseg\[onnx\]', or --engine torch"):
        OnnxEngine(package, dtype="uint8")


@needs_onnx
@pytest.mark.parametrize(
    ("device", "message"), [("cuda:0", "pip install onnxruntime-gpu"), ("mps", "use --device cpu")]
)
def test_a_device_that_it_does_not_run_on_is_refused(package, monkeypatch, device, message):
    library = onnx_engine.onnx_runtime()
    monkeypatch.setattr(library, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(ConfigError, match=message):
        OnnxEngine(package, dtype="uint8", device=device)


def test_half_precision_is_refused(tiny_model):
    choice = EngineChoice(model=tiny_model, dtype="uint8", device="cpu", precision="bf16", threads=1, engine="onnx")
    with pytest.raises(ConfigError, match="engine 'onnx' computes in fp32, not in bf16"):
        engine_for(choice)
