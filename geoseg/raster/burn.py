"""Vector features as pixels of a grid, window by window: windows agree with the whole to the last pixel.

Coordinates become pixels of the grid once. All that follows is done one edge and one row at a time in the coordinates
of the whole grid, so it cannot depend on the window that is read. Polygons are cut by the formula that GDAL uses, so
that a layer and the raster that GDAL burns from it are the same to the last pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.enums import TransformDirection
from pyproj.exceptions import CRSError

from geoseg.errors import LabelError
from geoseg.georef import GeoRef
from geoseg.window import Window

_UNIT = 256
"""Coordinates of lines and points are kept to this part of a pixel."""

_REACH = 2.0**20
"""What lies farther than this many pixels from the grid is cut off, so that products fit in 64 bits."""

_POINT, _LINE, _AREA = range(3)
_Integers = NDArray[np.int64]
_Floats = NDArray[np.float64]
_Geometries = NDArray[np.object_]
_Pixel = TypeVar("_Pixel", np.uint8, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Parts:
    """Features taken apart into points, lines and polygons, in pixel coordinates of the grid."""

    geometries: _Geometries
    kinds: _Integers
    owners: _Integers
    """Which of the features each is a part of."""


class BurnedLayer:
    """Features burnt on a grid as it is read; of features that overlap the last one wins.

    A polygon covers the pixels whose centre lies inside, a line the pixels that it touches, a point the pixel
    in which it lies. Memory follows the features, never the grid.
    """

    def __init__(
        self,
        geometries: Sequence[shapely.Geometry] | _Geometries,
        values: Sequence[int],
        georef: GeoRef,
        *,
        outside: int,
        crs: str | None,
    ) -> None:
        """Bring features to a grid.

        Args:
            geometries: points, lines, polygons and collections of them, in map coordinates.
            values: what to burn for each, 0 to 255.
            georef: the grid.
            outside: value of pixels on no feature, 0 to 255.
            crs: CRS of the geometries as well-known text; None where they and the grid have none.

        Raises:
            LabelError: if only one of the two has a CRS, or if a feature cannot be brought to the grid's.
        """
        self._outside, self._grid = outside, georef
        parts = _on_grid(np.array(geometries, dtype=object), georef, crs)
        self._kinds, self._owners = parts.kinds, parts.owners
        self._values = np.array(values, dtype=np.uint8)[parts.owners]
        self._tree = shapely.STRtree(parts.geometries)
        self._segments, self._starts = _segments(parts)

    @property
    def is_empty(self) -> bool:
        """Whether no feature lies near the grid."""
        return not len(self._owners)

    @property
    def bounds(self) -> Window | None:
        """A window with all pixels that hold a feature, and few others; None where there are none."""
        if not len(self._segments):
            return None
        xs, ys = self._segments[:, [0, 2]], self._segments[:, [1, 3]]
        top, left = np.floor(ys.min() + 0.5), np.floor(xs.min() + 0.5)
        bottom, right = np.floor(ys.max() + 0.5), np.floor(xs.max() + 0.5)
        if (self._kinds != _AREA).any():  # lines and points hold the pixels that they touch
            top, left, bottom, right = top - 1, left - 1, bottom + 1, right + 1
        if bottom <= top or right <= left:
            return None
        return Window.between(int(top), int(bottom), int(left), int(right)).intersect(self._grid.window)

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Values of a window, shape (height, width); where it leaves the grid it holds `outside`."""
        burnt = np.full(window.shape, self._outside, dtype=np.uint8)
        self._burn(window, burnt, self._values)
        return burnt

    def feature_at(self, window: Window) -> NDArray[np.int64]:
        """Which of the features each pixel of a window lies on, by its position; -1 on none and outside the grid."""
        burnt = np.full(window.shape, -1, dtype=np.int64)
        self._burn(window, burnt, self._owners)
        return burnt

    def _burn(self, window: Window, pixels: NDArray[_Pixel], values: NDArray[_Pixel]) -> None:
        inside = window.intersect(self._grid.window)
        if inside is None:
            return
        here = pixels[inside.slices_in(window)]
        reach = shapely.box(inside.col - 1, inside.row - 1, inside.right + 1, inside.bottom + 1)
        for part in np.sort(self._tree.query(reach)).tolist():
            segments = self._segments[self._starts[part] : self._starts[part + 1]]
            if self._kinds[part] == _AREA:
                _burn_polygon(segments, inside, here, values[part])
            else:
                nearest = 0.0 if self._kinds[part] == _POINT else 0.5  # a point stays in its pixel
                for segment in np.floor(segments * _UNIT + nearest).astype(np.int64):
                    _burn_segment(segment, inside, here, values[part])


