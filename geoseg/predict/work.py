"""What making blocks took: tiles, and seconds of each kind of work. Changes nothing of what is made."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.inference.engine import Engine
from geoseg.memory import peak_bytes
from geoseg.raster.patch import Patch, SceneReader
from geoseg.raster.watch import Watch, WatchedScene
from geoseg.window import Window

Work = Literal["read", "network", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockWork:
    """What a block took, where it was computed."""

    tiles: int = 0
    """Tiles that the network saw. One that two blocks share counts for the upper one if both are made in one go."""

    skipped: int = 0
    """Tiles that hold nothing to decide, so that the network did not see them."""

    pixels: int = 0
    """Of the tiles that it saw, those outside the scene too."""

    wall: float = 0.0
    """Seconds since the block before it was finished, or since it was begun."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    """In `read`, `network` (only on a CPU) and `write`, summed over threads; they overlap."""

    worker: str = ""
    """The process, as machine:number."""

    peak: int = 0
    """Most memory of that process so far, bytes."""


class Meter:
    """Measures how blocks on top of each other are made; several threads may use it."""

    def __init__(self) -> None:
        self.watch = Watch()
        """What is read for the blocks."""

        self._turn = threading.Lock()
        self._tiles: list[tuple[Window, bool]] = []
        self._seconds = {"read": 0.0, "write": 0.0}
        self._since = time.perf_counter()

    def saw(self, tile: Window, is_computed: bool) -> None:  # noqa: FBT001 - as TiledBlock calls it
        """Take note of a tile."""
        with self._turn:
            self._tiles.append((tile, is_computed))

    @contextmanager
    def spent(self, work: Work) -> Iterator[None]:
        """Measure what is done meanwhile."""
        started = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - started
            with self._turn:
                self._seconds[work] = self._seconds.get(work, 0.0) + took

    def work_above(self, bottom: int) -> BlockWork:
        """What was not asked for before: tiles that begin above a row, and all seconds until now."""
        now, worker, peak = time.perf_counter(), _this_process(), peak_bytes()
        with self._turn:
            tiles = [each for each in self._tiles if each[0].row < bottom]
            self._tiles = [each for each in self._tiles if each[0].row >= bottom]
            seconds, self._seconds = self._seconds, dict.fromkeys(self._seconds, 0.0)
            wall, self._since = now - self._since, now
        computed = [tile for tile, is_computed in tiles if is_computed]
        return BlockWork(
            tiles=len(computed),
            skipped=len(tiles) - len(computed),
            pixels=sum(tile.height * tile.width for tile in computed),
            wall=wall,
            seconds=seconds,
            worker=worker,
            peak=peak,
        )


class MeteredScene(WatchedScene):
    """A scene whose reads are watched and timed."""

    def __init__(self, scene: SceneReader, meter: Meter) -> None:
        super().__init__(scene, meter.watch)
        self._meter = meter

    def read(self, window: Window) -> Patch:
        """As the scene below."""
        with self._meter.spent("read"):
            return super().read(window)


class MeteredEngine:
    """An engine whose calls are timed; only on a CPU, since elsewhere a call ends before its work does."""

    def __init__(self, engine: Engine, meter: Meter) -> None:
        self._engine, self._meter = engine, meter

    @property
    def classes(self) -> int:
        """Those of the engine below."""
        return self._engine.classes

    @property
    def device(self) -> torch.device:
        """That of the engine below."""
        return self._engine.device

    @property
    def threads(self) -> int:
        """Those of the engine below."""
        return self._engine.threads

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """As the engine below."""
        if self.device.type != "cpu":
            return self._engine.probabilities(images, usable)
        with self._meter.spent("network"):
            return self._engine.probabilities(images, usable)


def _this_process() -> str:
    return f"{platform.node()}:{os.getpid()}"
