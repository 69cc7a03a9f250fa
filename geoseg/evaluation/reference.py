"""References of both kinds, raster and vector, read as ids on the grid of the map. Knows nothing of scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.config.evaluate import EvaluateSettings
from geoseg.errors import ConfigError, LabelError
from geoseg.evaluation.class_raster import ClassRaster, open_class_raster
from geoseg.evaluation.groups import ClassGroups, grouped, labels_as_ids, ungrouped
from geoseg.raster.burn import BurnedLayer
from geoseg.raster.features import Features, is_vector_file, read_features
from geoseg.window import Window

_OF_VECTORS = ("attribute", "layer", "outside")


class Reference(Protocol):
    """What a map is compared with, on the map's grid."""

    @property
    def groups(self) -> ClassGroups:
        """Which classes are compared as one."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Compared ids of a window of the map, shape (height, width); 255 where there is no class."""


class _RasterReference:
    def __init__(self, labels: ClassRaster, groups: ClassGroups, ids: NDArray[np.uint8]) -> None:
        self.groups = groups
        self._labels, self._ids = labels, ids

    def read(self, window: Window) -> NDArray[np.uint8]:
        return self._ids[self._labels.read(window)]


class _VectorReference:
    def __init__(self, layer: BurnedLayer, groups: ClassGroups) -> None:
        self.groups = groups
        self._layer = layer

    def read(self, window: Window) -> NDArray[np.uint8]:
        return self._layer.read(window)


@contextmanager
def open_reference(path: Path, map_raster: ClassRaster, settings: EvaluateSettings) -> Iterator[Reference]:
    """Open a reference on the grid of a map.

    A raster on another grid or in another CRS is read by its nearest pixel. Polygons cover the pixels of the map whose
    centre lies inside, lines those they touch; of features that overlap the last one wins.

    Raises:
        LabelError: if it cannot be read, lies elsewhere, or names a class that the map does not have.
        ConfigError: if settings for vectors are given and it is a raster.
    """
    if is_vector_file(path):
        yield _vector_reference(path, map_raster, settings)
        return
    given = [key for key in _OF_VECTORS if getattr(settings, key) is not None]
    if given:
        raise ConfigError(f"{given[0]}: {path} is a raster: {given[0]} is for references of polygons")
    with open_class_raster(path, allow=settings.allow) as elsewhere, elsewhere.on_grid_of(map_raster) as labels:
        groups = _groups(map_raster, settings, {str(value): name for value, name in elsewhere.names.items()})
        if settings.label_map is None:
            groups = ungrouped(elsewhere.names | map_raster.names)
        with _about(path):
            ids = labels_as_ids(groups, settings.ignore)
        yield _RasterReference(labels, groups, ids)


def _groups(map_raster: ClassRaster, settings: EvaluateSettings, label_names: Mapping[str, str]) -> ClassGroups:
    if settings.label_map is None:
        return ungrouped(map_raster.names)
    with _about(map_raster.path):
        return grouped(settings.label_map, map_names=map_raster.names, label_names=label_names)


def _vector_reference(path: Path, map_raster: ClassRaster, settings: EvaluateSettings) -> _VectorReference:
    features = read_features(path, layer=settings.layer, attribute=settings.attribute)
    words = {value: value for value in settings.label_map or {} if not value.isdecimal()}
    groups = _groups(map_raster, settings, words)
    ids = {value: _id_of(_text(value), groups, path, settings) for value in set(features.values) - {None}}
    values = [NODATA_ID if value is None else ids[value] for value in features.values]
    layer = burned(path, features, values, map_raster, outside=_outside(groups, map_raster, settings))
    return _VectorReference(layer, groups)


def burned(
    path: Path, features: Features, values: list[int], map_raster: ClassRaster, *, outside: int = NODATA_ID
) -> BurnedLayer:
    """Features on the grid of a map.

    Raises:
        LabelError: if they cannot be brought there, or none lies on it.
    """
    if features.crs is None and map_raster.georef.crs is not None:
        raise LabelError(f"{path}: has no CRS: assign it (ogr2ogr -a_srs)")
    with _about(path):
        layer = BurnedLayer(features.geometries, values, map_raster.georef, outside=outside, crs=features.crs)
    if layer.is_empty:
        raise LabelError(f"{path} and {map_raster.path} do not overlap: give a reference of the same place")
    return layer


def _id_of(value: str, groups: ClassGroups, path: Path, settings: EvaluateSettings) -> int:
    """The compared id of a value of the attribute; 255 where it is no class."""
    if value in settings.ignore:
        return NODATA_ID
    if groups.of_label is not None:
        return groups.of_label.get(value, NODATA_ID)
    named = groups.id_of(value)
    if named is not None:
        return named
    number = int(value) if value.isdecimal() else NODATA_ID
    if number in groups.names or (not groups.names and number < NODATA_ID):
        return number
    known = ", ".join(f"{class_id} {name}" for class_id, name in groups.names.items()) or "numbers from 0 to 254"
    raise LabelError(
        f"{path}: {settings.attribute} holds {value!r}, which is no class: classes are {known}; give a label map"
    )


def _outside(groups: ClassGroups, map_raster: ClassRaster, settings: EvaluateSettings) -> int:
    if settings.outside is None:
        return NODATA_ID
    names = {name: class_id for class_id, name in map_raster.names.items()}
    group = groups.id_of(settings.outside)
    if group is None and settings.outside not in names:
        raise LabelError(
            f"{map_raster.path}: has no class {settings.outside!r}: its classes are {', '.join(names) or 'not named'}"
        )
    return group if group is not None else int(groups.of_map[names[settings.outside]])


def _text(value: object) -> str:
    """A value as label maps have it: 4.0 of a table with gaps is 4."""
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole and isinstance(value, float) else str(value).strip()


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Name the file in errors of what knows no files."""
    try:
        yield
    except LabelError as error:
        raise LabelError(f"{path}: {error}") from error
