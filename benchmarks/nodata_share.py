"""Pixels computed for each pixel of a scene most of which is nodata, with the tiles of a packaged model.

    python -m benchmarks.nodata_share [--model landcover-rgb] [--side 8192] [--valid 0.4]

The tiles, and the parts of them, are those that a run gives to its engine; no network runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import torch
from affine import Affine
from numpy.typing import NDArray

from geoseg.config.predict import PredictSettings
from geoseg.georef import GeoRef
from geoseg.inference.batches import TiledBlock, tiles
from geoseg.inference.engine import Engine
from geoseg.inference.trimming import TrimmingEngine
from geoseg.models.zoo import find_model, read_card
from geoseg.predict.overlap import Tiling, tiling_of
from geoseg.raster.patch import Patch
from geoseg.window import Window

_ASKED = ((256, 32), (512, 64), (512, 128), (768, 64), (1024, 64))
_SLANT = 0.2  # columns that the swath moves to the left with each row, as orbits do on a map
_STORED = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedScene:
    """A scene of one empty band, whose valid pixels are given."""

    valid: NDArray[np.bool_]
    georef: GeoRef
    bands: tuple[str, ...] = ("grey",)
    dtype: str = "uint8"
    storage_rows: int = _STORED

    def read(self, window: Window) -> Patch:
        valid = self.valid[window.row : window.bottom, window.col : window.right]
        return Patch(image=np.zeros((1, *valid.shape), dtype=np.uint8), valid=valid, window=window)


def swath(side: int, share: float) -> NDArray[np.bool_]:
    """A slanted parallelogram from the upper to the lower edge."""
    rows, cols = np.arange(side)[:, None], np.arange(side)[None, :]
    width = share * side
    left = (side - width) / 2 + _SLANT * (side / 2 - rows)
    return (cols >= left) & (cols < left + width)


def turned(side: int, share: float) -> NDArray[np.bool_]:
    """A square, turned as pictures from polar orbits are on a map."""
    down, across = np.arange(side)[:, None] - side / 2, np.arange(side)[None, :] - side / 2
    angle = np.arctan(_SLANT)
    half = np.sqrt(share) * side / 2
    along = np.abs(np.cos(angle) * down + np.sin(angle) * across) < half
    return along & (np.abs(np.cos(angle) * across - np.sin(angle) * down) < half)


def patches(side: int, share: float) -> NDArray[np.bool_]:
    """Discs of 300 to 900 px, anywhere, until so much is covered."""
    rng = np.random.default_rng(4)
    valid = np.zeros((side, side), dtype=np.bool_)
    while valid.mean() < share:
        row, col, radius = rng.uniform(0, side), rng.uniform(0, side), rng.uniform(150, 450)
        top, left = max(0, int(row - radius)), max(0, int(col - radius))
        part = valid[top : int(row + radius) + 1, left : int(col + radius) + 1]
        down, across = np.arange(top, top + part.shape[0])[:, None], np.arange(left, left + part.shape[1])[None, :]
        part |= (down - row) ** 2 + (across - col) ** 2 <= radius**2
    return valid


@dataclass
class CountingEngine:
    """Counts the pixels of the tiles that it is asked for."""

    pixels: int = 0
    classes: int = 1
    threads: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        self.pixels += usable.size
        return torch.ones((1, 1, *images.shape[2:]))


def computed(tiling: Tiling, valid: NDArray[np.bool_], *, compiles: bool) -> int:
    """Pixels that an engine is asked for; one that compiles each shape is asked for few shapes."""
    side = len(valid)
    grid, counting = tiling.grid(height=side, width=side), CountingEngine()
    scene = MaskedScene(valid=valid, georef=_grid_of(side))
    engine: Engine = counting
    if tiling.trim:
        step = tiling.edge_step if compiles else tiling.trim
        engine = TrimmingEngine(counting, step=step, along_both=not compiles)
    for tile in tiles(scene, TiledBlock(grid=grid, window=grid.scene)):
        engine.probabilities(tile.image[np.newaxis], tile.usable[np.newaxis])
    return counting.pixels


def _grid_of(side: int) -> GeoRef:
    return GeoRef(crs=None, transform=Affine(0.6, 0, 0, 0, -0.6, 0), height=side, width=side)


def tilings(model: str, side: int) -> dict[str, Tiling]:
    """What to try: the default, and what may be asked for."""
    path = find_model(model)
    card = read_card(path)
    tried = {"default": PredictSettings(model=model)}
    tried |= {f"{tile}/{overlap}": PredictSettings(model=model, tile=tile, overlap=overlap) for tile, overlap in _ASKED}
    return {name: tiling_of(card, settings, path, height=side, width=side) for name, settings in tried.items()}


@click.command()
@click.option("--model", default="landcover-rgb", help="Packaged name, folder or zip.")
@click.option("--side", default=8192, help="Of the scene, px.")
@click.option("--valid", default=0.4, help="Share of its pixels that are valid.")
def main(model: str, side: int, valid: float) -> None:
    """Print a table."""
    masks = {made.__name__: made(side, valid) for made in (swath, turned, patches)}
    masks["all valid"] = np.ones((side, side), dtype=np.bool_)
    shares = [f"{name} ({mask.mean():.2f})" for name, mask in masks.items()]
    click.echo(f"| tiles of {Path(model).name} | {' | '.join(shares)} |\n|{'--|' * (len(masks) + 1)}")
    for name, tiling in tilings(model, side).items():
        engines = {" with torch": False, " with others": True} if tiling.trim else {"": False}
        for engine, compiles in engines.items():
            shown = [f"{computed(tiling, mask, compiles=compiles) / side**2:.3f}" for mask in masks.values()]
            click.echo(f"| {name}: {tiling.tile}/{tiling.overlap}{engine} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
