"""The compiled network gives the classes that torch gives, the same bits on any thread, or is refused in one line."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from geoseg.errors import ConfigError
from geoseg.inference import compiled_engine
from geoseg.inference.compiled_engine import CompiledEngine
from geoseg.inference.engine import TorchEngine
from geoseg.models.package import load_package
from geoseg.predict.engines import EngineChoice, engine_for

IMAGES = np.random.default_rng(15).integers(0, 256, (4, 3, 64, 64), dtype=np.uint8)
USABLE = np.ones((4, 64, 64), dtype=bool)


@pytest.fixture
def package(tiny_model):
    return load_package(tiny_model)


def fake_compiler(monkeypatch, compile_graph):
    """Compiling takes a minute: most tests look at what stands around it."""
    monkeypatch.setattr(torch, "compile", lambda graph, **_: compile_graph(graph))


def test_tiles_of_the_one_size_alone_are_computed_by_the_compiled_network(package, monkeypatch):
    seen = []

    def compiled(graph):
        return lambda inputs: seen.append(tuple(inputs.shape)) or graph(inputs)

    fake_compiler(monkeypatch, compiled)
    engine = CompiledEngine(package, dtype="uint8", precision="fp32", threads=2)
    probed = len(seen)
    found = engine.probabilities(IMAGES, USABLE)
    engine.probabilities(IMAGES[..., :32], USABLE[..., :32])
    assert seen[probed:] == [(1, 3, 64, 64)] * 4
    assert (engine.classes, engine.device, engine.precision, engine.threads) == (3, torch.device("cpu"), "fp32", 2)
    expected = TorchEngine(package, dtype="uint8", device="cpu", precision="fp32").probabilities(IMAGES, USABLE)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_it_is_compiled_for_one_thread(package, monkeypatch):
    threads = set()

    def compiled(graph):
        return lambda inputs: threads.add(torch.get_num_threads()) or graph(inputs)

    fake_compiler(monkeypatch, compiled)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        CompiledEngine(package, dtype="uint8", precision="fp32")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert threads == {1}


@pytest.mark.parametrize("problem", ["no working C++ compiler found\nand more", ""])
def test_a_network_that_cannot_be_compiled_is_refused_in_one_line(package, monkeypatch, problem):
    def failing(_):
        def fail(_):
            raise torch._dynamo.exc.BackendCompilerFailed(lambda: None, RuntimeError(problem), None)

        return fail

    fake_compiler(monkeypatch, failing)
    with pytest.raises(ConfigError, match=r"cannot compile model 'tiny' here: .*; use --engine torch") as caught:
        CompiledEngine(package, dtype="uint8")
    assert "\n" not in str(caught.value)


def test_another_device_than_a_cpu_is_refused(tiny_model):
    choice = EngineChoice(
        model=tiny_model, dtype="uint8", device="cuda:0", precision="auto", threads=1, engine="torch-compile"
    )
    with pytest.raises(ConfigError, match="engine 'torch-compile' runs on a CPU, not on device 'cuda:0'"):
        engine_for(choice)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch's compiler imports what torch deprecates
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler: apt-get install g++")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_threads_that_ask_at_once_get_the_bits_of_one(package, monkeypatch, precision):
    if precision == "bf16":  # random weights: near ties
        monkeypatch.setattr(compiled_engine, "check_agreement", lambda *_: None)
    engine = CompiledEngine(package, dtype="uint8", precision=precision, threads=3)
    with ThreadPoolExecutor(3, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        whole = pool.submit(engine.probabilities, IMAGES, USABLE).result()
        order = [3, 0, 2, 1] * 6
        found = pool.map(lambda place: engine.probabilities(IMAGES[place : place + 1], USABLE[:1]), order)
        assert all(torch.equal(one[0], whole[place]) for one, place in zip(found, order, strict=True))
    expected = TorchEngine(package, dtype="uint8", device="cpu", precision="fp32").probabilities(IMAGES, USABLE)
    allowed = 1e-5 if precision == "fp32" else 0.05
    torch.testing.assert_close(whole, expected, atol=allowed, rtol=1e-4)
