"""Where two maps differ: polygons by what became what, in a GeoPackage with the matrix beside them."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geoseg.ahead import in_order
from geoseg.classes import NODATA_ID, ClassMap
from geoseg.errors import LabelError
from geoseg.evaluation.change import ChangeMatrix, Progress, blocks, codes
from geoseg.evaluation.map_pair import MapPair
from geoseg.vector.arcs import Arcs, trace_arcs
from geoseg.vector.columns import GEOMETRY, batch_of
from geoseg.vector.layers import Layer, Table
from geoseg.vector.outlines import Outlines
from geoseg.vector.polygonize import link_arcs, to_wkb
from geoseg.vector.regions import RegionBlock, Regions, find_regions
from geoseg.vector.rings import Outliner
from geoseg.vector.run_table import RunRecord, run_table
from geoseg.vector.style import polygon_style
from geoseg.vector.vector_file import write_vector
from geoseg.window import Window

LAYER = "changes"
"""The layer of polygons."""

MATRIX = "change_matrix"
"""The table of all transitions."""

_CHANGE = "change_id"
_SCHEMA = pa.schema(
    [
        pa.field(_CHANGE, pa.int16(), nullable=False),
        pa.field("from_class", pa.string(), nullable=False),
        pa.field("to_class", pa.string(), nullable=False),
        pa.field("area_m2", pa.float64()),
        pa.field("area_px", pa.int64(), nullable=False),
        pa.field(GEOMETRY, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"}),
    ]
)
_AREA_BITS = 61  # the areas of a raster sum up to less than 2^61 units


def write_changes(
    path: Path,
    pair: MapPair,
    matrix: ChangeMatrix,
    record: RunRecord,
    *,
    workers: int,
    progress: Progress | None = None,
) -> None:
    """Write polygons of all ground that has another class after than before.

    A polygon is ground that hangs together and has one class before and one after; it opens in the colour of the
    latter.

    Args:
        path: a vector file; one that is there is replaced.
        pair: the maps.
        matrix: what was counted of them.
        record: how the file comes about.
        workers: threads; 0 takes one for each core. The polygons are the same.
        progress: is told rows done and rows to do; every row counts twice, once for each reading.

    Raises:
        LabelError: if more than 254 different changes occur.
        OutputError: if the file cannot be written.
    """
    layer = _ChangeLayer(pair, matrix, workers=workers or os.cpu_count() or 1, progress=progress)
    write_vector(
        path,
        [
            Layer(
                name=LAYER,
                description="Ground whose class changed",
                schema=_SCHEMA,
                geometry="Polygon",
                batches=layer.batches(),
                style=layer.style(),
            )
        ],
        crs=pair.grid.crs,
        tables=lambda: (_matrix_table(matrix), run_table(record)),
    )


def matrix_csv(matrix: ChangeMatrix) -> str:
    """The matrix as a table of text: a line for each transition; nodata is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("from_class", "to_class", "area_px", "area_m2"))
    writer.writerows(_matrix_rows(matrix))
    return buffer.getvalue()


def _matrix_rows(matrix: ChangeMatrix) -> list[tuple[str | None, str | None, int, float | None]]:
    return [(each.from_class, each.to_class, each.pixels, each.area_m2) for each in matrix.transitions]


def _matrix_table(matrix: ChangeMatrix) -> Table:
    return Table(
        name=MATRIX,
        description="Ground by its class before and after; NULL is nodata",
        columns=(("from_class", "TEXT"), ("to_class", "TEXT"), ("area_px", "INTEGER NOT NULL"), ("area_m2", "REAL")),
        rows=_matrix_rows(matrix),
    )


class _ChangeLayer:
    """The polygons, made when they are asked for."""

    def __init__(self, pair: MapPair, matrix: ChangeMatrix, *, workers: int, progress: Progress | None) -> None:
        self._pair, self._workers, self._progress = pair, workers, progress
        self._changes, self._names, self._colours = matrix.changes, matrix.names, matrix.colours
        if len(self._changes) >= NODATA_ID:
            raise LabelError(
                f"{len(self._changes)} different changes occur, {NODATA_ID - 1} at most fit into one layer: "
                "leave out -o for the matrix alone, or compare maps with fewer classes"
            )
        side = len(matrix.names) + 1
        self._change_ids = np.full(side * side, NODATA_ID, dtype=np.uint8)
        self._change_ids[self._changes @ (side, 1)] = np.arange(len(self._changes))
        total = 1.0 if matrix.areas is None else max(float(matrix.areas.sum()), 1.0)
        self._area_scale = 2.0 ** math.floor(_AREA_BITS - math.log2(4 * total))
        self._done = 0

    def style(self) -> str | None:
        if not len(self._changes):
            return None
        entries = (
            (number, f"{self._names[one]} to {self._names[other]}", self._colours[other])
            for number, (one, other) in enumerate(self._changes.tolist())
        )
        return polygon_style(ClassMap.of(entries), _CHANGE)

    def batches(self) -> Iterator[pa.RecordBatch]:
        if not len(self._changes):
            return
        regions = find_regions(self._blocks(), areas=self._areas, with_borders=False, workers=self._workers)
        grid, table = self._pair.grid, regions.table
        names = np.array(self._names, dtype=object)
        for outlines in self._outlines(regions):
            at = outlines.region_ids - 1
            change_ids = table.class_ids[at]
            columns = {
                _CHANGE: change_ids,
                "from_class": names[self._changes[change_ids, 0]],
                "to_class": names[self._changes[change_ids, 1]],
                "area_m2": None if table.areas is None else table.areas[at] / self._area_scale,
                "area_px": table.pixels[at],
                GEOMETRY: to_wkb(outlines, grid.transform),
            }
            yield batch_of(_SCHEMA, columns, len(at))

    def _outlines(self, regions: Regions) -> Iterator[Outlines]:
        height = self._pair.grid.height

        def trace(numbered: tuple[int, RegionBlock]) -> tuple[int, Arcs]:
            number, block = numbered
            ids = regions.block_ids(number, block.class_ids)
            return block.window.bottom, trace_arcs(ids, first_row=block.window.row, height=height)

        bands = in_order(trace, enumerate(self._blocks()), workers=self._workers)
        yield from link_arcs(bands, regions.table.bottoms, Outliner(), height=height)

    def _blocks(self) -> Iterator[RegionBlock]:
        grid = self._pair.grid
        for window in blocks(grid):
            yield RegionBlock(window=window, class_ids=self._change_ids[codes(self._pair, window)])
            self._done += window.height
            if self._progress is not None:
                self._progress("polygons", self._done, 2 * grid.height)

    def _areas(self, window: Window) -> NDArray[np.int64] | None:
        """Ground area of each pixel as whole numbers: their sums do not depend on the order of the terms."""
        areas = self._pair.grid.pixel_areas(window)
        return None if areas is None else np.rint(areas * self._area_scale).astype(np.int64)
