"""The area of interest: the ground that is to be mapped of a scene, as pixels of a grid."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import CRSError

from geoseg.errors import ConfigError, SceneError
from geoseg.georef import GeoRef
from geoseg.raster.burn import BurnedLayer
from geoseg.window import Window

_NUMBER = r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*"
_BOX = re.compile(rf"(?P<numbers>{_NUMBER}(?:,{_NUMBER}){{3}})(?:,(?P<crs>\s*[A-Za-z]+:\w+\s*))?")
_DEGREES = "EPSG:4326"
_STEPS = 64  # a side is followed in so many steps: a straight line of one map is none in another
_TURN = 180.0
_POLE = 90.0
_INSIDE = 1


@dataclass(frozen=True, slots=True)
class AreaOfInterest:
    """Polygons that say which ground is to be mapped. A value that travels to workers."""

    polygons: tuple[bytes, ...]
    """As WKB."""

    crs: str | None
    """Well-known text of their CRS."""

    name: str
    """As the user gave it."""

    @classmethod
    def of(cls, text: str) -> AreaOfInterest:
        """An area as the user writes it.

        Args:
            text: a vector file with polygons (GeoJSON, GeoPackage, ...), or `west,south,east,north` in degrees, or
                `minx,miny,maxx,maxy,EPSG:n`. Degrees are longitude and latitude; west may exceed east.

        Raises:
            ConfigError: if it is neither, or no area.
            LabelError: if a file cannot be read.
        """
        box = _BOX.fullmatch(text)
        if box is not None:
            return cls._of_box(
                text, [float(part) for part in box["numbers"].split(",")], (box["crs"] or _DEGREES).strip()
            )
        if not Path(text).exists():
            raise ConfigError(f"--aoi {text}: is no file and no box: give a vector file or west,south,east,north")
        from geoseg.raster.features import EVERY, read_features  # noqa: PLC0415 - GeoPandas only where a file is read

        features = read_features(Path(text), layer=None, attribute=EVERY)
        areas = features.geometries[shapely.get_dimensions(features.geometries) == 2]  # noqa: PLR2004 - of a polygon
        if not len(areas):
            raise ConfigError(f"--aoi {text}: holds no polygons: give an area")
        return cls(tuple(shapely.to_wkb(areas).tolist()), features.crs, text)

    @classmethod
    def _of_box(cls, text: str, numbers: list[float], name: str) -> AreaOfInterest:
        west, south, east, north = numbers
        try:
            crs = pyproj.CRS.from_user_input(name)
        except CRSError as error:
            raise ConfigError(f"--aoi {text}: {name} is no CRS: write EPSG:n") from error
        degrees = crs.is_geographic
        if not np.isfinite(numbers).all() or south >= north or (west >= east and not degrees) or west == east:
            raise ConfigError(f"--aoi {text}: is no area: write minx,miny,maxx,maxy")
        if degrees and (max(abs(west), abs(east)) > 2 * _TURN or max(abs(south), abs(north)) > _POLE):
            raise ConfigError(f"--aoi {text}: are no degrees: add the CRS of the numbers, as in ...,EPSG:32633")
        boxes = [(west, east)] if west < east else [(west, _TURN), (-_TURN, east)]
        made = [shapely.box(left, south, right, north) for left, right in boxes]
        return cls(tuple(shapely.to_wkb(np.array(made, dtype=object)).tolist()), crs.to_wkt(), text)

    def on(self, georef: GeoRef) -> AreaOnGrid:
        """The same area as pixels of a grid.

        Raises:
            SceneError: if no pixel of the grid lies in it.
            LabelError: if its CRS does not go with the grid's.
        """
        area = AreaOnGrid(self, georef)
        area.bounds  # noqa: B018 - refuses an area that does not meet the grid
        return area


@dataclass(frozen=True, slots=True)
class AreaOnGrid:
    """An area of interest as pixels of a grid; calling it tells which pixels of a window are wanted."""

    area: AreaOfInterest
    """On the ground."""

    georef: GeoRef
    """The grid."""

    margin: int = 0
    """Pixels around it that are wanted as well."""

    def __call__(self, window: Window) -> NDArray[np.bool_]:
        """True where a pixel is wanted, shape (height, width): its centre lies inside; False outside the grid."""
        around = Window.between(
            window.row - self.margin, window.bottom + self.margin, window.col - self.margin, window.right + self.margin
        )
        inside = np.asarray(_burnt(self.area, self.georef).read(around) == _INSIDE)
        if not self.margin:
            return inside
        from scipy import ndimage  # noqa: PLC0415 - slow to import, and only wider areas need it

        wide = ndimage.binary_dilation(inside, np.ones((2 * self.margin + 1,) * 2, dtype=np.bool_))
        kept = np.asarray(wide[window.slices_in(around)])
        return np.asarray(kept & _inside(window, self.georef))

    @property
    def bounds(self) -> Window:
        """The smallest window with all its pixels.

        Raises:
            SceneError: if there is none.
        """
        window = _burnt(self.area, self.georef).bounds
        if window is None:
            raise SceneError(
                f"--aoi {self.area.name}: no pixel of the scene lies in it: give an area of the same place"
            )
        return window


def _inside(window: Window, georef: GeoRef) -> NDArray[np.bool_]:
    there = np.zeros(window.shape, dtype=np.bool_)
    inside = window.intersect(georef.window)
    if inside is not None:
        there[inside.slices_in(window)] = True
    return there


@functools.lru_cache(maxsize=4)
def _burnt(area: AreaOfInterest, georef: GeoRef) -> BurnedLayer:
    polygons = shapely.from_wkb(np.array(area.polygons, dtype=object))
    if area.crs != georef.crs:
        west, south, east, north = shapely.bounds(polygons).T
        polygons = shapely.segmentize(polygons, np.maximum(np.maximum(east - west, north - south), 1e-9) / _STEPS)
    return BurnedLayer(polygons, [_INSIDE] * len(polygons), georef, outside=0, crs=area.crs)
