"""Parts of a map that are scored apart: square blocks, or polygons by an attribute. Knows nothing of scores."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.config.evaluate import EvaluateSettings
from geoseg.evaluation.class_raster import ClassRaster
from geoseg.evaluation.reference import burned
from geoseg.evaluation.scores import Zone
from geoseg.georef import GeoRef
from geoseg.raster.burn import BurnedLayer
from geoseg.raster.features import read_features
from geoseg.window import Window

ELSEWHERE = "(outside)"
"""The zone of pixels in no polygon, or in one without a value."""

_Indices = NDArray[np.int64]


class Zones(Protocol):
    """A division of the map: every pixel lies in exactly one zone."""

    def indices(self, window: Window) -> _Indices:
        """The zone of each pixel of a window, shape (height, width)."""

    def zone(self, index: int) -> Zone:
        """What one of them is."""


class _Blocks:
    def __init__(self, georef: GeoRef, size: float) -> None:
        self._georef = georef
        self._side = max(1, round(size / (georef.gsd or 1.0)))
        self._across = -(-georef.width // self._side)

    def indices(self, window: Window) -> _Indices:
        rows = np.arange(window.row, window.bottom) // self._side
        cols = np.arange(window.col, window.right) // self._side
        return np.asarray(rows[:, None] * self._across + cols[None, :], dtype=np.int64)

    def zone(self, index: int) -> Zone:
        row, col = divmod(index, self._across)
        top, left = row * self._side, col * self._side
        bottom, right = min(top + self._side, self._georef.height), min(left + self._side, self._georef.width)
        corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        outline = shapely.Polygon([self._georef.transform @ corner for corner in corners])
        return Zone(name=f"row {row + 1}, column {col + 1}", outline=outline, crs=self._georef.crs)


class _Polygons:
    def __init__(self, layer: BurnedLayer, values: list[str]) -> None:
        self._layer = layer
        self._names = [*sorted(set(values) - {ELSEWHERE}), ELSEWHERE]
        index = {name: position for position, name in enumerate(self._names)}
        self._index = np.array([index[value] for value in (*values, ELSEWHERE)], dtype=np.int64)

    def indices(self, window: Window) -> _Indices:
        return self._index[self._layer.feature_at(window)]

    def zone(self, index: int) -> Zone:
        return Zone(name=self._names[index])


class _Whole:
    def indices(self, window: Window) -> _Indices:
        return np.zeros(window.shape, dtype=np.int64)

    def zone(self, index: int) -> Zone:
        return Zone(name=str(index))


def open_zones(map_raster: ClassRaster, settings: EvaluateSettings) -> Zones:
    """The zones that the settings ask for; one for the whole map where they ask for none.

    Raises:
        LabelError: if the polygons cannot be read or lie elsewhere.
    """
    if settings.by is None:
        return _Whole()
    if settings.zones is None:
        return _Blocks(map_raster.georef, settings.block_size)
    path = Path(settings.zones)
    features = read_features(path, layer=None, attribute=settings.by)
    layer = burned(path, features, [0] * len(features.values), map_raster)
    return _Polygons(layer, [ELSEWHERE if value is None else str(value) for value in features.values])
