"""The columns of every layer, and the rows of the layer of regions. Knows tables, no files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.vector.attributes import Certainty
from geoseg.vector.table import RegionTable

CLASS_COLUMN = "class_id"
GEOMETRY = "geom"

_WKB = pa.field(GEOMETRY, pa.binary(), metadata={"ARROW:extension:name": "geoarrow.wkb"})

LANDCOVER = pa.schema(
    [
        pa.field(CLASS_COLUMN, pa.int16(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("area_m2", pa.float64()),
        pa.field("area_px", pa.int64(), nullable=False),
        pa.field("perimeter_m", pa.float64()),
        pa.field("confidence", pa.float64()),
        pa.field("confidence_p10", pa.float64()),
        pa.field("second_class", pa.int16()),
        pa.field("second_class_name", pa.string()),
        pa.field("touches_edge", pa.bool_(), nullable=False),
        pa.field("region_id", pa.int64(), nullable=False),
        pa.field("scene", pa.string()),
        pa.field("acquired", pa.date32()),
        pa.field("model", pa.string()),
        pa.field("run_id", pa.string(), nullable=False),
        _WKB,
    ]
)
"""Polygons: one for each region, or for each piece of a region that was cut."""

BOUNDARIES = pa.schema(
    [
        pa.field("left_class", pa.int16(), nullable=False),
        pa.field("left_class_name", pa.string(), nullable=False),
        pa.field("right_class", pa.int16(), nullable=False),
        pa.field("right_class_name", pa.string(), nullable=False),
        pa.field("length_m", pa.float64()),
        _WKB,
    ]
)
"""Lines between two classes, left and right as seen on the map along the line."""

REVIEW = pa.schema(
    [
        pa.field("rank", pa.int32(), nullable=False),
        pa.field(CLASS_COLUMN, pa.int16(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("confidence", pa.float64(), nullable=False),
        pa.field("confidence_p10", pa.float64(), nullable=False),
        pa.field("second_class_name", pa.string()),
        pa.field("area_m2", pa.float64()),
        pa.field("area_px", pa.int64(), nullable=False),
        pa.field("region_id", pa.int64(), nullable=False),
        _WKB,
    ]
)
"""Points inside of the least certain regions, the least certain first."""

FOOTPRINTS = pa.schema(
    [
        pa.field(CLASS_COLUMN, pa.int16(), nullable=False),
        pa.field("class_name", pa.string(), nullable=False),
        pa.field("area_m2", pa.float64()),
        pa.field("iou", pa.float64()),
        pa.field("angle", pa.float64()),
        pa.field("region_id", pa.int64(), nullable=False),
        _WKB,
    ]
)
"""Outlines with right angles: how far they agree with the region, and their direction, degrees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a map comes from; the same for all its rows."""

    scene: str | None = None
    """Name of the scene, or None."""

    acquired: date | None = None
    """The day on which it was taken, or None."""

    model: str | None = None
    """Name of the model package, or None."""

    run_id: str
    """Stands in the table of the run too (see `run_table.run_id_of`)."""


class LandcoverRows:
    """Makes the rows of the layer of regions."""

    def __init__(self, table: RegionTable, classes: ClassMap, provenance: Provenance, *, area_scale: float) -> None:
        """Know all regions.

        Args:
            table: the regions; piece `i` stands at position `i - 1`.
            classes: the legend.
            provenance: what is the same in every row.
            area_scale: units of `table.areas` per m².
        """
        self._table = table
        self._names = class_names(classes)
        self._provenance = provenance
        self._area_scale = area_scale

    def batch(
        self,
        region_ids: NDArray[np.int32],
        geometries: pa.Array,
        *,
        perimeters: NDArray[np.float64] | None,
        certainty: Certainty | None,
    ) -> pa.RecordBatch:
        """Rows of complete regions.

        Args:
            region_ids: positions in the table + 1, as outlines have them.
            geometries: their polygons as well-known binary.
            perimeters: m; None without a CRS.
            certainty: of the same regions; None without a confidence.

        Returns:
            The rows, with the columns of `LANDCOVER`.
        """
        table, at, count = self._table, region_ids - 1, len(region_ids)
        areas = None if table.areas is None else table.areas[at] / self._area_scale
        mean = tenth = second = None
        if certainty is not None:
            mean, tenth, second = certainty.mean, certainty.tenth, certainty.second_class
        columns = {
            CLASS_COLUMN: table.class_ids[at],
            "class_name": self._names[table.class_ids[at]],
            "area_m2": areas,
            "area_px": table.pixels[at],
            "perimeter_m": perimeters,
            "confidence": mean,
            "confidence_p10": tenth,
            "second_class": second,
            "second_class_name": None if second is None else self._names[second],
            "touches_edge": table.touches_edge[at],
            "region_id": table.region_ids[at],
        }
        same = self._provenance
        constant = {"scene": same.scene, "acquired": same.acquired, "model": same.model, "run_id": same.run_id}
        return batch_of(LANDCOVER, {**columns, **constant, GEOMETRY: geometries}, count)


def class_names(classes: ClassMap) -> NDArray[np.object_]:
    """Name by class id (256,); None at 255 and where an id is no class, so that -1 has none either."""
    names = np.full(NODATA_ID + 1, None, dtype=object)
    names[list(classes.ids)] = classes.names
    return names


def batch_of(schema: pa.Schema, columns: dict[str, object], count: int) -> pa.RecordBatch:
    """Rows of a layer.

    Args:
        schema: its columns.
        columns: by name an array; a single value is repeated, None is NULL. NaN and a class below 0 are NULL too.
        count: how many rows.
    """
    return pa.RecordBatch.from_arrays([_array(columns[field.name], field, count) for field in schema], schema=schema)


def _array(values: object, field: pa.Field, count: int) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    if values is None:
        return pa.nulls(count, field.type)
    if not isinstance(values, np.ndarray):
        return pa.repeat(pa.scalar(values, field.type), count)
    mask = None
    if values.dtype.kind == "f":
        mask = np.isnan(values)
    elif values.dtype.kind == "i":
        mask = values < 0
    return pa.array(values, type=field.type, mask=mask)
