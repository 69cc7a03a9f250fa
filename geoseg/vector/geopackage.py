"""A GeoPackage that opens styled: layers, tables and styles. Knows SQL, nothing of how features come about."""

from __future__ import annotations

import contextlib
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyogrio

from geoseg.vector.default_style import add_default_style
from geoseg.vector.layers import Counted, IncompleteError, Layer, Table

_VERSION = "1.3"  # of 1.4 QGIS 3.22 warns
_KEY = "id"  # fid is the name that programs give to keys of their own


def write_geopackage(
    path: Path, layers: Sequence[Layer], *, crs: str | None, tables: Callable[[], Sequence[Table]]
) -> None:
    """Write layers, tables and styles.

    Args:
        path: the file; there is none so far.
        layers: at least one.
        crs: well-known text, or None.
        tables: is asked for the tables when all layers are written.

    Raises:
        RuntimeError: if GDAL fails.
        sqlite3.Error: if SQLite does.
    """
    for layer in layers:
        written = _write_layer(path, layer, crs)
        with contextlib.closing(sqlite3.connect(path)) as database:
            _require_all(database, layer, written)
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for table in tables():
            _add_table(database, table)
        for layer in layers:
            if layer.style is not None:
                add_default_style(
                    database,
                    layer.name,
                    layer.style,
                    geometry=layer.schema.names[-1],
                    description=layer.description,
                )


def _write_layer(path: Path, layer: Layer, crs: str | None) -> int:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided", category=UserWarning)
        warnings.filterwarnings("ignore", message="Passed SRS uses", category=RuntimeWarning)  # it is written in full
        counted = Counted(layer.batches)
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(layer.schema, counted),
            path,
            driver="GPKG",
            layer=layer.name,
            geometry_name=layer.schema.names[-1],
            geometry_type=layer.geometry,
            crs=crs,
            dataset_options={"VERSION": _VERSION},
            layer_options={"FID": _KEY, "DESCRIPTION": layer.description},
        )
    return counted.rows


def _require_all(database: sqlite3.Connection, layer: Layer, written: int) -> None:
    """GDAL makes the index while it closes the file, and then reports no error."""
    for table in (layer.name, f"rtree_{layer.name}_{layer.schema.names[-1]}"):
        (found,) = database.execute(f'SELECT COUNT(*) FROM "{table}"').fetchone()  # noqa: S608 - our own names
        if found != written:
            raise IncompleteError(f"{table} holds {found} of {written} features")


def _add_table(database: sqlite3.Connection, table: Table) -> None:
    columns = ", ".join(f'"{name}" {kind}' for name, kind in table.columns)
    database.execute(f'CREATE TABLE "{table.name}" ({_KEY} INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, {columns})')
    database.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id)"
        " VALUES (?, 'attributes', ?, ?, 0)",
        (table.name, table.name, table.description),
    )
    names = ", ".join(f'"{name}"' for name, _ in table.columns)
    places = ", ".join("?" * len(table.columns))
    database.executemany(f'INSERT INTO "{table.name}" ({names}) VALUES ({places})', table.rows)  # noqa: S608 - our own
