"""Engines side by side on the same tiles: `python -m benchmarks.engines --model landcover-rgb --threads 2`."""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from geoseg.inference.agreement import probe
from geoseg.inference.engine import TorchEngine
from geoseg.inference.openvino_engine import OpenVinoEngine
from geoseg.models.zoo import load_model

_BITS = 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="landcover-rgb")
    parser.add_argument("--tile", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    package = load_model(asked.model)
    smooth = np.concatenate([probe(len(package.bands), asked.tile).numpy()] * 3)[:8]
    images = np.clip((smooth * 0.15 + 0.4) * _BITS, 1, _BITS).astype(np.uint8)
    usable = np.ones((len(images), asked.tile, asked.tile), dtype=bool)
    arms = {}
    for precision in ("fp32", "bf16"):
        common = {"dtype": "uint8", "precision": precision, "threads": asked.threads}
        arms[f"OpenVINO {precision}"] = OpenVinoEngine(load_model(asked.model), tile=asked.tile, **common)
        arms[f"torch {precision}"] = TorchEngine(load_model(asked.model), device="cpu", **common)
    labels = {name: engine.probabilities(images, usable).argmax(dim=1) for name, engine in arms.items()}
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for _ in range(asked.rounds):
        for name, engine in arms.items():
            started = time.perf_counter()
            engine.probabilities(images, usable)
            seconds[name].append(time.perf_counter() - started)
    first = statistics.median(seconds["torch bf16"])
    for name, times in seconds.items():
        median = statistics.median(times)
        same = float((labels[name] == labels["torch fp32"]).float().mean())
        rate = usable.size / median / 1e6
        print(f"| {name} | {median:.3f} | {rate:.1f} | {first / median:.2f} | {same:.2%} |")  # noqa: T201 - a benchmark


if __name__ == "__main__":
    main()
