"""Where pixels are on the ground: CRS, affine transform and size. Opens no file.

Map coordinates are always (x, y), arrays always (row, column); the two meet only here.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import pyproj
from affine import Affine
from numpy.typing import NDArray
from pyproj._crs import Ellipsoid
from pyproj.exceptions import CRSError

from geoseg.errors import GeorefError
from geoseg.window import Window

_Floats = NDArray[np.float64]
_STEP_METRES = 5.0  # half the baseline of the numerical Jacobian
_AREA_KNOTS = 33  # ground areas are exact on this many rows and columns and linear between them


@dataclass(frozen=True, slots=True, kw_only=True)
class GeoRef:
    """The grid of a raster: any CRS or none, any invertible affine transform (rotated and south-up too)."""

    crs: str | None
    """Well-known text (WKT 2) of the CRS, or None where there is none."""

    transform: Affine
    """From (column, row) of a pixel's corner to map (x, y)."""

    height: int
    """Rows, px."""

    width: int
    """Columns, px."""

    def __post_init__(self) -> None:
        if self.height <= 0 or self.width <= 0:
            raise GeorefError(f"a raster needs a positive size, got {self.height} x {self.width} px")
        determinant = self.transform.determinant
        if determinant == 0 or not math.isfinite(determinant):
            raise GeorefError(f"the transform {tuple(self.transform)[:6]} maps the scene onto a line: set a usable one")

    @property
    def window(self) -> Window:
        """All its pixels."""
        return Window.of_shape(self.height, self.width)

    def rescaled(self, factor: float) -> GeoRef:
        """The same ground from the same origin in pixels `factor` times as large on each side.

        The last row and column are kept where they cover at least half a pixel of the ground.
        """
        return GeoRef(
            crs=self.crs,
            transform=self.transform @ Affine.scale(factor),
            height=max(1, math.floor(self.height / factor + 0.5)),
            width=max(1, math.floor(self.width / factor + 0.5)),
        )

    def of_window(self, window: Window) -> GeoRef:
        """The grid of a window of this raster."""
        return GeoRef(
            crs=self.crs,
            transform=self.transform @ Affine.translation(window.col, window.row),
            height=window.height,
            width=window.width,
        )

    @property
    def gsd(self) -> float | None:
        """Ground sampling distance at the centre, metres per pixel; None without a CRS.

        The side of a square with the true ground area of the centre pixel: corrected for the scale of the
        projection (in EPSG:3857 a pixel covers less ground than its size says) and for degrees.
        """
        area = self._ground_area(np.array([self.height / 2]), np.array([self.width / 2]))
        if area is None:
            return None
        if not math.isfinite(area.item()):
            raise GeorefError("the centre of the scene lies where its CRS is not defined: assign the right one")
        return math.sqrt(area.item())

    def pixel_areas(self, window: Window) -> _Floats | None:
        """True area on the ground of each pixel of a window, m², shape (height, width); None without a CRS.

        Areas are those on the ellipsoid: exact at 33 x 33 knots over the scene, bilinear between them; where the
        scene leaves the earth (a disk seen from space) exact at every pixel and 0 beyond. The value of a pixel does
        not depend on the window it is asked in.
        """
        table = self.area_table(window)
        if table is None:
            return None
        left, right = table.lines[:, table.below], table.lines[:, table.below + 1]
        return left + (right - left) * table.weight

    def area_table(self, window: Window) -> AreaTable | None:
        """The same, not yet interpolated along rows."""
        knots = _area_knots(self)
        if knots is None:
            return None
        rows, cols, areas = knots
        at_rows = np.arange(window.row, window.bottom, dtype=np.float64) + 0.5
        at_cols = np.arange(window.col, window.right, dtype=np.float64) + 0.5
        if np.isfinite(areas).all():
            return AreaTable(_along(areas, rows, at_rows), *_between(cols, at_cols))
        exact = self._ground_area(at_rows, at_cols)
        if exact is None:
            return None
        padded = np.pad(np.nan_to_num(exact, nan=0.0, posinf=0.0), ((0, 0), (0, 1)))
        return AreaTable(padded, np.arange(window.width), np.zeros(window.width))

    def _ground_area(self, rows: _Floats, cols: _Floats) -> _Floats | None:
        """Area, m², of a pixel centred at each (row, column), shape (rows, columns); None without a CRS.

        NaN or infinite where the CRS is not defined.
        """
        crs = _crs(self.crs)
        if crs is None:
            return None
        a, b, c, d, e, f = tuple(self.transform)[:6]
        x = a * cols[None, :] + b * rows[:, None] + c
        y = d * cols[None, :] + e * rows[:, None] + f
        return np.asarray(abs(self.transform.determinant) * _area_scale(crs, x, y), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class AreaTable:
    """Ground areas of the pixels of a window.

    Pixel (r, c) has lines[r, b] + (lines[r, b + 1] - lines[r, b]) * weight[c] with b = below[c].
    """

    lines: _Floats
    """(height, knots), m²."""

    below: NDArray[np.int64]
    """(width,), the knot before each column."""

    weight: _Floats
    """(width,), how far each column is on the way to the next knot."""

    @classmethod
    def zero(cls, height: int, width: int) -> AreaTable:
        """Nothing has an area."""
        return cls(np.zeros((height, 2)), np.zeros(width, dtype=np.int64), np.zeros(width))


@functools.lru_cache(maxsize=32)
def _crs(wkt: str | None) -> pyproj.CRS | None:
    if wkt is None:
        return None
    try:
        crs = pyproj.CRS.from_wkt(wkt)
    except CRSError as error:
        raise GeorefError(
            f"the CRS of the scene cannot be understood, assign another: {wkt.splitlines()[0]}"
        ) from error
    return crs if crs.is_geographic or crs.is_projected or crs.is_bound else None


def _area_scale(crs: pyproj.CRS, x: _Floats, y: _Floats) -> _Floats:
    """Square metres on the ellipsoid per square unit of the map, by the Jacobian to degrees."""
    geographic = crs.geodetic_crs
    ellipsoid = crs.ellipsoid
    if geographic is None or ellipsoid is None:
        raise GeorefError(f"the CRS {crs.name!r} has no ellipsoid to measure areas on: assign an earth CRS")
    radians = _radians_per_unit(geographic)
    if crs.is_geographic:
        return _ellipsoid_area(ellipsoid, y * radians) * radians**2
    to_degrees = pyproj.Transformer.from_crs(crs, geographic, always_xy=True)
    step = _STEP_METRES / crs.axis_info[0].unit_conversion_factor

    def difference(dx: float, dy: float) -> tuple[_Floats, _Floats]:
        lon_after, lat_after = to_degrees.transform(x + dx, y + dy)
        lon_before, lat_before = to_degrees.transform(x - dx, y - dy)
        return (lon_after - lon_before + 180) % 360 - 180, lat_after - lat_before

    with np.errstate(invalid="ignore"):  # infinite where the map leaves the earth
        _, latitude = to_degrees.transform(x, y)
        dlon_dx, dlat_dx = difference(step, 0.0)
        dlon_dy, dlat_dy = difference(0.0, step)
        jacobian = np.abs(dlon_dx * dlat_dy - dlon_dy * dlat_dx) * (radians / (2 * step)) ** 2
        return np.asarray(jacobian * _ellipsoid_area(ellipsoid, latitude * radians))


def _radians_per_unit(crs: pyproj.CRS) -> float:
    return float(crs.axis_info[0].unit_conversion_factor) if crs.axis_info else math.pi / 180


def _ellipsoid_area(ellipsoid: Ellipsoid, latitude: _Floats) -> _Floats:
    """m² per square radian of longitude and latitude: meridian radius x parallel radius."""
    semi_major = float(ellipsoid.semi_major_metre)
    semi_minor = float(ellipsoid.semi_minor_metre)
    eccentricity2 = 1 - (semi_minor / semi_major) ** 2
    curvature = 1 - eccentricity2 * np.sin(latitude) ** 2
    return np.asarray(semi_major**2 * (1 - eccentricity2) * np.abs(np.cos(latitude)) / curvature**2)


_Knots = tuple[_Floats, _Floats, _Floats]


@functools.lru_cache(maxsize=8)
def _area_knots(georef: GeoRef) -> _Knots | None:
    rows = np.linspace(0, georef.height, _AREA_KNOTS)
    cols = np.linspace(0, georef.width, _AREA_KNOTS)
    areas = georef._ground_area(rows, cols)  # noqa: SLF001 - a cache beside its class
    return None if areas is None else (rows, cols, areas)


def _along(table: _Floats, knots: _Floats, at: _Floats) -> _Floats:
    """Linear interpolation of the rows of a table, from rows at `knots` to rows at `at`."""
    below, weight = _between(knots, at)
    return table[below] * (1 - weight[:, None]) + table[below + 1] * weight[:, None]


def _between(knots: _Floats, at: _Floats) -> tuple[NDArray[np.int64], _Floats]:
    """For each place the knot before it, and how far it is on the way to the next."""
    below = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, len(knots) - 2)
    return below, (at - knots[below]) / (knots[below + 1] - knots[below])
