"""Engines are timed on tiles as they come, in turns, each on as many threads as it has."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoseg.inference import timing
from geoseg.inference.timing import TileShape, time_engines


class Clock:
    """Goes on by a second whenever it is looked at, and when an engine works."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


class WorkingEngine:
    """Needs a given time for a tile; keeps what it was asked."""

    classes = 2
    device = torch.device("cpu")

    def __init__(self, clock, seconds=0.0, *, threads=1, log=None):
        self.clock, self.seconds, self.threads, self.log, self.asked = clock, seconds, threads, log, []

    def probabilities(self, images, usable):
        self.asked.append((images.shape, images.dtype, usable.all(), torch.get_num_threads()))
        if self.log is not None:
            self.log.append(self)
        self.clock.now += self.seconds
        return torch.zeros(len(images), 2, *images.shape[2:])


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", clock)
    return clock


def test_speed_is_pixels_over_time_of_all_threads(clock):
    engines = {"slow": WorkingEngine(clock, 3), "fast": WorkingEngine(clock), "three": WorkingEngine(clock, threads=3)}
    speeds = time_engines(engines, TileShape(bands=1, side=64, dtype="uint8"), seconds=20)
    assert speeds == {"slow": 64**2 / 4e6, "fast": 64**2 / 1e6, "three": 3 * 64**2 / 1e6}


def test_the_shortest_round_counts(clock):
    engine = WorkingEngine(clock, 9)
    respond = engine.probabilities

    def busier_at_first(images, usable):
        engine.seconds = max(1, engine.seconds - 2)
        return respond(images, usable)

    engine.probabilities = busier_at_first
    speeds = time_engines({"one": engine}, TileShape(bands=1, side=64, dtype="uint8"), seconds=1000)
    assert speeds == {"one": 64**2 / 2e6}


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_tiles_have_the_shape_and_dtype_asked_for_and_one_thread_each(clock, dtype):
    engine = WorkingEngine(clock)
    time_engines({"one": engine}, TileShape(bands=4, side=96, dtype=dtype), seconds=20)
    assert set(engine.asked) == {((1, 4, 96, 96), np.dtype(dtype), True, 1)}


def test_engines_take_turns(clock):
    log = []
    first, second = WorkingEngine(clock, log=log), WorkingEngine(clock, log=log)
    time_engines({"first": first, "second": second}, TileShape(bands=1, side=64, dtype="uint8"), seconds=20)
    assert log[: len(log) // 2 * 2 : 2] == [first] * (len(log) // 2)
    assert len(first.asked) == len(second.asked)
