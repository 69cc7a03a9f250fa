"""One layer as FlatGeobuf. Knows the format's limits, nothing of how features come about."""

from __future__ import annotations

import warnings
from pathlib import Path

import pyarrow as pa
import pyogrio

from geoseg.vector.layers import Counted, IncompleteError, Layer


def write_flatgeobuf(path: Path, layer: Layer, *, crs: str | None) -> None:
    """Write a layer with its spatial index.

    Args:
        path: the file; there is none so far.
        layer: what to write.
        crs: well-known text, or None.

    Raises:
        RuntimeError: if GDAL fails.
    """
    counted = Counted(layer.batches)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'crs' was not provided", category=UserWarning)
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(layer.schema, counted),
            path,
            driver="FlatGeobuf",
            layer=layer.name,
            geometry_name=layer.schema.names[-1],
            geometry_type=layer.geometry,
            crs=crs,
        )
    found = pyogrio.read_info(path)["features"]
    if found != counted.rows:
        raise IncompleteError(f"it holds {found} of {counted.rows} features")
