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
from geoseg.config.predict import EngineName, Tta
from geoseg.errors import ConfigError
from geoseg.inference.decide import Decision, decide, joined
from geoseg.inference.engine import Engine, TorchEngine, default_batch_size
from geoseg.inference.openvino_engine import OpenVinoEngine
from geoseg.inference.regrid import regrid, window_on_model_grid
from geoseg.inference.segment import segment
from geoseg.inference.symmetry import D4Engine
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

    engine: EngineName = "torch"
    """What runs the network."""

    tile: int | None = None
    """Side of the tiles to come, px; None = the model's."""

    tta: Tta = "none"
    """d4 averages over the eight turns and mirrorings of each tile."""

    present: tuple[int, ...] | None = None
    """Positions among the model's bands of those that the scene has; None = all."""

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

    thresholds: tuple[float, ...] = ()
    """For each class the probability that a pixel needs to be given it; empty = 0 for all."""

    def __call__(self, block: Window) -> Decision:
        """Decide the pixels of a block."""
        return joined(self.parts(block))

    def parts(self, block: Window) -> Iterator[Decision]:
        """The same, in full-width rows from top to bottom."""
        engine, threads = engine_for(self.engine)
        size = self.batch_size or default_batch_size(engine.device, self.grid.tile, threads=threads)
        with one_thread():
            for strip in self._strips(block, engine, size):
                yield decide(
                    strip, self.classes, with_probabilities=self.with_probabilities, thresholds=self.thresholds
                )

    def _strips(self, block: Window, engine: Engine, size: int) -> Iterator[Strip]:
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
def one_thread() -> Iterator[None]:
    """Compute on this thread alone, as for blending and deciding.

    The sums there are too small to share: on a busy machine torch's threads wait for one another a hundred times longer
    than they add.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def engine_for(choice: EngineChoice) -> tuple[Engine, int]:
    """The engine of a choice, built once in a process, and how many tiles it computes at a time on a CPU."""
    with _BUILDING:
        return _built(choice)


@functools.lru_cache(maxsize=2)
def _built(choice: EngineChoice) -> tuple[Engine, int]:
    engine = _openvino(choice) if choice.engine == "openvino" else _torch(choice)
    return D4Engine(engine) if choice.tta == "d4" else engine, engine.threads


def _torch(choice: EngineChoice) -> TorchEngine:
    return TorchEngine(
        load_model(choice.model),
        dtype=choice.dtype,
        device=choice.device,
        precision=choice.precision,
        threads=choice.threads,
        present=choice.present,
    )


def _openvino(choice: EngineChoice) -> OpenVinoEngine:
    if choice.device not in {"auto", "cpu"}:
        raise ConfigError(f"engine 'openvino' runs on a CPU, not on device {choice.device!r}: use --device cpu")
    return OpenVinoEngine(
        load_model(choice.model),
        dtype=choice.dtype,
        precision=choice.precision,
        threads=choice.threads,
        present=choice.present,
        tile=choice.tile,
    )
