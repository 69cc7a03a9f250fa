"""The work of one block, as a value that travels to wherever it is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from geoseg.inference.batches import TiledBlock
from geoseg.inference.decide import Decision, DecisionRule, decide, joined
from geoseg.inference.engine import Engine, default_batch_size
from geoseg.inference.regrid import regrid, window_on_model_grid
from geoseg.inference.segment import decisions, strips
from geoseg.predict.engines import EngineChoice, engine_for
from geoseg.raster.patch import SceneReader
from geoseg.raster.resample import ResampledScene
from geoseg.raster.scene import Scene, SceneSource
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTask:
    """Everything needed to decide any block of a scene; the same block gives the same bytes anywhere."""

    source: SceneSource
    """The scene."""

    engine: EngineChoice
    """The network."""

    rule: DecisionRule
    """How a pixel gets its class."""

    grid: TileGrid
    """The lattice, on the pixels the model sees."""

    factor: float
    """Side of a pixel the model sees, in scene pixels."""

    on_scene_grid: bool
    """True where blocks are on the scene's own grid although the model sees another."""

    batch_size: int | None
    """Tiles a call of the network; None leaves it to the device."""

    def __call__(self, block: Window) -> Decision:
        """Decide the pixels of a block."""
        return joined(self.parts(block))

    def parts(self, block: Window) -> Iterator[Decision]:
        """The same, in full-width rows from top to bottom."""
        engine = engine_for(self.engine)
        with one_thread(), Scene(self.source) as scene:
            if self.factor != 1 and self.on_scene_grid:
                yield from self._regridded(scene, block, engine)
            else:
                seen = scene if self.factor == 1 else ResampledScene(scene, self.factor)
                yield from decisions(seen, self._tiled(block), engine, self.rule, batch_size=self._size(engine))

    def _regridded(self, scene: SceneReader, block: Window, engine: Engine) -> Iterator[Decision]:
        """On the scene's own grid, from probabilities on the one that the model sees."""
        seen = ResampledScene(scene, self.factor)
        part = window_on_model_grid(block, self.grid.scene, factor=self.factor)
        found = strips(seen, self._tiled(part), engine, batch_size=self._size(engine))
        with Scene(self.source) as own:
            for strip in regrid(found, own, block=block, factor=self.factor):
                yield decide(strip, self.rule)

    def _tiled(self, block: Window) -> TiledBlock:
        return TiledBlock(grid=self.grid, window=block)

    def _size(self, engine: Engine) -> int:
        return self.batch_size or default_batch_size(engine.device, self.grid.tile)


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
