"""How far maps of tiles are from one pass over the whole scene, at the joints of tiles and elsewhere.

    python -m benchmarks.overlap_agreement [--model landcover-rgb] [--tilings auto,768/64,512/128] [SCENE ...]

Of each scene the largest square at its upper left is mapped by `geoseg.predict_scene` with the tilings asked for, and
once with one tile that holds all of it: beyond the scene a tile is filled with its reflection, which one pass over the
scene does not see, so the tile must not be much larger. Without scenes: those of GEOSEG_DATA that the model fits.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

import geoseg
from geoseg.classes import NODATA_ID
from geoseg.config.predict import TILE_MULTIPLE, PredictSettings
from geoseg.predict.plan import plan_prediction
from geoseg.tiling.grid import TileGrid

_SCENES = ("scenes/banepa_large_rgb.tif", "buildings/massachusetts_rgb.tif", "buildings/banepa_rgb.tif")
_NEAR = 64  # px on either side of the middle of an overlap
_COLUMNS = ("scene", "tiles", "computed / scene", "joints, % of pixels", "differ, %", "at joints, %", "elsewhere, %")


def square(scene: Path, folder: Path, side: int | None) -> Path:
    """The upper left of a scene, px of the file."""
    with rasterio.open(scene) as source:
        side = min(source.height, source.width, side or source.width)
        pixels = source.read(window=Window(0, 0, side, side))
        kept = {"crs": source.crs, "transform": source.transform, "count": source.count, "dtype": source.dtypes[0]}
        made = folder / f"{scene.stem}_{side}.tif"
        with rasterio.open(made, "w", driver="GTiff", height=side, width=side, tiled=True, **kept) as target:
            target.write(pixels)
            target.colorinterp = source.colorinterp
    return made


def at_joints(grid: TileGrid) -> NDArray[np.bool_]:
    """(height, width), True within 64 px of where one tile takes over from another."""
    near = np.zeros((grid.height, grid.width), dtype=np.bool_)
    for row in list(grid.row_origins(grid.scene))[1:]:
        near[_around(row, grid)] = True
    for col in list(grid.col_origins(grid.scene))[1:]:
        near[:, _around(col, grid)] = True
    return near


def _around(origin: int, grid: TileGrid) -> slice:
    middle = origin + grid.overlap // 2
    return slice(max(0, middle - _NEAR), middle + _NEAR)


def options_of(tiling: str, model: str, engine: str) -> dict[str, object]:
    """Of a run: "auto", or "tile/overlap"."""
    options: dict[str, object] = {"model": model, "engine": engine, "precision": "fp32", "vector": False}
    if tiling != "auto":
        tile, overlap = map(int, tiling.split("/"))
        options |= {"tile": tile, "overlap": overlap}
    return options


def labels_of(scene: Path, options: dict[str, object]) -> tuple[NDArray[np.uint8], TileGrid]:
    """The map of a scene, and the tiles that it was made of."""
    grid = plan_prediction(scene, PredictSettings.model_validate(options)).grid
    with tempfile.TemporaryDirectory() as folder:
        made = geoseg.predict_scene(scene, folder, **options)
        with rasterio.open(made.class_raster) as dataset:
            return dataset.read(1), grid


def compared(scene: Path, tilings: list[str], model: str, engine: str) -> list[list[str]]:
    """Rows of the table."""
    seen = plan_prediction(scene, PredictSettings.model_validate({"model": model})).grid
    side = -(-max(seen.height, seen.width) // TILE_MULTIPLE) * TILE_MULTIPLE
    whole, _ = labels_of(scene, options_of(f"{side}/0", model, engine))
    rows = []
    for tiling in tilings:
        labels, grid = labels_of(scene, options_of(tiling, model, engine))
        near, counts = at_joints(grid), whole != NODATA_ID
        differs = labels != whole
        parts = [counts, counts & near, counts & ~near]
        shown = [f"{100 * differs[part].mean():.2f}" if part.any() else "-" for part in parts]
        ratio = grid.computed_pixels() / (grid.height * grid.width)
        what = f"{grid.tile}/{grid.overlap}" + (" (auto)" if tiling == "auto" else "")
        rows.append([scene.stem, what, f"{ratio:.2f}", f"{100 * near[counts].mean():.1f}", *shown])
        click.echo(f"| {' | '.join(rows[-1])} |")
    return rows


@click.command()
@click.argument("scenes", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option("--model", default="landcover-rgb", help="Packaged name, folder or zip.")
@click.option("--tilings", default="auto,768/64,512/64,512/128", help="auto or tile/overlap, separated by commas.")
@click.option("--side", type=int, help="Of the squares, px of the files; the largest where not given.")
@click.option("--engine", default="torch", help="As of geoseg predict.")
def main(scenes: tuple[Path, ...], model: str, tilings: str, engine: str, side: int | None) -> None:
    """Print a table."""
    data = Path(os.environ.get("GEOSEG_DATA", "../shared/data"))
    wanted = scenes or tuple(data / name for name in _SCENES if (data / name).exists())
    click.echo(f"| {' | '.join(_COLUMNS)} |\n|{'--|' * len(_COLUMNS)}")
    with tempfile.TemporaryDirectory() as folder:
        for scene in wanted:
            compared(square(scene, Path(folder), side), tilings.split(","), model, engine)


if __name__ == "__main__":
    main()
