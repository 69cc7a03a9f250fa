"""Labels on disk, rasters or vectors on any grid, read as label codes on the pixels of their scene."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as FileWindow

from geoseg.data.chips import IGNORED
from geoseg.errors import LabelError
from geoseg.georef import GeoRef
from geoseg.raster.burn import BurnedLayer
from geoseg.raster.features import is_vector_file, read_features
from geoseg.raster.gdal import rasterio_errors
from geoseg.raster.opening import open_dataset
from geoseg.raster.reach import Reach
from geoseg.window import Window

log = logging.getLogger(__name__)

_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_WHOLE = re.compile(r"-?\d+")
_SAME_GRID_PX = 0.05
_WARP_TOLERANCE_PX = 0.01  # GDAL refuses 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSource:
    """Labels on disk and what their values mean."""

    path: Path
    """A raster of whole numbers, or a vector layer."""

    codes: Mapping[int | str, int]
    """Label code of each value, 255 where it is to be left unknown; a value that is not listed is an error."""

    attribute: str | None = None
    """Of a vector layer, the column of the values; None takes the only value there can be."""

    layer: str | None = None
    """Of a vector file with several layers."""

    outside: int = IGNORED
    """Of a vector layer, the code of pixels without a feature."""

    allow: tuple[str, ...] = ()
    """Files, folders and hosts that a raster may point at besides what lies beside it or below."""


class Labels(Protocol):
    """Open labels of a scene."""

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Label codes of a window, shape (height, width); 255 where unknown or outside the scene."""

    def close(self) -> None:
        """Close the file; closing twice is fine."""


def open_labels(source: LabelSource, scene: GeoRef) -> Labels:
    """Open the labels of a scene.

    Args:
        source: what to open.
        scene: the grid on which they are read.

    Raises:
        SceneError: if a raster cannot be opened.
        LabelError: if it cannot be said where the labels lie, they do not meet the scene, or a value is not listed.
    """
    if is_vector_file(source.path):
        return LabelVectors(source, scene)
    return LabelRaster(source, scene)


class LabelVectors:
    """Features burnt on the grid of a scene: polygons by pixel centres, lines and points where they touch a pixel."""

    def __init__(self, source: LabelSource, scene: GeoRef) -> None:
        if not scene.crs:
            raise LabelError(f"{source.path}: features need a place, the scene has no CRS: assign it (gdal_edit.py)")
        features = read_features(source.path, layer=source.layer, attribute=source.attribute)
        codes = [_code_of(source, value) for value in features.values]
        self._burnt = BurnedLayer(features.geometries, codes, scene, outside=source.outside, crs=features.crs)
        if self._burnt.is_empty:
            raise LabelError(f"{source.path}: no feature lies in the scene: give labels of the same place")
        self._scene = scene.window

    def read(self, window: Window) -> NDArray[np.uint8]:
        """As in `Labels`."""
        labels = np.full(window.shape, IGNORED, dtype=np.uint8)
        inside = window.intersect(self._scene)
        if inside is not None:
            labels[inside.slices_in(window)] = self._burnt.read(inside)
        return labels

    def close(self) -> None:
        """Nothing is left open."""


