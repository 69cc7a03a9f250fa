"""A GeoPackage that opens styled: polygons, a table of the classes, and the style.

Knows columns and SQL, nothing of how polygons come about. Writes to the path it is given; a file there is replaced.
"""

from __future__ import annotations

import contextlib
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from geoseg.errors import GeosegError, OutputError
from geoseg.vector.default_style import add_default_style
from geoseg.vector.summary import ClassSummary

LAYER = "landcover"
CLASS_COLUMN = "class_id"
_GEOMETRY = "geom"

SCHEMA = pa.schema(
    [
        pa.field(CLASS_COLUMN, pa.int16(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("area_m2", pa.float64()),
        pa.field("area_px", pa.int64(), nullable=False),
        pa.field("confidence", pa.float64(), nullable=False),
        pa.field("region_id", pa.int64(), nullable=False),
        pa.field(_GEOMETRY, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"}),
    ]
)
"""Columns of the layer: areas on the ground (NULL without a CRS) and in pixels, mean confidence 0 to 1."""

_TABLES = """
CREATE TABLE class_summary (
    fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    class_id SMALLINT NOT NULL UNIQUE,
    class_name TEXT NOT NULL,
    colour TEXT NOT NULL,
    polygons INTEGER NOT NULL,
    area_px INTEGER NOT NULL,
    area_m2 REAL,
    share REAL NOT NULL,
    mean_confidence REAL
);
INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) VALUES
    ('class_summary', 'attributes', 'class_summary', 'Area and confidence by class', 0);
"""


def write_geopackage(
    path: Path,
    batches: Iterator[pa.RecordBatch],
    *,
    crs: str | None,
    summaries: Sequence[ClassSummary],
    style: str,
) -> None:
    """Write polygons, the table of classes and the style of the layer.

    Args:
        path: the file; what is there is replaced.
        batches: polygons, with the columns of `SCHEMA` and geometries as well-known binary; read once.
        crs: well-known text, or None.
        summaries: one for each class.
        style: the layer's QGIS style.

    Raises:
        OutputError: if the file cannot be written.
    """
    source = _Batches(batches)
    reader = pa.RecordBatchReader.from_batches(SCHEMA, source)
    path.unlink(missing_ok=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="'crs' was not provided", category=UserWarning)
            pyogrio.write_arrow(
                reader,
                path,
                driver="GPKG",
                layer=LAYER,
                geometry_name=_GEOMETRY,
                geometry_type="Polygon",
                crs=crs,
                dataset_options={"VERSION": "1.3"},
                layer_options={"FID": "fid", "DESCRIPTION": "Land cover"},
            )
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            _add_tables(database, summaries, style)
            (indexed,) = database.execute(f"SELECT COUNT(*) FROM rtree_{LAYER}_{_GEOMETRY}").fetchone()  # noqa: S608
    except (DataSourceError, DataLayerError, FeatureError, RuntimeError, sqlite3.Error) as error:
        if source.failure is not None:
            raise source.failure from None
        raise OutputError(f"{path}: cannot be written: {' '.join(str(error).split())}") from error
    if source.failure is not None:
        raise source.failure
    if indexed != source.polygons:  # GDAL makes the index while it closes the file, and then reports no error
        raise OutputError(f"{path}: holds {indexed} of {source.polygons} polygons: is the disk full?")


class _Batches:
    """Batches on their way through GDAL, which keeps no Python exception: this does."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.failure: BaseException | None = None
        self.polygons = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self._batches:
                self.polygons += batch.num_rows
                yield batch
        except (GeosegError, OSError, KeyboardInterrupt) as error:
            self.failure = error
            raise


def _add_tables(database: sqlite3.Connection, summaries: Sequence[ClassSummary], style: str) -> None:
    database.executescript(_TABLES)
    database.executemany(
        "INSERT INTO class_summary (class_id, class_name, colour, polygons, area_px, area_m2, share,"
        " mean_confidence) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (each.class_id, each.name, each.colour, each.polygons, each.pixels, each.area, each.share, each.confidence)
            for each in summaries
        ],
    )
    add_default_style(database, LAYER, style, geometry=_GEOMETRY, description="Land-cover classes")
