"""Probabilities or logits: which to blend where tiles overlap (decision 0001).

Both are blended with the same weights over scenes with labels; the tables give mean IoU for several overlaps.

    python -m benchmarks.blend_of_logits --model landcover-rgb SCENE LABELS [SCENE LABELS ...]
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import rasterio
import torch
from numpy.typing import NDArray

from geoseg.data.confusion import ConfusionMatrix
from geoseg.inference.batches import TiledBlock
from geoseg.inference.engine import TorchEngine
from geoseg.inference.segment import strips
from geoseg.models.zoo import load_model
from geoseg.raster.scene import open_scene
from geoseg.tiling.grid import TileGrid


class LogitsEngine:
    """An engine whose output is not yet a probability."""

    def __init__(self, engine: TorchEngine) -> None:
        self._engine = engine
        self.classes, self.device = engine.classes, engine.device

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """Logits up to a constant for each pixel: the logarithm of the probabilities, centred."""
        logits = self._engine.probabilities(images, usable).clamp_min(1e-12).log()
        return logits - logits.mean(dim=1, keepdim=True)


@click.command()
@click.option("--model", default="landcover-rgb", help="Model package.")
@click.option("--tile", default=256, help="Side of a tile, px.")
@click.argument("files", nargs=-1, required=True)
def main(model: str, tile: int, files: tuple[str, ...]) -> None:
    """Print a table: overlap, mean IoU of blended probabilities and of blended logits."""
    package = load_model(model)
    engine = TorchEngine(package, dtype="uint8")
    torch.set_num_threads(1)
    index_of = package.classes.indices_of_ids()
    click.echo(f"| overlap of {tile} px | probabilities | logits | labels that differ |\n|--|--|--|--|")
    for overlap in (32, 64, 128):
        matrices = [ConfusionMatrix.empty(len(package.classes))] * 2
        differing = pixels = 0
        for scene, labels in zip(files[::2], files[1::2], strict=True):
            with rasterio.open(labels) as dataset:
                reference = index_of[dataset.read(1)]
            maps = [mapped(Path(scene), package.bands, each, tile, overlap) for each in (engine, LogitsEngine(engine))]
            differing += int((maps[0] != maps[1]).sum())
            pixels += maps[0].size
            matrices = [matrix.add(reference, found) for matrix, found in zip(matrices, maps, strict=True)]
        scores = " | ".join(f"{matrix.mean_iou:.4f}" for matrix in matrices)
        click.echo(f"| {overlap} | {scores} | {100 * differing / pixels:.2f} % |")


def mapped(
    scene: Path, bands: tuple[str, ...], engine: TorchEngine | LogitsEngine, tile: int, overlap: int
) -> NDArray[np.uint8]:
    """Class indices of a whole scene."""
    numbers = [str(position) for position, _ in enumerate(bands, start=1)]
    with open_scene(scene, bands=numbers) as opened:
        grid = TileGrid(height=opened.georef.height, width=opened.georef.width, tile=tile, overlap=overlap)
        found = strips(opened, TiledBlock(grid=grid, window=grid.scene), engine, batch_size=1)
        return np.concatenate([strip.probabilities.argmax(0).numpy().astype(np.uint8) for strip in found])


if __name__ == "__main__":
    main()
