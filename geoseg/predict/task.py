"""The work of one block, as a value that travels to wherever it is computed."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from geoseg.classes import ClassMap
from geoseg.inference.decide import Decision, decide, joined
from geoseg.inference.engine import TorchEngine, default_batch_size
from geoseg.inference.regrid import regrid, window_on_model_grid
from geoseg.inference.segment import segment
from geoseg.models.device import Precision
from geoseg.models.zoo import load_model
from geoseg.raster.resample import ResampledScene
from geoseg.raster.scene import Scene, SceneSource
from geoseg.tiling.blend import Strip
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

_BUILDING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """Which engine to use; each process builds it once."""

    model: Path
    """The model package."""

    dtype: str
    """Of the scene's pixels."""

    device: str
    """A torch device, or auto."""

    precision: Precision
    """Of the convolutions, or auto."""

    threads: int
    """Cores to use on a CPU; 0 takes as many as torch would where it runs."""

    version: str = ""
    """Digest of the package's card, so that a package that was replaced is loaded anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTask:
    """Everything needed to decide any block of a scene; the same block gives the same bytes anywhere."""

    source: SceneSource
    """The scene."""

    engine: EngineChoice
    """The network."""

    classes: ClassMap
    """Its legend."""

    grid: TileGrid
    """The lattice, on the pixels the model sees."""

    factor: float
    """Side of a pixel the model sees, in scene pixels."""

    on_scene_grid: bool
    """True where blocks are on the scene's own grid although the model sees another."""

    batch_size: int | None
    """Tiles a call of the network; None leaves it to the device."""

    with_probabilities: bool
    """True where the probability of every class is wanted too."""

    def __call__(self, block: Window) -> Decision:
        """Decide the pixels of a block."""
        return joined(self.parts(block))

    def parts(self, block: Window) -> Iterator[Decision]:
        """The same, in full-width rows from top to bottom."""
        engine = engine_for(self.engine)
        with _one_thread():
            for strip in self._strips(block, engine):
                yield decide(strip, self.classes, with_probabilities=self.with_probabilities)

    def _strips(self, block: Window, engine: TorchEngine) -> Iterator[Strip]:
        size = self.batch_size or default_batch_size(engine.device, self.grid.tile, threads=engine.threads)
        with Scene(self.source) as scene:
            if self.factor == 1:
                yield from segment(scene, self.grid, engine, block=block, batch_size=size)
                return
            seen = ResampledScene(scene, self.factor)
            if not self.on_scene_grid:
                yield from segment(seen, self.grid, engine, block=block, batch_size=size)
                return
            part = window_on_model_grid(block, self.grid.scene, factor=self.factor)
            strips = segment(seen, self.grid, engine, block=part, batch_size=size)
            with Scene(self.source) as own:
                yield from regrid(strips, own, block=block, factor=self.factor)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Blend and decide on this thread alone.

    The sums are too small to share: on a busy machine torch's threads wait for one another a hundred times longer
    than they add.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def engine_for(choice: EngineChoice) -> TorchEngine:
    """The engine of a choice, built once in a process."""
    with _BUILDING:
        return _built(choice)


@functools.lru_cache(maxsize=2)
def _built(choice: EngineChoice) -> TorchEngine:
    package = load_model(choice.model)
    return TorchEngine(
        package, dtype=choice.dtype, device=choice.device, precision=choice.precision, threads=choice.threads
    )
