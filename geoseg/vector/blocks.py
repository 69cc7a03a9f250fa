"""Class and confidence rasters read block by block, and a scratch raster for what is found in them.

Knows files and pixel areas, nothing of regions' shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window as FileWindow

from geoseg.errors import OutputError, SceneError
from geoseg.georef import GeoRef
from geoseg.raster.gdal import BLOCK_CACHE_BYTES, georeference_optional
from geoseg.raster.scene import open_dataset, rasterio_errors
from geoseg.vector.regions import RegionBlock
from geoseg.window import Window

BLOCK_ROWS = 512
"""Rows of a block: those of a row of storage blocks."""

_AREA_BITS = 61  # the areas of a raster sum up to less than 2^61 units


class ClassSource:
    """A class raster and its confidence raster, open for reading. A context manager."""

    def __init__(self, class_raster: Path, confidence: Path) -> None:
        """Open both.

        Args:
            class_raster: class ids; 255 is nodata.
            confidence: percent, on the same grid.

        Raises:
            SceneError: if one cannot be read, or they differ in size.
        """
        self._paths = class_raster, confidence
        self._class_ids, self._confidence = open_dataset(str(class_raster)), open_dataset(str(confidence))
        if self._class_ids.shape != self._confidence.shape:
            raise SceneError(
                f"{confidence}: is {self._confidence.shape} px but {class_raster} is {self._class_ids.shape}: "
                "give rasters of one prediction"
            )
        dataset = self._class_ids
        self.georef = GeoRef(
            crs=dataset.crs.to_wkt(version="WKT2_2019") if dataset.crs else None,
            transform=dataset.transform,
            height=dataset.height,
            width=dataset.width,
        )
        self.area_scale = _area_scale(self.georef)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both."""
        self._class_ids.close()
        self._confidence.close()

    def blocks(self, rows: int, progress: Callable[[Window], None]) -> Iterator[RegionBlock]:
        """Blocks of at most `rows` rows from top to bottom; `progress` hears of each before the next is read."""
        for window in windows(self.georef, rows):
            areas = self.georef.pixel_areas(window)
            if areas is not None:
                np.rint(np.multiply(areas, self.area_scale, out=areas), out=areas)
            yield RegionBlock(
                window=window,
                class_ids=_read(self._class_ids, self._paths[0], window),
                confidence=_read(self._confidence, self._paths[1], window),
                areas=None if areas is None else areas.astype(np.int64),
            )
            progress(window)


class LabelScratch:
    """A raster of labels on disk: written once from top to bottom, then read again. A context manager."""

    def __init__(self, path: Path, georef: GeoRef) -> None:
        """Name the file; it is the caller's to remove."""
        self._path = path
        self._georef = georef
        self._dataset: Any = None

    def __enter__(self) -> Self:
        """Make the file.

        Raises:
            OutputError: if it cannot be made.
        """
        try:
            with georeference_optional():
                self._dataset = rasterio.open(
                    self._path,
                    "w",
                    driver="GTiff",
                    dtype="int32",
                    count=1,
                    height=self._georef.height,
                    width=self._georef.width,
                    tiled=True,
                    blockxsize=BLOCK_ROWS,
                    blockysize=BLOCK_ROWS,
                    compress="ZSTD",
                    zstd_level=1,
                    bigtiff="IF_SAFER",
                    num_threads="ALL_CPUS",
                )
        except RasterioError as error:
            raise _scratch_error(self._path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._dataset.close()

    def write(self, window: Window, labels: NDArray[np.int32]) -> None:
        """Keep the labels (height, width) of a window.

        Raises:
            OutputError: if the disk is full.
        """
        try:
            with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES):
                self._dataset.write(labels, 1, window=_file_window(window))
        except RasterioError as error:
            raise _scratch_error(self._path, error) from error

    def blocks(self, rows: int, progress: Callable[[Window], None]) -> Iterator[NDArray[np.int32]]:
        """Labels (height, width) of full-width rows, from top to bottom; ends the writing."""
        self._dataset.close()
        self._dataset = open_dataset(str(self._path))
        for window in windows(self._georef, rows):
            yield _read(self._dataset, self._path, window)
            progress(window)


def windows(georef: GeoRef, rows: int) -> Iterator[Window]:
    """Windows of full-width rows, from top to bottom."""
    for top in range(0, georef.height, rows):
        yield Window.between(top, min(top + rows, georef.height), 0, georef.width)


def _area_scale(georef: GeoRef) -> float:
    """Units per m²: the finest power of two with which a raster's total area stays a whole number of 61 bits."""
    last_row, last_col = georef.height - 1, georef.width - 1
    samples = [
        georef.pixel_areas(Window(row=row, col=col, height=1, width=1))
        for row in (0, last_row // 2, last_row)
        for col in (0, last_col // 2, last_col)
    ]
    largest = max((area.item() for area in samples if area is not None), default=1.0)
    _, bits = math.frexp(4 * largest * georef.height * georef.width)
    return math.ldexp(1.0, _AREA_BITS - bits)


def _read(dataset: Any, path: Path, window: Window) -> NDArray[Any]:  # noqa: ANN401 - rasterio is untyped
    with rasterio_errors(str(path)):
        return np.asarray(dataset.read(1, window=_file_window(window)))


def _file_window(window: Window) -> FileWindow:
    return FileWindow(window.col, window.row, window.width, window.height)


def _scratch_error(path: Path, error: RasterioError) -> OutputError:
    cause = " ".join(str(error.__cause__ or error).split())
    return OutputError(f"{path.parent}: no room for the polygons' scratch file: {cause}")