class LabelRaster:
    """An open raster of labels; on another grid than the scene's, the nearest pixel counts.

    A context manager; read from one thread at a time.
    """

    def __init__(self, source: LabelSource, scene: GeoRef) -> None:
        """As `open_labels` says."""
        self._source = source
        self._scene = scene.window
        self._keys, self._codes = _look_up(source)
        self._dataset = open_dataset(str(source.path), reach=Reach.of(source.allow))
        try:
            self._aligned = self._on_grid(scene)
        except LabelError:
            self._dataset.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._aligned is not self._dataset:
            self._aligned.close()
        self._dataset.close()

    def read(self, window: Window) -> NDArray[np.uint8]:
        """As in `Labels`.

        Raises:
            SceneError: if the file cannot be read there.
            LabelError: if it holds a value there that is not listed.
        """
        labels = np.full(window.shape, IGNORED, dtype=np.uint8)
        inside = window.intersect(self._scene)
        if inside is not None:
            there = FileWindow(inside.col, inside.row, inside.width, inside.height)
            with rasterio_errors(str(self._source.path)):
                values = self._aligned.read(1, window=there)
                known = self._aligned.read_masks(1, window=there) != 0
            labels[inside.slices_in(window)] = self._codes_of(values, known)
        return labels

    def _codes_of(self, values: NDArray[np.integer], known: NDArray[np.bool_]) -> NDArray[np.uint8]:
        places = np.searchsorted(self._keys, values).clip(max=len(self._keys) - 1)
        strange = known & (self._keys[places] != values)
        if strange.any():
            value = values[strange][0]
            raise LabelError(
                f"{self._source.path}: value {value} is not in label_map: map it to a class, "
                f"or to null to leave its pixels unknown ({value}: null)"
            )
        return np.where(known, self._codes[places], np.uint8(IGNORED))

    def _on_grid(self, scene: GeoRef) -> rasterio.io.DatasetReader | WarpedVRT:
        path, dataset = self._source.path, self._dataset
        if dataset.dtypes[0] not in _INTEGERS:
            raise LabelError(f"{path}: labels must be whole numbers, the file has {dataset.dtypes[0]}")
        same_shape = (dataset.height, dataset.width) == (scene.height, scene.width)
        located = bool(dataset.crs and scene.crs)
        same_crs = not located or dataset.crs.to_wkt(version="WKT2_2019") == scene.crs
        shift = _shift(dataset, scene) if same_crs else float("inf")
        if same_shape and shift <= _SAME_GRID_PX:
            return dataset
        if not located:
            raise LabelError(
                f"{path}: labels have {dataset.height} x {dataset.width} px, the scene {scene.height} x {scene.width}, "
                "and one of them has no CRS to place it by: assign it (gdal_edit.py -a_srs), or put them on one grid"
            )
        _require_overlap(path, dataset, scene)
        if same_shape and same_crs:
            log.warning("%s: labels lie %.2f px off the scene's grid: the nearest pixel counts", path, shift)
        with rasterio_errors(str(path)):
            return WarpedVRT(
                dataset,
                crs=scene.crs,
                transform=scene.transform,
                width=scene.width,
                height=scene.height,
                resampling=Resampling.nearest,
                add_alpha=dataset.nodata is None,
                tolerance=_WARP_TOLERANCE_PX,
            )


def _look_up(source: LabelSource) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Values, ascending, and their codes."""
    listed = sorted((int(key), code) for key, code in source.codes.items() if _WHOLE.fullmatch(str(key)))
    if not listed:
        raise LabelError(f"{source.path}: a raster holds numbers, label_map has {', '.join(map(str, source.codes))}")
    return np.array([key for key, _ in listed], dtype=np.int64), np.array([code for _, code in listed], dtype=np.uint8)


def _code_of(source: LabelSource, value: object) -> int:
    """The code of an attribute's value; 1, 1.0 and "1" are one value."""
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    for key in (whole, str(whole), int(whole) if isinstance(whole, str) and whole.isdigit() else whole):
        if isinstance(key, int | str) and key in source.codes:
            return source.codes[key]
    listed = ", ".join(map(str, source.codes))
    raise LabelError(f"{source.path}: {source.attribute} holds {value!r}, label_map has {listed}: add it, or null")


def _shift(dataset: rasterio.io.DatasetReader, scene: GeoRef) -> float:
    """The farthest that a corner of the scene lies from the same corner of the labels, scene px."""
    corners = [(0.0, 0.0), (scene.width, 0.0), (0.0, scene.height), (scene.width, scene.height)]
    to_scene = ~scene.transform @ dataset.transform
    return max(float(np.hypot(*np.subtract(to_scene @ corner, corner))) for corner in corners)


def _require_overlap(path: Path, dataset: rasterio.io.DatasetReader, scene: GeoRef) -> None:
    with rasterio_errors(str(path)), WarpedVRT(dataset, crs=scene.crs) as warped:
        corners = [(0, 0), (warped.width, 0), (0, warped.height), (warped.width, warped.height)]
        cols, rows = zip(*(~scene.transform @ (warped.transform @ corner) for corner in corners), strict=True)
    if min(cols) >= scene.width or max(cols) <= 0 or min(rows) >= scene.height or max(rows) <= 0:
        raise LabelError(f"{path}: the labels do not meet the scene: give labels of the same place")
