"""One block of a scene: tiles in, finished rows of decisions or of probabilities out."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

import numpy as np
import torch

from geoseg.ahead import in_order, read_ahead
from geoseg.inference.batches import Tile, TiledBlock, batches, tiles
from geoseg.inference.cuda import Handover, beside
from geoseg.inference.decide import Decision, DecisionRule, decide
from geoseg.inference.engine import Engine
from geoseg.inference.frame import ComputedTile, Deciding, Summing, finished_rows
from geoseg.raster.patch import SceneReader
from geoseg.tiling.blend import RowBlender, Strip

_WAITING = 2


def decisions(
    scene: SceneReader, block: TiledBlock, engine: Engine, rule: DecisionRule, *, batch_size: int
) -> Iterator[Decision]:
    """Decided rows of a block, top to bottom, together exactly the block.

    Their bits do not depend on the block: every pixel adds the same tiles in the same order. Reading, computing,
    blending and deciding overlap.

    Args:
        scene: read on the grid.
        block: the part wanted.
        engine: gives the probabilities.
        rule: how a pixel gets its class.
        batch_size: tiles a call of the engine; on a CPU it is one.
    """
    if _blends_here(engine):
        with closing(_computed(scene, block, engine)) as computed:
            yield from finished_rows(computed, block, engine.classes, Deciding(rule))
    else:
        for strip in _strips_on_device(scene, block, engine, batch_size):
            yield decide(strip, rule)


def strips(scene: SceneReader, block: TiledBlock, engine: Engine, *, batch_size: int) -> Iterator[Strip]:
    """The same, as probabilities."""
    if _blends_here(engine):
        with closing(_computed(scene, block, engine)) as computed:
            yield from finished_rows(computed, block, engine.classes, Summing(engine.classes))
    else:
        yield from _strips_on_device(scene, block, engine, batch_size)


def _blends_here(engine: Engine) -> bool:
    """True where the probabilities lie in this machine's memory."""
    return engine.device.type == "cpu"


def _computed(scene: SceneReader, block: TiledBlock, engine: Engine) -> Generator[ComputedTile, None, None]:
    """Tiles as they come from the engine, one at a time on each of its threads."""

    def compute(tile: Tile) -> ComputedTile:
        found = engine.probabilities(tile.image[np.newaxis], tile.usable[np.newaxis])
        probabilities = np.ascontiguousarray(found[0].numpy())
        return ComputedTile(window=tile.window, probabilities=probabilities, valid=tile.valid)

    with closing(tiles(scene, block)) as every:
        yield from in_order(compute, every, workers=engine.threads, ahead=_WAITING, begin=_alone)


def _alone() -> None:
    """Torch's own threads would fight with ours for the same cores."""
    torch.set_num_threads(1)


def _strips_on_device(scene: SceneReader, block: TiledBlock, engine: Engine, batch_size: int) -> Iterator[Strip]:
    """Blended where the probabilities are, beside the network, which does not wait for it."""
    blender = RowBlender(block.grid, block.window, classes=engine.classes, device=engine.device)
    coming = list(block.grid.row_origins(block.window))
    computed = (
        (batch, Handover(engine.probabilities(batch.images, batch.usable)))
        for batch in batches(scene, block, batch_size=batch_size)
    )
    with beside(engine.device):
        for batch, found in read_ahead(computed):
            probabilities = found.taken()
            for place, tile in enumerate(batch.tiles):
                while coming and coming[0] <= tile.window.row:
                    yield from blender.finish(coming.pop(0))
                height, width = tile.window.shape
                blender.add(tile.window, probabilities[place, :, :height, :width], tile.valid)
        for row in [*coming, block.window.bottom]:
            yield from blender.finish(row)
