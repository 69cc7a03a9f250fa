"""The GeoPackage of a sample: points that open ready to be labelled, and what they were drawn from."""

from __future__ import annotations

import contextlib
import sqlite3
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError

from geoseg.errors import OutputError
from geoseg.evaluation.sample_style import sample_style
from geoseg.evaluation.strata import Strata
from geoseg.vector.default_style import add_default_style

LAYER = "sample"
REFERENCE_COLUMN = "reference_class"
_GEOMETRY = "geom"

_TABLES = """
CREATE TABLE strata (
    fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    class_id SMALLINT NOT NULL UNIQUE,
    class_name TEXT NOT NULL,
    pixels INTEGER NOT NULL,
    area_m2 REAL,
    points INTEGER NOT NULL
);
CREATE TABLE sample_source (
    fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    sha256 TEXT NOT NULL,
    seed INTEGER NOT NULL,
    points INTEGER NOT NULL
);
INSERT INTO gpkg_contents (table_name, data_type, identifier, description, srs_id) VALUES
    ('strata', 'attributes', 'strata', 'Pixels, area and points by class of the map', 0),
    ('sample_source', 'attributes', 'sample_source', 'The map that the points were drawn from', 0);
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SamplePoints:
    """Pixels that were drawn, in the order in which they are to be labelled. Arrays have one entry for each."""

    rows: NDArray[np.int64]
    """Row, px."""

    cols: NDArray[np.int64]
    """Column, px."""

    class_ids: NDArray[np.int64]
    """Class of the map there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleSource:
    """What a sample was drawn from."""

    sha256: str
    """Of the map, as `Strata` has it."""

    points: int
    """How many were drawn."""


def write_sample_file(path: Path, strata: Strata, points: SamplePoints, *, seed: int, blind: bool) -> None:
    """Write points to label, the strata, where they come from, and a style with a form to label in.

    Args:
        path: the GeoPackage; what is there is replaced.
        strata: of the map.
        points: the pixels; a point lies at the centre of each.
        seed: with which they were drawn, to be noted.
        blind: whether the class of the map stays out of the points' columns.

    Raises:
        OutputError: if the file cannot be written.
    """
    path.unlink(missing_ok=True)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="'crs' was not provided", category=UserWarning)
            pyogrio.write_arrow(
                _table(strata, points, blind=blind),
                path,
                driver="GPKG",
                layer=LAYER,
                geometry_name=_GEOMETRY,
                geometry_type="Point",
                crs=strata.georef.crs,
                dataset_options={"VERSION": "1.3"},
                layer_options={"FID": "fid", "DESCRIPTION": "Points to label"},
            )
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            _add_tables(database, strata, points, seed)
    except (DataSourceError, DataLayerError, FeatureError, RuntimeError, sqlite3.Error) as error:
        raise OutputError(f"{path}: cannot be written: {' '.join(str(error).split())}") from error


def read_sample_source(path: Path) -> SampleSource | None:
    """What a file of points was drawn from; None where it does not tell, as files of others do not."""
    if path.suffix.lower() != ".gpkg":
        return None
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT sha256, points FROM sample_source").fetchone()
    except sqlite3.Error:
        return None
    told = row is not None and isinstance(row[0], str) and isinstance(row[1], int)
    return SampleSource(sha256=row[0], points=row[1]) if told else None


def _table(strata: Strata, points: SamplePoints, *, blind: bool) -> pa.Table:
    a, b, c, d, e, f = tuple(strata.georef.transform)[:6]
    cols, rows = points.cols + 0.5, points.rows + 0.5
    centres = shapely.points(a * cols + b * rows + c, d * cols + e * rows + f)
    count = len(points.rows)
    columns = [
        (pa.field("point_id", pa.int32(), nullable=False), pa.array(range(1, count + 1), pa.int32())),
        (pa.field(REFERENCE_COLUMN, pa.int16()), pa.nulls(count, pa.int16())),
        (pa.field("comment", pa.string()), pa.nulls(count, pa.string())),
    ]
    if not blind:
        names = dict(zip(strata.classes.ids, strata.classes.names, strict=True))
        columns += [
            (pa.field("map_class", pa.int16()), pa.array(points.class_ids, pa.int16())),
            (pa.field("map_class_name", pa.string()), pa.array([names[id_] for id_ in points.class_ids.tolist()])),
        ]
    geometry = pa.field(_GEOMETRY, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})
    columns.append((geometry, pa.array(shapely.to_wkb(centres), pa.binary())))
    fields, arrays = zip(*columns, strict=True)
    return pa.Table.from_arrays(list(arrays), schema=pa.schema(fields))


def _add_tables(database: sqlite3.Connection, strata: Strata, points: SamplePoints, seed: int) -> None:
    database.executescript(_TABLES)
    drawn = np.bincount(points.class_ids, minlength=256)
    areas = [None] * len(strata.classes) if strata.ground_areas is None else strata.ground_areas.tolist()
    database.executemany(
        "INSERT INTO strata (class_id, class_name, pixels, area_m2, points) VALUES (?, ?, ?, ?, ?)",
        [
            (entry.id, entry.name, pixels, area, int(drawn[entry.id]))
            for entry, pixels, area in zip(strata.classes.classes, strata.pixels.tolist(), areas, strict=True)
        ],
    )
    database.execute(
        "INSERT INTO sample_source (sha256, seed, points) VALUES (?, ?, ?)", (strata.sha256, seed, len(points.rows))
    )
    style = sample_style(strata.classes, REFERENCE_COLUMN, pixel_side=_pixel_side(strata))
    add_default_style(database, LAYER, style, geometry=_GEOMETRY, description="Points to label")


def _pixel_side(strata: Strata) -> float:
    """In units of the map."""
    return float(abs(strata.georef.transform.determinant) ** 0.5)
