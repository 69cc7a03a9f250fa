"""One block of a scene: tiles in, finished strips of probabilities out."""

from __future__ import annotations

from collections.abc import Iterator

from geoseg.inference.batches import batches, read_ahead
from geoseg.inference.engine import Engine
from geoseg.raster.patch import SceneReader
from geoseg.tiling.blend import RowBlender, Strip
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window


def segment(scene: SceneReader, grid: TileGrid, engine: Engine, *, block: Window, batch_size: int) -> Iterator[Strip]:
    """Finished strips of a block, top to bottom, together exactly the block.

    Their bits do not depend on the block: every pixel adds the same tiles in the same order, from batches of one
    shape. Reading, computing and blending overlap: each works one batch ahead of the next.

    Args:
        scene: read on the grid.
        grid: the lattice of tiles over the scene.
        engine: gives the probabilities.
        block: the part wanted, inside the scene.
        batch_size: tiles a call of the engine.
    """
    blender = RowBlender(grid, block, classes=engine.classes, device=engine.device)
    coming = list(grid.row_origins(block))
    computed = (
        (batch, engine.probabilities(batch.images, batch.usable))
        for batch in batches(scene, grid, block=block, batch_size=batch_size)
    )
    for batch, probabilities in read_ahead(computed):
        for place, tile in enumerate(batch.tiles):
            while coming and coming[0] <= tile.window.row:
                yield from blender.finish(coming.pop(0))
            blender.add(tile.window, probabilities[place], tile.valid)
    for row in [*coming, block.bottom]:
        yield from blender.finish(row)
