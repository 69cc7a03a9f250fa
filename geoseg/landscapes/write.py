"""Landscapes as GeoTIFFs: a scene and its labels, block by block. Knows nothing of how land is drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioIOError

from geoseg.classes import NODATA_ID
from geoseg.errors import ConfigError, OutputError
from geoseg.landscapes.render import Landscape, render
from geoseg.landscapes.spec import LANDSCAPE_BANDS, LANDSCAPE_CLASSES, LandscapeSpec
from geoseg.window import Window

_STORAGE_BLOCK = 256


def write_landscape(spec: LandscapeSpec, scene_path: Path, labels_path: Path, *, block_rows: int = 512) -> None:
    """Write a scene (nodata 0) and its labels (nodata 255), with memory that follows the block.

    Both files appear complete or not at all.

    Args:
        spec: what to draw.
        scene_path: where the 4-band GeoTIFF goes; a file of that name is replaced.
        labels_path: where the class raster goes, likewise.
        block_rows: rows drawn at a time, px; has no effect on the pixels.

    Raises:
        ConfigError: if the CRS or `block_rows` cannot be.
        OutputError: if a file cannot be written.
    """
    if block_rows <= 0:
        raise ConfigError(f"block rows is {block_rows}: give at least 1")
    georef = spec.georef
    shared = {
        "driver": "GTiff",
        "height": spec.height,
        "width": spec.width,
        "crs": georef.crs,
        "transform": georef.transform,
        "tiled": True,
        "blockxsize": _STORAGE_BLOCK,
        "blockysize": _STORAGE_BLOCK,
        "compress": "deflate",
        "zlevel": 4,
        "predictor": 2,
        "bigtiff": "if_safer",
    }
    partial = [path.with_name(f".{path.stem}-{os.getpid()}.partial.tif") for path in (scene_path, labels_path)]
    try:
        with ExitStack() as stack:
            scene = stack.enter_context(rasterio.open(
                partial[0], "w", count=4, dtype=spec.dtype, nodata=0, photometric="rgb", **shared
            ))  # fmt: skip
            labels = stack.enter_context(rasterio.open(
                partial[1], "w", count=1, dtype="uint8", nodata=NODATA_ID, **shared
            ))  # fmt: skip
            _describe(scene, labels, spec)
            for window, drawn in _blocks(spec, block_rows):
                place = rasterio.windows.Window(window.col, window.row, window.width, window.height)
                scene.write(drawn.image, window=place)
                labels.write(drawn.class_ids, 1, window=place)
        for path, target in zip(partial, (scene_path, labels_path), strict=True):
            os.replace(path, target)  # noqa: PTH105 - the atomic rename, by its name
    except (OSError, RasterioIOError) as error:
        raise OutputError(f"{scene_path.parent}: cannot write the landscape: {error}") from error
    finally:
        for path in partial:
            path.unlink(missing_ok=True)


def _blocks(spec: LandscapeSpec, block_rows: int) -> Iterator[tuple[Window, Landscape]]:
    for top in range(0, spec.height, block_rows):
        window = Window.between(top, min(top + block_rows, spec.height), 0, spec.width)
        yield window, render(spec, window)


def _describe(scene: Any, labels: Any, spec: LandscapeSpec) -> None:  # noqa: ANN401 - rasterio has no types
    scene.descriptions = LANDSCAPE_BANDS
    scene.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.nir)
    if np.dtype(spec.dtype) == np.uint16:
        scene.scales = (1e-4,) * len(LANDSCAPE_BANDS)
    scene.update_tags(LANDSCAPE_SEED=str(spec.seed), LANDSCAPE_GSD=f"{spec.gsd:g}")
    labels.descriptions = ("class",)
    labels.write_colormap(1, LANDSCAPE_CLASSES.colour_table())
    labels.update_tags(**{f"CLASS_{entry.id}": entry.name for entry in LANDSCAPE_CLASSES.classes})
