"""One layer as GeoParquet 1.1, row group by row group. Knows Parquet, nothing of how features come about."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely
from numpy.typing import NDArray

from geoseg.vector.layers import Layer, Table

_GEOMETRY = "geometry"
_BOX = "bbox"
_SIDES = ("xmin", "ymin", "xmax", "ymax")
_BOX_TYPE = pa.struct([pa.field(side, pa.float64()) for side in _SIDES])


def write_geoparquet(path: Path, layer: Layer, *, crs: str | None, tables: Callable[[], Sequence[Table]]) -> None:
    """Write a layer with a bounding box for each feature; the tables stand in the file's metadata as JSON.

    Args:
        path: the file.
        layer: what to write.
        crs: well-known text, or None.
        tables: is asked for the tables when the layer is written.

    Raises:
        OSError: if it cannot be written.
    """
    fields = [*list(layer.schema)[:-1], pa.field(_GEOMETRY, pa.binary()), pa.field(_BOX, _BOX_TYPE)]
    schema = pa.schema(fields)
    extent = np.array([np.inf, np.inf, -np.inf, -np.inf])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in layer.batches:
            boxes = shapely.bounds(shapely.from_wkb(batch.column(batch.num_columns - 1).to_numpy(zero_copy_only=False)))
            if len(boxes):
                extent = _united(extent, boxes)
                writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, _box_column(boxes)], schema=schema))
        writer.add_key_value_metadata({"geo": json.dumps(_geo(layer, crs, extent)), **_texts(tables())})


def _united(extent: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate(
        [np.minimum(extent[:2], boxes[:, :2].min(axis=0)), np.maximum(extent[2:], boxes[:, 2:].max(axis=0))]
    )


def _box_column(boxes: NDArray[np.float64]) -> pa.Array:
    return pa.StructArray.from_arrays([pa.array(side) for side in boxes.T], fields=list(_BOX_TYPE))


def _geo(layer: Layer, crs: str | None, extent: NDArray[np.float64]) -> dict[str, object]:
    column: dict[str, object] = {
        "encoding": "WKB",
        "geometry_types": [layer.geometry],
        "crs": None if crs is None else pyproj.CRS.from_wkt(crs).to_json_dict(),
        "edges": "planar",
        "covering": {_BOX: {side: [_BOX, side] for side in _SIDES}},
    }
    if layer.geometry == "Polygon":
        column["orientation"] = "counterclockwise"
    if np.isfinite(extent).all():
        column["bbox"] = extent.tolist()
    return {"version": "1.1.0", "primary_column": _GEOMETRY, "columns": {_GEOMETRY: column}}


def _texts(tables: Sequence[Table]) -> dict[str, str]:
    return {
        f"geoseg.{table.name}": json.dumps(
            [dict(zip([name for name, _ in table.columns], row, strict=True)) for row in table.rows]
        )
        for table in tables
    }