def _on_grid(geometries: _Geometries, georef: GeoRef, crs: str | None) -> _Parts:
    """Features near the grid in its pixel coordinates, taken apart, in their order."""
    moved, owner = _projected(geometries, georef, crs)
    a, b, c, d, e, f = tuple(~georef.transform)[:6]
    moved = shapely.transform(moved, lambda xy: np.stack([xy @ (a, b) + c, xy @ (d, e) + f], axis=-1))
    moved, owner = _apart(moved, owner)
    near = shapely.box(-1, -1, georef.width + 1, georef.height + 1)
    here = shapely.intersects(shapely.envelope(moved), near)
    moved, owner = moved[here], owner[here]
    limits = -_REACH, -_REACH, georef.width + _REACH, georef.height + _REACH
    far = ~shapely.contains(shapely.box(*limits), shapely.envelope(moved))
    moved[far] = shapely.clip_by_rect(moved[far], *limits)
    moved, owner = _apart(moved, owner)
    return _Parts(geometries=moved, kinds=shapely.get_dimensions(moved).astype(np.int64), owners=owner)


def _apart(geometries: _Geometries, owner: _Integers) -> tuple[_Geometries, _Integers]:
    """Points, lines and polygons in place of collections, and the owner of each."""
    while (shapely.get_type_id(geometries) > shapely.GeometryType.POLYGON).any():  # collections may hold collections
        geometries, index = shapely.get_parts(geometries, return_index=True)
        owner = owner[index]
    keep = ~shapely.is_empty(geometries)
    return geometries[keep], owner[keep]


def _projected(geometries: _Geometries, georef: GeoRef, crs: str | None) -> tuple[_Geometries, _Integers]:
    """Features that may lie on the grid, in its CRS, and where they stood."""
    if crs is None or georef.crs is None:
        if crs != georef.crs:
            raise LabelError(f"the {'features have' if crs is None else 'raster has'} no CRS: assign it")
        return geometries, np.arange(len(geometries))
    try:
        to_grid = pyproj.Transformer.from_crs(crs, georef.crs, always_xy=True)
    except CRSError as error:
        raise LabelError(f"the CRS of the features cannot be used: {' '.join(str(error).split())}") from error
    nearby = np.flatnonzero(_may_lie_on(geometries, georef, to_grid))
    moved = shapely.transform(geometries[nearby], lambda xy: np.stack(to_grid.transform(*xy.T), axis=-1))
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise LabelError("features reach where the CRS of the raster is not defined: clip them to the raster")
    return moved, nearby


def _may_lie_on(geometries: _Geometries, georef: GeoRef, to_grid: pyproj.Transformer) -> NDArray[np.bool_]:
    """Which features have bounds that meet the grid's in their own CRS; all where its bounds are unclear."""
    corners = [(0, 0), (georef.width, 0), (0, georef.height), (georef.width, georef.height)]
    xs, ys = zip(*(georef.transform @ corner for corner in corners), strict=True)
    grid = min(xs), min(ys), max(xs), max(ys)
    left, bottom, right, top = to_grid.transform_bounds(*grid, direction=TransformDirection.INVERSE)
    if not np.isfinite([left, bottom, right, top]).all() or left >= right:  # a pole or the antimeridian lies on it
        return np.ones(len(geometries), dtype=np.bool_)
    slack_x, slack_y = (right - left) / 10, (top - bottom) / 10  # bounds in another CRS are not exact
    reach = shapely.box(left - slack_x, bottom - slack_y, right + slack_x, top + slack_y)
    return np.asarray(shapely.intersects(shapely.envelope(geometries), reach), dtype=np.bool_)


