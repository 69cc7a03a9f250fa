"""From a class raster to a GeoPackage: regions, mapping unit, polygons, file.

The raster is read twice by blocks. What is in memory is a block, the table of regions with their borders, and the
outlines of the regions that are not yet complete.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from geoseg.classes import ClassMap
from geoseg.errors import SceneError
from geoseg.vector.blocks import BLOCK_ROWS, ClassSource, LabelScratch
from geoseg.vector.generalize import generalize
from geoseg.vector.geopackage import CLASS_COLUMN, SCHEMA, write_geopackage
from geoseg.vector.polygonize import Polygons, polygonize
from geoseg.vector.regions import RegionTable, find_regions
from geoseg.vector.style import polygon_style
from geoseg.vector.summary import PERCENT, ClassSummary, summarize
from geoseg.window import Window

__all__ = ["ClassSummary", "vectorize"]


def vectorize(
    class_raster: Path,
    confidence: Path,
    out: Path,
    *,
    classes: ClassMap,
    mapping_unit: float,
    progress: Callable[[int, int], None] | None = None,
) -> list[ClassSummary]:
    """Turn a class raster into polygons in a GeoPackage.

    Args:
        class_raster: class ids of the legend; 255 is nodata.
        confidence: percent, on the same grid.
        out: the GeoPackage; a file there is replaced. Scratch files stand beside it meanwhile.
        classes: the legend.
        mapping_unit: smallest area kept, m² on the ground, or pixels without a CRS; 0 keeps all.
        progress: is told rows done and rows to do; every row counts twice, once for each reading.

    Returns:
        What there is of each class, in the order of the legend.

    Raises:
        SceneError: if a raster cannot be read, does not fit the other, or holds an unknown class.
        OutputError: if the GeoPackage or a scratch file cannot be written.
    """
    with (
        ClassSource(class_raster, confidence) as source,
        tempfile.TemporaryDirectory(prefix=".geoseg-", dir=out.parent) as folder,
        LabelScratch(Path(folder) / "labels.tif", source.georef) as scratch,
    ):
        tell = _Rows(2 * source.georef.height, progress)
        regions = find_regions(source.blocks(BLOCK_ROWS, tell), scratch.write)
        _refuse_unknown_classes(class_raster, regions.table, classes)
        scale = 1.0 if regions.table.areas is None else source.area_scale
        table, new_ids = generalize(regions.table, regions.borders, math.ceil(mapping_unit * scale))
        region_of_label = new_ids[regions.ids]
        blocks = (region_of_label[labels] for labels in scratch.blocks(BLOCK_ROWS, tell))
        polygons = polygonize(blocks, table.bottoms, source.georef.transform)
        summaries = summarize(table, classes, scale)
        write_geopackage(
            out,
            _batches(polygons, table, classes, scale),
            crs=source.georef.crs,
            summaries=summaries,
            style=polygon_style(classes, CLASS_COLUMN),
        )
    return summaries


class _Rows:
    """Counts the rows that are done."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._total = total
        self._done = 0
        self._progress = progress

    def __call__(self, window: Window) -> None:
        self._done += window.height
        if self._progress is not None:
            self._progress(self._done, self._total)


def _refuse_unknown_classes(path: Path, table: RegionTable, classes: ClassMap) -> None:
    unknown = set(np.unique(table.class_ids).tolist()) - set(classes.ids)
    if unknown:
        raise SceneError(f"{path}: holds class {min(unknown)}, which is not in the legend: give its own legend")


def _batches(
    polygons: Iterable[Polygons], table: RegionTable, classes: ClassMap, area_scale: float
) -> Iterator[pa.RecordBatch]:
    """Rows of the layer."""
    names = np.empty(256, dtype=object)
    names[list(classes.ids)] = classes.names
    for part in polygons:
        at = part.region_ids - 1
        columns: list[NDArray[np.generic] | list[None]] = [
            table.class_ids[at].astype(np.int16),
            names[table.class_ids[at]],
            [None] * len(at) if table.areas is None else table.areas[at] / area_scale,
            table.pixels[at],
            table.confidence_sums[at] / table.pixels[at] / PERCENT,
            part.region_ids.astype(np.int64),
            shapely.to_wkb(part.geometries, flavor="iso"),
        ]
        arrays = [pa.array(column, type=field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
