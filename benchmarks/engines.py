"""Engines side by side on the same tiles: `python -m benchmarks.engines --model landcover-rgb --threads 2`.

Each thread computes its own tiles, as in prediction. Without --compile the minute that torch-compile needs is saved.
"""

from __future__ import annotations

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from geoseg.inference import compiled_engine, onnx_engine, openvino_engine
from geoseg.inference.agreement import probe
from geoseg.inference.compiled_engine import CompiledEngine
from geoseg.inference.engine import TorchEngine
from geoseg.inference.onnx_engine import OnnxEngine
from geoseg.inference.openvino_engine import OpenVinoEngine
from geoseg.models.zoo import load_model

_BITS = 255
_TILES = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="landcover-rgb")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--unchecked", action="store_true", help="for random weights, whose classes are near ties")
    asked = parser.parse_args()
    if asked.unchecked:
        for module in (compiled_engine, onnx_engine, openvino_engine):
            module.check_agreement = lambda *_: None
    arms, loading = engines(asked)
    bands = len(load_model(asked.model).bands)
    smooth = np.concatenate([probe(bands, asked.tile).numpy()] * 3)[:_TILES]
    images = np.clip((smooth * 0.15 + 0.4) * _BITS, 1, _BITS).astype(np.uint8)
    torch.set_num_threads(1)
    with ThreadPoolExecutor(asked.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        labels = {name: np.stack(compute(pool, engine, images)) for name, engine in arms.items()}
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in arms}
        for _ in range(asked.rounds):
            for name, engine in arms.items():
                started, busy = time.perf_counter(), time.process_time()
                compute(pool, engine, images)
                seconds[name].append((time.perf_counter() - started, time.process_time() - busy))
    pixels = len(images) * asked.tile**2 / 1e6
    print("| engine | s to load | Mpx/s, median | best | Mpx/s of processor time | labels as torch fp32 |")  # noqa: T201
    for name, times in seconds.items():
        walls, works = zip(*times, strict=True)
        same = float((labels[name] == labels["torch fp32"]).mean())
        rates = f"{pixels / statistics.median(walls):.1f} | {pixels / min(walls):.1f} | {pixels / min(works):.1f}"
        print(f"| {name} | {loading[name]:.1f} | {rates} | {same:.2%} |")  # noqa: T201 - a benchmark prints


def engines(asked):
    """The arms, and the seconds that each took to load."""
    common = {"dtype": "uint8", "threads": asked.threads}
    makers = {
        f"{label} {precision}": lambda kind=kind, precision=precision, more=more: kind(
            load_model(asked.model), precision=precision, **more, **common
        )
        for precision in ("bf16", "fp32")
        for label, kind, more in (
            ("torch", TorchEngine, {"device": "cpu"}),
            ("torch-compile", CompiledEngine, {"tile": asked.tile}),
            ("openvino", OpenVinoEngine, {"tile": asked.tile}),
        )
        if asked.compile or kind is not CompiledEngine
    }
    makers["onnx fp32"] = lambda: OnnxEngine(load_model(asked.model), device="cpu", tile=asked.tile, **common)
    arms, loading = {}, {}
    for name, make in makers.items():
        started = time.perf_counter()
        arms[name] = make()
        loading[name] = time.perf_counter() - started
    return arms, loading


def compute(pool, engine, images):
    usable = np.ones((1, *images.shape[2:]), dtype=bool)
    return list(pool.map(lambda one: engine.probabilities(one[None], usable)[0].argmax(dim=0).numpy(), images))


if __name__ == "__main__":
    main()
