"""Landscapes as files: a scene and its labels, block by block; polygons. Knows nothing of how land is drawn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyogrio
import pyproj
import rasterio
import shapely
from pyogrio.errors import DataSourceError
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioIOError
from rasterio.features import shapes

from geoseg.classes import NODATA_ID
from geoseg.errors import ConfigError, OutputError
from geoseg.landscapes.render import Landscape, render
from geoseg.landscapes.spec import LANDSCAPE_BANDS, LANDSCAPE_CLASSES, LandscapeSpec
from geoseg.raster.staging import Staging
from geoseg.window import Window

_STORAGE_BLOCK = 256
_GEOMETRY = "geom"
_DEGREES = "EPSG:4326"


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


def write_label_polygons(labels_path: Path, output: Path) -> None:
    """Write the labels of a landscape as polygons in degrees (EPSG:4326), whatever the CRS of the raster.

    The layer `labels` has a polygon for each region, with its class name in `class`. Burnt on the grid of the raster
    the polygons give back its pixels. The whole raster is in memory.

    Args:
        labels_path: what `write_landscape` wrote.
        output: the GeoPackage; a file of that name is replaced when the new one is whole.

    Raises:
        OutputError: if the raster cannot be read or the file cannot be written.
    """
    try:
        geometries, names = _regions(labels_path)
    except RasterioIOError as error:
        raise OutputError(f"{labels_path}: cannot be read: {error}") from error
    field = pa.field(_GEOMETRY, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    table = pa.table(
        [pa.array(names, pa.string()), pa.array(shapely.to_wkb(geometries), pa.binary())],
        schema=pa.schema([pa.field("class", pa.string()), field]),
    )
    with Staging(output.parent, [output.name], overwrite=True) as staging:
        try:
            pyogrio.write_arrow(
                table,
                staging.path(output.name),
                driver="GPKG",
                layer="labels",
                geometry_name=_GEOMETRY,
                geometry_type="Polygon",
                crs=_DEGREES,
            )
        except (DataSourceError, RuntimeError) as error:
            raise OutputError(f"{output}: cannot be written: {' '.join(str(error).split())}") from error
        staging.commit()


def _regions(labels_path: Path) -> tuple[list[shapely.Geometry], list[str]]:
    """Polygons in degrees around pixels of one class that touch, and their classes."""
    with rasterio.open(labels_path) as labels:
        class_ids = labels.read(1)
        found = [
            (shapely.geometry.shape(outline), int(class_id))
            for outline, class_id in shapes(class_ids, class_ids != NODATA_ID, transform=labels.transform)
        ]
        to_degrees = pyproj.Transformer.from_crs(labels.crs.to_wkt(), _DEGREES, always_xy=True)
    name_of = {entry.id: entry.name for entry in LANDSCAPE_CLASSES.classes}
    corners = np.array([geometry for geometry, _ in found], dtype=object)
    moved = shapely.transform(corners, lambda xy: np.column_stack(to_degrees.transform(*xy.T)))
    return list(moved), [name_of[class_id] for _, class_id in found]
