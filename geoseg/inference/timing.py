"""How fast engines are on this machine, on tiles as they come."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.inference.agreement import probe
from geoseg.inference.engine import Engine, default_batch_size

Name = TypeVar("Name", bound=str)

_MEAN, _DEVIATION = 0.4, 0.15  # of the tiles, as shares of the largest number
_FEWEST, _MOST = 2, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class TileShape:
    """Tiles as an engine gets them."""

    bands: int
    """How many bands images have."""

    side: int
    """Rows and columns, px."""

    dtype: str
    """Of the pixels."""


def time_engines(engines: Mapping[Name, Engine], shape: TileShape, *, seconds: float) -> dict[Name, float]:
    """Speed of each engine, in megapixels of tiles a second, at the shortest of several rounds.

    Engines take turns, so that other work on the machine slows all of them, and the shortest round is the one that it
    slowed least. In a round each thread of an engine computes one tile; on a GPU it is one batch.

    Args:
        engines: by name; each has computed a tile already, or does so here once untimed.
        shape: of the tiles.
        seconds: to spend on each; two rounds take place whatever they take.
    """
    rounds = {name: _round(engine, shape) for name, engine in engines.items()}
    for compute in rounds.values():
        compute()
    best = dict.fromkeys(engines, float("inf"))
    until = time.perf_counter() + seconds * len(engines)
    for done in range(_MOST):
        if done >= _FEWEST and time.perf_counter() > until:
            break
        for name, compute in rounds.items():
            best[name] = min(best[name], compute())
    return {name: _pixels(engine, shape) / best[name] / 1e6 for name, engine in engines.items()}


def _round(engine: Engine, shape: TileShape) -> Callable[[], float]:
    images, usable = _tiles(shape, default_batch_size(engine.device, shape.side))

    def compute() -> float:
        with ThreadPoolExecutor(engine.threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            started = time.perf_counter()
            for found in pool.map(lambda _: engine.probabilities(images, usable), range(engine.threads)):
                found.flatten()[:1].cpu()  # waits for a GPU
            return time.perf_counter() - started

    return compute


def _pixels(engine: Engine, shape: TileShape) -> int:
    return engine.threads * default_batch_size(engine.device, shape.side) * shape.side**2


def _tiles(shape: TileShape, count: int) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    dtype = np.dtype(shape.dtype)
    largest = np.iinfo(dtype).max // 2 if dtype.kind in "iu" else 1.0
    one = probe(shape.bands, shape.side)[:1].numpy() * _DEVIATION + _MEAN
    images = (np.clip(one, 0, 1) * largest).astype(dtype)
    return np.repeat(images, count, axis=0), np.ones((count, shape.side, shape.side), dtype=np.bool_)
