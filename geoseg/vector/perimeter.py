"""Lengths of lines on the ground. Knows the grid and the ellipsoid, nothing of regions and files."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyproj
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.errors import GeorefError
from geoseg.georef import GeoRef
from geoseg.vector.arcs import SUBPIXEL
from geoseg.vector.outlines import Outlines

_Floats = NDArray[np.float64]
_KNOTS = 65
_STEP_METRES = 5.0  # half the baseline of the numerical derivative, at least half a pixel
_EARTH_RADIUS = 6.371e6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroundMetric:
    """How long a step in the grid of a raster is on the ground, wherever it is taken.

    The sides of a pixel and the angle between them are exact on 65 x 65 knots over the raster and bilinear between
    them.
    """

    knots: _Floats
    """(65, 65, 3), by row and column: metres along a row, metres along a column, and the cosine of the angle between.

    NaN where the CRS is not defined.
    """

    height: int
    """Rows of the raster, px."""

    width: int
    """Columns, px."""


def ground_metric(georef: GeoRef) -> GroundMetric | None:
    """Measure the steps of a grid along geodesics; None without a CRS.

    Raises:
        GeorefError: if the CRS cannot be understood or has no ellipsoid.
    """
    if georef.gsd is None or georef.crs is None:
        return None
    crs = pyproj.CRS.from_wkt(georef.crs)
    step = max(0.5, _STEP_METRES / _pixel_metres(georef, crs))
    rows = _inside(georef.height, step)
    cols = _inside(georef.width, step)
    along_row = _vectors(georef, crs, (rows[:, None], cols[None, :] - step), (rows[:, None], cols[None, :] + step))
    along_col = _vectors(georef, crs, (rows[:, None] - step, cols[None, :]), (rows[:, None] + step, cols[None, :]))
    wide, high = np.hypot(*along_row), np.hypot(*along_col)
    cosine = (along_row * along_col).sum(axis=0) / np.maximum(wide * high, np.finfo(np.float64).tiny)
    knots = np.stack([wide / (2 * step), high / (2 * step), cosine], axis=-1)
    return GroundMetric(knots=knots, height=georef.height, width=georef.width)


def perimeters(outlines: Outlines, metric: GroundMetric) -> _Floats:
    """Length of each outline on the ground, holes included, m; NaN where the CRS is not defined."""
    if len(outlines) == 0:
        return np.empty(0)
    rings = lengths(outlines.points, outlines.rings, metric)
    return np.add.reduceat(rings, outlines.polygons[:-1])


def lengths(points: NDArray[np.int32], offsets: NDArray[np.int64], metric: GroundMetric) -> _Floats:
    """Length of each line on the ground, m.

    Args:
        points: (points, 2) column and row, in 1 / `SUBPIXEL` px.
        offsets: (lines + 1,): line `i` has the points from `offsets[i]` to before `offsets[i + 1]`.
        metric: of the raster.
    """
    return np.asarray(_lengths(points, offsets, metric.knots, (metric.width, metric.height)))


def _pixel_metres(georef: GeoRef, crs: pyproj.CRS) -> float:
    """Side of a pixel, m, roughly."""
    unit = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
    return math.sqrt(abs(georef.transform.determinant)) * unit * (_EARTH_RADIUS if crs.is_geographic else 1.0)


def _inside(size: int, step: float) -> _Floats:
    """Knots over a number of pixels, those at the ends a step inside."""
    return np.clip(np.linspace(0, size, _KNOTS), min(step, size / 2), max(size - step, size / 2))


def _vectors(georef: GeoRef, crs: pyproj.CRS, begin: tuple[_Floats, _Floats], end: tuple[_Floats, _Floats]) -> _Floats:
    """East and north parts (2, rows, columns), m, of the geodesics from one place (rows, columns) to another."""
    geod, geographic = crs.get_geod(), crs.geodetic_crs
    if geod is None or geographic is None:
        raise GeorefError(f"the CRS {crs.name!r} has no ellipsoid to measure lengths on: assign an earth CRS")
    to_geographic = pyproj.Transformer.from_crs(crs, geographic, always_xy=True)
    degrees = math.degrees(geographic.axis_info[0].unit_conversion_factor) if geographic.axis_info else 1.0
    a, b, c, d, e, f = tuple(georef.transform)[:6]
    lons, lats = [], []
    for rows, cols in (begin, end):
        at_cols, at_rows = np.broadcast_arrays(cols, rows)
        lon, lat = to_geographic.transform(a * at_cols + b * at_rows + c, d * at_cols + e * at_rows + f)
        lons.append(np.asarray(lon) * degrees)
        lats.append(np.asarray(lat) * degrees)
    defined = np.isfinite([*lons, *lats]).all(axis=0)
    lons, lats = [np.where(defined, lon, 0.0) for lon in lons], [np.where(defined, lat, 0.0) for lat in lats]
    azimuth, _, metres = geod.inv(lons[0], lats[0], lons[1], lats[1])
    turn = np.radians(azimuth)
    return np.where(defined, [metres * np.sin(turn), metres * np.cos(turn)], np.nan)


@compiled
def _lengths(points: NDArray[np.int32], offsets: NDArray[np.int64], knots: _Floats, size: tuple[int, int]) -> _Floats:
    """The length of each line."""
    found = np.zeros(len(offsets) - 1)
    across, down = (knots.shape[1] - 1) / (size[0] * SUBPIXEL), (knots.shape[0] - 1) / (size[1] * SUBPIXEL)
    for line in range(len(found)):
        total = 0.0
        for at in range(offsets[line], offsets[line + 1] - 1):
            col, row = points[at]
            next_col, next_row = points[at + 1]
            place = (row + next_row) / 2 * down, (col + next_col) / 2 * across
            total += _length(knots, place, (next_col - col) / SUBPIXEL, (next_row - row) / SUBPIXEL)
        found[line] = total
    return found


@compiled
def _length(knots: _Floats, place: tuple[float, float], cols: float, rows: float) -> float:
    """Length of a step at a place, given in knots."""
    row = min(int(place[0]), knots.shape[0] - 2)
    col = min(int(place[1]), knots.shape[1] - 2)
    corner = row, col
    weight = place[0] - row, place[1] - col
    across = cols * _between(knots, corner, weight, 0)
    down = rows * _between(knots, corner, weight, 1)
    cosine = _between(knots, corner, weight, 2)
    return math.sqrt(across * across + 2 * cosine * across * down + down * down)


@compiled
def _between(knots: _Floats, corner: tuple[int, int], weight: tuple[float, float], number: int) -> float:
    """One of the numbers of four knots, weighted."""
    row, col = corner
    down, right = weight
    upper = knots[row, col, number] * (1 - right) + knots[row, col + 1, number] * right
    lower = knots[row + 1, col, number] * (1 - right) + knots[row + 1, col + 1, number] * right
    return float(upper * (1 - down) + lower * down)
