"""OpenVINO gives the classes that torch gives, the same bits wherever a tile stands, or is refused."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.errors import ConfigError, ModelError
from geoseg.inference import openvino_engine
from geoseg.inference.agreement import check_agreement, probe
from geoseg.inference.engine import TorchEngine
from geoseg.inference.openvino_engine import OpenVinoEngine
from geoseg.models.calibration import Calibration
from geoseg.models.package import load_package
from geoseg.predict import predict_scene
from geoseg.predict.engines import EngineChoice, engine_for
from geoseg.raster.curves import BandCurve

needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="openvino is not installed: pip install 'geoseg[openvino]'"
)

IMAGES = np.random.default_rng(15).integers(0, 256, (5, 3, 64, 64), dtype=np.uint8)
USABLE = np.ones((5, 64, 64), dtype=bool)


@pytest.fixture(scope="module")
def package(tiny_model):
    return load_package(tiny_model)


def an_engine(package, **options):
    return OpenVinoEngine(package, **({"dtype": "uint8", "precision": "fp32"} | options))


def torch_engine(package, **options):
    return TorchEngine(package, **({"dtype": "uint8", "device": "cpu", "precision": "fp32"} | options))


@pytest.fixture(scope="module")
def engine(package):
    return an_engine(package, threads=2)


@needs_openvino
def test_probabilities_are_those_of_torch(package, engine):
    found = engine.probabilities(IMAGES, USABLE)
    assert found.dtype == torch.float32
    assert (engine.classes, engine.device, engine.precision) == (3, torch.device("cpu"), "fp32")
    torch.testing.assert_close(found, torch_engine(package).probabilities(IMAGES, USABLE), atol=1e-5, rtol=1e-4)


@needs_openvino
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_bits_depend_neither_on_the_batch_nor_on_the_cores(package, monkeypatch, threads, precision):
    monkeypatch.setattr(openvino_engine, "check_agreement", lambda *_: None)  # random weights: near ties in bf16
    whole = an_engine(package, threads=1, precision=precision).probabilities(IMAGES, USABLE)
    other = an_engine(package, threads=threads, precision=precision)
    order = [3, 0, 4]
    for _ in range(3):
        assert torch.equal(other.probabilities(IMAGES[order], USABLE[order]), whole[order])
    assert torch.equal(other.probabilities(IMAGES[1:2], USABLE[1:2]), whole[1:2])


@needs_openvino
def test_each_tile_is_computed_on_one_thread(engine):
    streams, threads = (
        engine._compiled[64, 64].get_property(name) for name in ("NUM_STREAMS", "INFERENCE_NUM_THREADS")
    )
    assert streams == threads


@needs_openvino
def test_nodata_looks_like_the_mean_of_the_training_imagery(package, engine):
    usable = USABLE.copy()
    usable[:, 20:40, :30] = False
    found = engine.probabilities(IMAGES, usable)
    other = np.where(usable[:, None], IMAGES, 255).astype(np.uint8)
    assert torch.equal(engine.probabilities(other, usable), found)
    torch.testing.assert_close(found, torch_engine(package).probabilities(IMAGES, usable), atol=1e-5, rtol=1e-4)


@needs_openvino
def test_tiles_without_a_pixel_are_not_computed(package, engine, monkeypatch):
    computed = []
    infer = engine._infer
    monkeypatch.setattr(engine, "_infer", lambda inputs: computed.append(len(inputs)) or infer(inputs))
    usable = USABLE.copy()
    usable[[0, 3]] = False
    found = engine.probabilities(IMAGES, usable)
    assert computed == [1, 1, 1]
    assert (found[[0, 3]] == 1 / 3).all()
    torch.testing.assert_close(found, torch_engine(package).probabilities(IMAGES, usable), atol=1e-5, rtol=1e-4)


@needs_openvino
def test_missing_bands_curves_and_calibration_are_those_of_torch(package):
    changed = replace(
        package,
        calibration=Calibration(temperature=1.7, scale=(0.5, 1.0, 2.0), bias=(0.3, -0.6, 0.0)),
        normalizer=replace(
            package.normalizer,
            curves=tuple(BandCurve(knots=(0.0, 1.0), values=(0.0, gain)) for gain in (1.0, 0.5, 0.25)),
        ),
    )
    found, expected = (
        made(changed, present=(0, 2)).probabilities(IMAGES[:, [0, 2]], USABLE) for made in (an_engine, torch_engine)
    )
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@needs_openvino
def test_tiles_of_another_size_are_compiled_when_they_come(package):
    images, usable = np.tile(IMAGES[:2], (1, 1, 2, 2)), np.ones((2, 128, 128), dtype=bool)
    found = an_engine(package).probabilities(images, usable)
    assert torch.equal(an_engine(package, tile=128).probabilities(images, usable), found)
    torch.testing.assert_close(found, torch_engine(package).probabilities(images, usable), atol=1e-5, rtol=1e-4)


@needs_openvino
def test_a_graph_that_gives_other_classes_is_refused(package, monkeypatch):
    converted = openvino_engine.converted
    wrong = replace(package, calibration=Calibration(temperature=1.0, scale=(1.0,) * 3, bias=(9.0, 0.0, 0.0)))
    monkeypatch.setattr(openvino_engine, "converted", lambda library, _, shape: converted(library, wrong, shape))
    with pytest.raises(ModelError, match=r"engine 'openvino' gives .* model 'tiny' .* less than 99.5%; use --engine"):
        an_engine(package)


@pytest.mark.parametrize(("changed", "refused"), [(61, False), (62, True)])
def test_half_a_percent_of_other_classes_is_the_limit(package, changed, refused):
    inputs = probe(3, 64)

    def almost(one):
        found = torch.softmax(package.network(one), dim=1)
        if torch.equal(one[0], inputs[0]):
            found.flatten(2)[..., :changed] = found.flatten(2)[..., :changed].roll(1, dims=1)
        return found

    if not refused:
        check_agreement("other", package, inputs, almost)
        return
    with pytest.raises(ModelError, match="other"):
        check_agreement("other", package, inputs, almost)


def test_the_probe_has_the_statistics_of_the_training_imagery_and_is_always_the_same():
    inputs = probe(4, 128)
    assert torch.equal(inputs, probe(4, 128))
    torch.testing.assert_close(inputs.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs.std(dim=(0, 2, 3)), torch.ones(4), atol=1e-5, rtol=0)
    assert float(inputs.diff(dim=-1).abs().mean()) < 0.5


def test_without_openvino_the_message_says_how_to_install_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match=r"pip install 'geoseg\[openvino\]', or --engine torch"):
        an_engine(package)


def test_another_device_than_a_cpu_is_refused(tiny_model):
    choice = EngineChoice(
        model=tiny_model, dtype="uint8", device="cuda:0", precision="auto", threads=1, engine="openvino"
    )
    with pytest.raises(ConfigError, match="runs on a CPU, not on device 'cuda:0'"):
        engine_for(choice)


@needs_openvino
def test_the_telemetry_of_the_library_is_not_loaded():
    code = (
        "import sys\n"
        "from geoseg.inference.openvino_engine import openvino_library\n"
        "openvino_library().convert_model\n"
        "assert not [name for name in sys.modules if name.startswith('openvino_telemetry')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_openvino
@pytest.mark.slow
def test_the_map_is_the_same_bytes_over_blocks_batches_and_workers(tiny_model, write_scene, tmp_path):
    image = np.random.default_rng(16).integers(0, 256, (3, 160, 200), dtype=np.uint8)
    image[:, 30:150, 60:190] = 0
    scene = write_scene(image, nodata=0)
    layouts = {"whole": {}, "rows": {"block_rows": 64, "batch_size": 3}, "workers": {"block_rows": 96, "workers": 2}}
    made = [
        predict_scene(
            scene,
            tmp_path / name,
            model=str(tiny_model),
            engine="openvino",
            precision="fp32",
            vector=False,
            **layout,
        )
        for name, layout in layouts.items()
    ]
    assert len({one.class_raster.read_bytes() for one in made}) == 1
    assert len({one.confidence.read_bytes() for one in made}) == 1
