"""Outlines as geometries on the map: shapely polygons, or well-known binary in an Arrow array. Opens no file."""

from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import shapely
from affine import Affine
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.errors import OutputError
from geoseg.vector.arcs import SUBPIXEL
from geoseg.vector.outlines import Outlines

_POLYGON_BYTES, _RING_BYTES, _POINT_BYTES = 9, 4, 16
_POLYGON_TYPE = 3
_LITTLE_ENDIAN = int(sys.byteorder == "little")
_MOST_BYTES = np.iinfo(np.int32).max

_Coefficients = tuple[float, float, float, float, float, float]


def to_shapely(outlines: Outlines, transform: Affine) -> NDArray[np.object_]:
    """Polygons on the map.

    Args:
        outlines: of regions in the raster's grid.
        transform: from (column, row) to map (x, y).

    Returns:
        One polygon for each outline, outer rings anticlockwise, each beginning at the point that is topmost and then
        leftmost in the raster.
    """
    xy = np.empty((len(outlines.points), 2))
    _fill_coordinates(outlines.points, outlines.rings, transform[:6], transform.determinant < 0, xy)
    return shapely.from_ragged_array(shapely.GeometryType.POLYGON, xy, (outlines.rings, outlines.polygons))


def to_wkb(outlines: Outlines, transform: Affine) -> pa.Array:
    """Polygons on the map as ISO well-known binary, the same as `to_shapely` gives.

    Args:
        outlines: of regions in the raster's grid, of less than 2 GB together; see `Outlines.parts`.
        transform: from (column, row) to map (x, y).

    Returns:
        (polygons,) binary.

    Raises:
        OutputError: if they need more than 2 GB.
    """
    points, rings = np.diff(outlines.rings[outlines.polygons]), np.diff(outlines.polygons)
    offsets = np.zeros(len(outlines) + 1, dtype=np.int64)
    np.cumsum(_POLYGON_BYTES + _RING_BYTES * rings + _POINT_BYTES * points, out=offsets[1:])
    if offsets[-1] > _MOST_BYTES:
        most = (_MOST_BYTES - _POLYGON_BYTES - _RING_BYTES) // _POINT_BYTES
        raise OutputError(
            f"region {outlines.region_ids[np.argmax(points)]}: its outline has {points.max()} points, "
            f"at most {most} fit into a geometry: set a mapping unit"
        )
    content = np.empty(offsets[-1], dtype=np.uint8)
    _write_polygons(outlines, transform, content)
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.binary(), len(outlines), buffers)


def _write_polygons(outlines: Outlines, transform: Affine, content: NDArray[np.uint8]) -> None:
    backwards = transform.determinant < 0
    at = (outlines.polygons, outlines.rings)
    _fill_wkb(outlines.points, at, transform[:6], backwards, content)


@compiled
def _on_map(point: NDArray[np.int32], coefficients: _Coefficients) -> tuple[float, float]:
    """Map (x, y); sums in the order in which GDAL takes them, so that they are equal to the last bit."""
    a, b, c, d, e, f = coefficients
    col, row = point[0] / SUBPIXEL, point[1] / SUBPIXEL
    return c + col * a + row * b, f + col * d + row * e


@compiled
def _fill_coordinates(
    points: NDArray[np.int32],
    rings: NDArray[np.int64],
    coefficients: _Coefficients,
    backwards: bool,  # noqa: FBT001 - numba takes no keywords only
    xy: NDArray[np.float64],
) -> None:
    for ring in range(len(rings) - 1):
        begin, end = rings[ring], rings[ring + 1]
        for to in range(begin, end):
            point = begin + end - 1 - to if backwards else to
            xy[to, 0], xy[to, 1] = _on_map(points[point], coefficients)


@compiled
def _put(content: NDArray[np.uint8], at: int, number: NDArray[np.uint8]) -> int:
    """Write the bytes of a number; returns where the next one goes."""
    for byte in range(len(number)):
        content[at + byte] = number[byte]
    return at + len(number)


@compiled
def _fill_wkb(
    points: NDArray[np.int32],
    ragged: tuple[NDArray[np.int64], NDArray[np.int64]],
    coefficients: _Coefficients,
    backwards: bool,  # noqa: FBT001 - numba takes no keywords only
    content: NDArray[np.uint8],
) -> None:
    polygons, rings = ragged
    count, xy = np.empty(1, dtype=np.uint32), np.empty(2, dtype=np.float64)
    count_bytes, xy_bytes = count.view(np.uint8), xy.view(np.uint8)
    at = 0
    for polygon in range(len(polygons) - 1):
        content[at] = _LITTLE_ENDIAN
        count[0] = _POLYGON_TYPE
        at = _put(content, at + 1, count_bytes)
        count[0] = polygons[polygon + 1] - polygons[polygon]
        at = _put(content, at, count_bytes)
        for ring in range(polygons[polygon], polygons[polygon + 1]):
            begin, end = rings[ring], rings[ring + 1]
            count[0] = end - begin
            at = _put(content, at, count_bytes)
            for to in range(begin, end):
                xy[0], xy[1] = _on_map(points[begin + end - 1 - to if backwards else to], coefficients)
                at = _put(content, at, xy_bytes)