def _segments(parts: _Parts) -> tuple[_Floats, _Integers]:
    """Segments (segments, 4) as x, y, x, y in pixels, and where those of each part begin; a point is one."""
    is_area, is_point = parts.kinds == _AREA, parts.kinds == _POINT
    areas, others = np.flatnonzero(is_area), np.flatnonzero(~is_area)
    rings, index = shapely.get_rings(parts.geometries[areas], return_index=True)
    paths = np.concatenate([rings, parts.geometries[others]])
    part_of_path = np.concatenate([areas[index], others])
    at, path = shapely.get_coordinates(paths, return_index=True)
    part = part_of_path[path]
    joined, single = np.flatnonzero(path[1:] == path[:-1]), np.flatnonzero(is_point[part])
    ends = np.concatenate([joined + 1, single])
    begins = np.concatenate([joined, single])
    order = np.argsort(part[begins], kind="stable")
    segments = np.hstack([at[begins], at[ends]])[order]
    return segments, np.searchsorted(part[begins][order], np.arange(len(parts.kinds) + 1))


def _burn_polygon(segments: _Floats, window: Window, pixels: NDArray[_Pixel], value: _Pixel) -> None:
    """Set the pixels that have an odd number of edges on the left of their centre."""
    row, col = _crossings(segments, window)
    if not len(row):
        return
    top, left = int(row.min()), int(col.min())
    height, width = int(row.max()) + 1 - top, int(col.max()) - left
    cells = (row - top) * (width + 1) + (col - left)
    edges = np.bincount(cells, minlength=height * (width + 1)).reshape(height, width + 1)
    inside = (np.cumsum(edges, axis=1) & 1).astype(np.bool_)[:, :width]
    pixels[top : top + height, left : left + width][inside] = value


def _crossings(segments: _Floats, window: Window) -> tuple[_Integers, _Integers]:
    """Where segments cross the middle of rows: row and first column whose centre lies beyond, from the window's."""
    upward = segments[:, 1] > segments[:, 3]
    segments = np.where(upward[:, None], segments[:, [2, 3, 0, 1]], segments)
    first = _row_from(segments[:, 1]).clip(window.row, window.bottom)
    count = _row_from(segments[:, 3]).clip(window.row, window.bottom) - first
    segment = np.repeat(np.arange(len(segments)), count)
    row = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count - first, count)
    x0, y0, x1, y1 = segments[segment].T
    x = (row + 0.5 - y0) * (x1 - x0) / (y1 - y0) + x0
    col = np.floor(x + 0.5).astype(np.int64)
    return row - window.row, col.clip(window.col, window.right) - window.col


def _row_from(y: _Floats) -> _Integers:
    """The first row whose middle is at y or below."""
    return np.ceil(y - 0.5).astype(np.int64)


def _burn_segment(segment: _Integers, window: Window, pixels: NDArray[_Pixel], value: _Pixel) -> None:
    """Set the pixels that a segment, or a point, touches."""
    x0, y0, x1, y1 = (segment if segment[0] <= segment[2] else segment[[2, 3, 0, 1]]).tolist()
    cols = np.arange(max(x0 // _UNIT, window.col), min(x1 // _UNIT + 1, window.right))
    if not len(cols):
        return
    if x0 == x1:
        enters, leaves = np.array([y0]), np.array([y1])
    else:
        enters, leaves = (
            y0 + (x - x0) * (y1 - y0) // (x1 - x0)
            for x in (np.maximum(x0, cols * _UNIT), np.minimum(x1, (cols + 1) * _UNIT))
        )
    tops = np.minimum(enters, leaves) // _UNIT
    bottoms = np.maximum(enters, leaves) // _UNIT + 1
    tops, bottoms = tops.clip(window.row, window.bottom), bottoms.clip(window.row, window.bottom)
    for col, top, bottom in zip(cols.tolist(), tops.tolist(), bottoms.tolist(), strict=True):
        pixels[top - window.row : bottom - window.row, col - window.col] = value
