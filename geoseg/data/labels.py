"""Labels on disk: a raster of values on the grid of its scene, read as class indices."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window as FileWindow

from geoseg.classes import ClassMap
from geoseg.data.chips import IGNORED
from geoseg.errors import LabelError
from geoseg.georef import GeoRef
from geoseg.raster.scene import open_dataset, rasterio_errors
from geoseg.window import Window

_INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32")
_TOLERANCE_PX = 0.05


class LabelRaster:
    """An open raster of labels. A context manager; read from one thread at a time."""

    def __init__(self, path: Path, *, scene: GeoRef, classes: ClassMap, label_map: Mapping[int, str]) -> None:
        """Open the labels of a scene.

        Args:
            path: a raster of one band of whole numbers.
            scene: the grid of the scene that they describe.
            classes: the legend.
            label_map: name of the class of each value; values that are not listed are unknown.

        Raises:
            SceneError: if the file cannot be opened.
            LabelError: if it is not on the scene's grid, holds no whole numbers, or a class is not in the legend.
        """
        self._path = path
        self._indices = {value: _index(path, classes, value, name) for value, name in label_map.items()}
        self._dataset = open_dataset(str(path))
        try:
            _refuse_other_grid(path, self._dataset, scene)
        except LabelError:
            self._dataset.close()
            raise
        self._window = scene.window
        self._nodata = self._dataset.nodata

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._dataset.close()

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class index of each pixel of a window, shape (height, width); 255 where unknown or outside the scene.

        Raises:
            SceneError: if the file cannot be read there.
        """
        labels = np.full(window.shape, IGNORED, dtype=np.uint8)
        inside = window.intersect(self._window)
        if inside is not None:
            with rasterio_errors(str(self._path)):
                values = self._dataset.read(1, window=FileWindow(inside.col, inside.row, inside.width, inside.height))
            labels[inside.slices_in(window)] = self._indices_of(values)
        return labels

    def _indices_of(self, values: NDArray[np.integer]) -> NDArray[np.uint8]:
        labels = np.full(values.shape, IGNORED, dtype=np.uint8)
        for value, index in self._indices.items():
            if value != self._nodata:
                labels[values == value] = index
        return labels


def _index(path: Path, classes: ClassMap, value: int, name: str) -> int:
    if name not in classes.names:
        raise LabelError(f"{path}: value {value} is mapped to {name!r}, the legend has {', '.join(classes.names)}")
    return classes.index_of(name)


def _refuse_other_grid(path: Path, dataset: rasterio.io.DatasetReader, scene: GeoRef) -> None:
    if dataset.dtypes[0] not in _INTEGERS:
        raise LabelError(f"{path}: labels must be whole numbers, the file has {dataset.dtypes[0]}")
    if (dataset.height, dataset.width) != (scene.height, scene.width):
        raise LabelError(
            f"{path}: labels have {dataset.height} x {dataset.width} px, the scene {scene.height} x {scene.width}: "
            "put them on the scene's grid (gdalwarp -te -ts)"
        )
    if dataset.crs and scene.crs and dataset.crs.to_wkt(version="WKT2_2019") != scene.crs:
        raise LabelError(f"{path}: labels and scene differ in CRS: warp the labels (gdalwarp -t_srs)")
    corners = np.array([(0, 0), (scene.width, 0), (0, scene.height), (scene.width, scene.height)], dtype=float)
    to_scene = ~scene.transform @ dataset.transform
    shifts = [np.hypot(*np.subtract(to_scene @ tuple(corner), corner)) for corner in corners]
    if max(shifts) > _TOLERANCE_PX:
        raise LabelError(
            f"{path}: labels lie {max(shifts):.2f} px off the scene's grid, at most {_TOLERANCE_PX} is allowed: "
            "warp them onto it (gdalwarp -te -ts)"
        )
