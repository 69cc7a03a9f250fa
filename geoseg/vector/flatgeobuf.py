"""One layer as FlatGeobuf. Knows the format's limits, nothing of how features come about."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyogrio

from geoseg.vector.layers import Counted, IncompleteError, Layer

_MAGIC_BYTES = 8
_LENGTH_BYTES = 4
_HEADER_START = _MAGIC_BYTES + _LENGTH_BYTES
_CHILDREN = 16
_NODE = np.dtype([("box", "<f8", 4), ("offset", "<u8")])


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
        warnings.filterwarnings("ignore", message="Passed SRS uses", category=RuntimeWarning)  # it is written in full
        pyogrio.write_arrow(
            pa.RecordBatchReader.from_batches(layer.schema, counted),
            path,
            driver="FlatGeobuf",
            layer=layer.name,
            geometry_name=layer.schema.names[-1],
            geometry_type=layer.geometry,
            crs=crs,
        )
    missing = _missing_bytes(path, counted.rows) if counted.rows else 0
    if missing:
        raise IncompleteError(f"{missing} bytes are missing at its end: is the disk full?")


def _missing_bytes(path: Path, features: int) -> int:
    """Bytes from the end of the file to the end of its last feature: GDAL reports no error where it writes the last.

    A file is eight bytes, the length of the header, the header, the index, and the features, each after its length.
    The index is a tree of nodes with up to 16 children, root first; the leaves tell where the features are.
    """
    content = np.memmap(path, dtype=np.uint8, mode="r")
    header = int(content[_MAGIC_BYTES:_HEADER_START].view("<u4")[0])
    nodes = width = features
    while width > 1 or nodes == features:
        width = -(-width // _CHILDREN)
        nodes += width
    begin = _HEADER_START + header + nodes * _NODE.itemsize
    if len(content) < begin:
        return begin - len(content)
    leaves = content[begin - features * _NODE.itemsize : begin].view(_NODE)
    last = begin + int(leaves["offset"].max())
    if len(content) < last + _LENGTH_BYTES:
        return last + _LENGTH_BYTES - len(content)
    length = int(content[last : last + _LENGTH_BYTES].view("<u4")[0])
    return last + _LENGTH_BYTES + length - len(content)
