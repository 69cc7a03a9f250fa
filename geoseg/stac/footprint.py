"""Where a grid lies on the globe, in longitude and latitude. Opens no file."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError, ProjError

from geoseg.georef import GeoRef

_SIDE_POINTS = 64
_TURN = 360.0
_DECIMALS = 9  # of a degree: a tenth of a millimetre
_LEAST = 10.0**-_DECIMALS
_SLACK = 1e-5  # of the height: points nearer than that to a straight line are left out
_Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Ground of a grid, degrees on WGS 84."""

    geometry: shapely.Polygon | shapely.MultiPolygon
    """Longitudes from -180 to 180; cut in two at the antimeridian. Shells run anticlockwise."""

    bbox: tuple[float, float, float, float]
    """West, south, east, north; west is the greater number where the antimeridian lies between them."""


def footprint_of(georef: GeoRef) -> Footprint | None:
    """The ground that a grid covers.

    Its sides are followed in 64 steps, because a straight line of the map is none in degrees. A grid with a pole
    inside reaches up to it.

    Args:
        georef: the grid.

    Returns:
        The footprint; None without a CRS on the earth, or where the grid leaves the earth.
    """
    ring = _ring(georef)
    if ring is None:
        return None
    lon, lat = np.unwrap(ring[:, 0], period=_TURN), ring[:, 1]
    if abs(lon[-1] - lon[0]) > _TURN / 2:  # once round the axis
        pole = math.copysign(90.0, lat.mean())
        lon, lat = np.append(lon, [lon[-1], lon[0]]), np.append(lat, [pole, pole])
    lon = lon - _TURN * math.floor((lon.min() + _LEAST + _TURN / 2) / _TURN)
    shape = shapely.make_valid(shapely.Polygon(np.column_stack([lon, lat]).round(_DECIMALS)))
    parts = [part for start in (-180.0, 180.0) for part in _parts_from(shape, start)]
    if not parts:
        return None
    west, south, east, north = shapely.bounds(shape).tolist()
    geometry = shapely.simplify(shapely.union_all(parts), (north - south) * _SLACK)
    if east - west >= _TURN - _LEAST:
        west, east = -180.0, 180.0
    elif len(parts) > 1 and east > _TURN / 2:
        east -= _TURN
    return Footprint(geometry=shapely.orient_polygons(geometry), bbox=(west, max(south, -90.0), east, min(north, 90.0)))


def _ring(georef: GeoRef) -> _Floats | None:
    """Longitude and latitude round the grid, the last point the first again; None where there are none."""
    if georef.crs is None:
        return None
    step = np.arange(_SIDE_POINTS) / _SIDE_POINTS
    zero, one = np.zeros_like(step), np.ones_like(step)
    cols = np.concatenate([step, one, 1 - step, zero, [0.0]]) * georef.width
    rows = np.concatenate([zero, step, one, 1 - step, [0.0]]) * georef.height
    a, b, c, d, e, f = tuple(georef.transform)[:6]
    try:
        to_degrees = pyproj.Transformer.from_crs(georef.crs, "EPSG:4326", always_xy=True)
        lon, lat = to_degrees.transform(a * cols + b * rows + c, d * cols + e * rows + f)
    except (CRSError, ProjError):  # of another planet, or of a building site
        return None
    ring = np.column_stack([lon, lat])
    return ring if np.isfinite(ring).all() else None


def _parts_from(shape: shapely.Geometry, start: float) -> list[shapely.Polygon]:
    """What lies within one turn from a longitude, brought to -180 to 180."""
    inside = shapely.intersection(shape, shapely.box(start, -90, start + _TURN, 90))
    moved = shapely.transform(inside, lambda xy: xy - (start + _TURN / 2, 0.0))
    polygons = [part for part in shapely.get_parts(moved) if isinstance(part, shapely.Polygon)]
    return [part for part in polygons if not part.is_empty and np.ptp(shapely.get_coordinates(part)[:, 0]) > _LEAST]
