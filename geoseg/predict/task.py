"""The work of one block, as a value that travels to wherever it is computed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from geoseg.georef import GeoRef
from geoseg.inference.batches import TiledBlock, reflected
from geoseg.inference.decide import Decision, DecisionRule, decide
from geoseg.inference.engine import Engine, default_batch_size
from geoseg.inference.regrid import regrid, window_on_model_grid
from geoseg.inference.segment import decisions, strips
from geoseg.predict.engines import EngineChoice, engine_for
from geoseg.predict.layers import BlockMaker, FinishedBlock
from geoseg.predict.work import Meter, MeteredEngine, MeteredScene
from geoseg.raster.area import AreaOfInterest, AreaOnGrid
from geoseg.raster.patch import SceneReader
from geoseg.raster.resample import ResampledScene, axis_weights
from geoseg.raster.scene import Scene, SceneSource
from geoseg.raster.tolerant import TolerantScene
from geoseg.raster.watch import Watch
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

    output: GeoRef
    """The grid of blocks."""

    factor: float
    """Side of a pixel the model sees, in scene pixels."""

    regrids: bool
    """True where blocks are on the scene's own grid although the model sees another."""

    batch_size: int | None
    """Tiles a call of the network; None leaves it to the device."""

    tolerant: bool = False
    """True where pixels that cannot be read are nodata."""

    area: AreaOfInterest | None = None
    """What is to be decided; None = everything."""

    corner: tuple[int, int] = (0, 0)
    """Row and column where the grid of blocks begins, on the grid that it is cut from."""

    def __call__(self, block: Window) -> FinishedBlock:
        """Decide the pixels of a block."""
        meter = Meter()
        with self.maker(block) as maker:
            for part in self.parts(block, meter):
                with meter.spent("write"):
                    maker.add(part)
            return self.finished(maker, block, meter)

    def maker(self, block: Window) -> BlockMaker:
        """What takes the parts of a block."""
        classes = self.rule.classes
        return BlockMaker(block, self.output, classes, planes=len(classes) if self.rule.with_probabilities else 0)

    def finished(self, maker: BlockMaker, block: Window, meter: Meter) -> FinishedBlock:
        """A block all of whose parts were made while `meter` measured."""
        seen, watch = self.seen(block), meter.watch
        with meter.spent("write"):
            made = maker.finish(seen=seen, digest=watch.digest_of(seen), lost=watch.lost_in(seen))
        return replace(made, work=meter.work_above(self.on_grid(block).bottom))

    def parts(self, block: Window, meter: Meter) -> Iterator[Decision]:
        """The pixels of a block, in full-width rows from top to bottom."""
        engine, (down, across) = MeteredEngine(engine_for(self.engine), meter), self.corner
        placed = moved(block, down, across)
        with one_thread(), Scene(self.source) as scene:
            watched = self._watched(scene, meter)
            if self.regrids:
                made = self._regridded(watched, placed, engine, meter)
            else:
                seen = watched if self.factor == 1 else ResampledScene(watched, self.factor)
                tiled = self._tiled(placed, seen.georef, meter)
                made = decisions(seen, tiled, engine, self.rule, batch_size=self._size(engine))
            for decision in made:
                yield replace(decision, window=moved(decision.window, -down, -across))

    def readable(self, scene: SceneReader, watch: Watch) -> SceneReader:
        """The scene, of which pixels that cannot be read are nodata if the task is tolerant."""
        return TolerantScene(scene, watch) if self.tolerant else scene

    def _watched(self, scene: SceneReader, meter: Meter) -> SceneReader:
        return MeteredScene(self.readable(scene, meter.watch), meter)

    def on_grid(self, block: Window) -> Window:
        """Where a block lies on the pixels that the model sees."""
        placed = moved(block, *self.corner)
        return window_on_model_grid(placed, self.grid.scene, factor=self.factor) if self.regrids else placed

    def seen(self, block: Window) -> tuple[Window, ...]:
        """The pixels of the scene that decide about a block, in the columns in which they are read."""
        below = self._below(_under_tiles(self.grid, self.on_grid(block)))
        return (below, moved(block, *self.corner)) if self.regrids else (below,)

    def tiles_under(self, block: Window) -> int:
        """How many tiles of the lattice touch a block."""
        placed = self.on_grid(block)
        return len(self.grid.row_origins(placed)) * len(self.grid.col_origins(placed))

    def _below(self, window: Window) -> Window:
        """What pixels of the grid that the model sees are made from."""
        if self.factor == 1:
            return window
        scene = self.source.georef
        rows, top = axis_weights(window.row, window.bottom, self.factor, scene.height)
        cols, left = axis_weights(window.col, window.right, self.factor, scene.width)
        return Window.between(top, top + rows.shape[1], left, left + cols.shape[1])

    def _regridded(self, scene: SceneReader, block: Window, engine: Engine, meter: Meter) -> Iterator[Decision]:
        """On the scene's own grid, from probabilities on the one that the model sees."""
        seen = ResampledScene(scene, self.factor)
        part = window_on_model_grid(block, self.grid.scene, factor=self.factor)
        found = strips(seen, self._tiled(part, seen.georef, meter), engine, batch_size=self._size(engine))
        wanted = None if self.area is None else self.area.on(self.source.georef)
        with Scene(self.source) as own:
            for strip in regrid(found, self._watched(own, meter), block=block, factor=self.factor):
                valid = strip.valid if wanted is None else strip.valid & wanted(strip.window)
                yield decide(replace(strip, valid=valid), self.rule)

    def _tiled(self, block: Window, georef: GeoRef, meter: Meter) -> TiledBlock:
        """The tiles of a block on the grid that the model sees, which is that of `georef`."""
        if self.area is None:
            return TiledBlock(grid=self.grid, window=block, saw=meter.saw)
        margin = math.ceil(max(1.0, 1 / self.factor)) + 1 if self.regrids else 0  # of which a pixel of blocks is made
        return TiledBlock(grid=self.grid, window=block, wanted=AreaOnGrid(self.area, georef, margin), saw=meter.saw)

    def _size(self, engine: Engine) -> int:
        return self.batch_size or default_batch_size(engine.device, self.grid.tile)


def moved(window: Window, down: int, across: int) -> Window:
    """A window of the same size, some pixels further down and to the right."""
    return replace(window, row=window.row + down, col=window.col + across)


def _under_tiles(grid: TileGrid, block: Window) -> Window:
    """The pixels of a scene that the tiles of a block show, reflected ones too."""
    down, across = grid.row_origins(block), grid.col_origins(block)
    last = grid.window(down[-1], across[-1])
    rows, cols = reflected(down[0], last.bottom, grid.height), reflected(across[0], last.right, grid.width)
    return Window.between(int(rows.min()), int(rows.max()) + 1, int(cols.min()), int(cols.max()) + 1)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on this thread alone, as for blending and deciding.

    The sums there are too small to share: on a busy machine torch's threads wait for one another a hundred times longer
    than they add.
    """
    with threads_at_a_time(1):
        yield


@contextmanager
def threads_at_a_time(count: int | None) -> Iterator[None]:
    """So many threads for torch, and for engines made meanwhile; None leaves them as they are."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
