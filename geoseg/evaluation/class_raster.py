"""A class raster read by windows, on its own grid or on that of another. Knows nothing of scores."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import CRSError
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window as FileWindow

from geoseg.classes import NODATA_ID
from geoseg.errors import LabelError, SceneError
from geoseg.georef import GeoRef
from geoseg.raster.gdal import WHOLE_NUMBERS, rasterio_errors
from geoseg.raster.opening import open_dataset
from geoseg.raster.reach import Reach
from geoseg.window import Window

_SAME_GRID = 1e-2
"""Two grids are one where no corner lies farther apart than this many pixels."""

_WARP_TOLERANCE = 0.01  # px; GDAL refuses 0
_NAME_TAG = re.compile(r"CLASS_(?P<id>\d+)")


class ClassRaster:
    """An open raster of class ids: one band of integers."""

    def __init__(self, path: Path, dataset: rasterio.io.DatasetReader | WarpedVRT) -> None:
        self.path = path
        self._dataset = dataset

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width), px."""
        return self._dataset.height, self._dataset.width

    @property
    def names(self) -> dict[int, str]:
        """Class names by id, as far as the file tells them."""
        tags = self._dataset.tags() | self._dataset.tags(1)
        named = ((_NAME_TAG.fullmatch(key), name) for key, name in tags.items())
        return {int(key["id"]): name for key, name in named if key}

    @property
    def colours(self) -> dict[int, str]:
        """`#rrggbb` by class id, where the file has a colour table."""
        if self._dataset.colorinterp[0] != ColorInterp.palette:
            return {}
        return {
            value: f"#{red:02x}{green:02x}{blue:02x}"
            for value, (red, green, blue, _) in self._dataset.colormap(1).items()
        }

    @property
    def georef(self) -> GeoRef:
        """Its grid.

        Raises:
            GeorefError: if its transform cannot be used.
        """
        dataset = self._dataset
        return GeoRef(
            crs=dataset.crs.to_wkt(version="WKT2_2019") if dataset.crs else None,
            transform=dataset.transform,
            height=dataset.height,
            width=dataset.width,
        )

    def read(self, window: Window) -> NDArray[np.uint8]:
        """Class ids of a window, 255 where there is none.

        Raises:
            LabelError: if a pixel that is not nodata holds a value outside 0 to 255.
            SceneError: if the file cannot be read there.
        """
        file_window = FileWindow(window.col, window.row, window.width, window.height)
        with rasterio_errors(str(self.path)):
            values = self._dataset.read(1, window=file_window)
            valid = self._dataset.read_masks(1, window=file_window) != 0
        strange = valid & ((values < 0) | (values > NODATA_ID))
        if strange.any():
            raise LabelError(
                f"{self.path}: is no class raster: it holds the value {values[strange][0]}, "
                "class ids are 0 to 254 and 255 is nodata"
            )
        return np.where(valid, values, NODATA_ID).astype(np.uint8)

    @contextmanager
    def on_grid_of(self, other: ClassRaster) -> Iterator[ClassRaster]:
        """This raster as it lies on the pixels of another one, nearest pixel, nothing in between.

        Raises:
            LabelError: if the two lie apart, or if it cannot be said how they lie.
        """
        if self._shares_grid(other):
            yield self
            return
        self._require_overlap(other)
        grid = other._dataset
        with (
            rasterio_errors(str(self.path)),
            WarpedVRT(
                self._dataset,
                crs=grid.crs,
                transform=grid.transform,
                width=grid.width,
                height=grid.height,
                resampling=Resampling.nearest,
                add_alpha=self._dataset.nodata is None and self._dataset.count == 1,
                tolerance=_WARP_TOLERANCE,
            ) as warped,
        ):
            yield ClassRaster(self.path, warped)

    def _shares_grid(self, other: ClassRaster) -> bool:
        mine, theirs = self._dataset, other._dataset
        crs_agree = mine.crs == theirs.crs or not (mine.crs and theirs.crs)
        return self.shape == other.shape and crs_agree and _offset(mine, theirs) < _SAME_GRID

    def _require_overlap(self, other: ClassRaster) -> None:
        mine, theirs = self._dataset, other._dataset
        if not mine.crs or not theirs.crs:
            without = self.path if not mine.crs else other.path
            raise LabelError(f"{without}: has no CRS and its pixels are not those of the other raster: assign its CRS")
        try:
            left, bottom, right, top = transform_bounds(mine.crs, theirs.crs, *_bounds(mine))
        except (CRSError, rasterio.errors.RasterioError) as error:
            raise LabelError(f"{self.path}: cannot be brought to the CRS of {other.path}: {error}") from error
        other_left, other_bottom, other_right, other_top = _bounds(theirs)
        if min(right, other_right) <= max(left, other_left) or min(top, other_top) <= max(bottom, other_bottom):
            raise LabelError(f"{self.path} and {other.path} do not overlap: give rasters of the same place")


@contextmanager
def open_class_raster(path: Path, *, allow: Sequence[str] = ()) -> Iterator[ClassRaster]:
    """Open a raster of class ids.

    Args:
        path: any raster GDAL opens.
        allow: files, folders and hosts that a VRT may point at besides what lies beside it or below.

    Raises:
        LabelError: if the file is missing, is no raster, or does not hold one band of integers.
    """
    if not path.exists() and not str(path).startswith("/vsi"):
        raise LabelError(f"{path}: no such file")
    with ExitStack() as stack:
        try:
            dataset = stack.enter_context(open_dataset(str(path), reach=Reach.of(allow)))
        except SceneError as error:
            raise LabelError(str(error)) from error
        bands = sum(kind != ColorInterp.alpha for kind in dataset.colorinterp)
        if bands != 1:
            raise LabelError(f"{path}: has {bands} bands: a class raster has one")
        if dataset.dtypes[0] not in WHOLE_NUMBERS:
            raise LabelError(f"{path}: holds {dataset.dtypes[0]}: a class raster holds integers")
        yield ClassRaster(path, dataset)


def _offset(mine: rasterio.io.DatasetReader, theirs: rasterio.io.DatasetReader) -> float:
    """The farthest that a corner of one raster lies from the same corner of the other, px."""
    to_pixels: Affine = ~theirs.transform @ mine.transform
    corners = [(0, 0), (mine.width, 0), (0, mine.height), (mine.width, mine.height)]
    moved = [to_pixels @ corner for corner in corners]
    gaps: list[float] = [math.dist(there, here) for there, here in zip(moved, corners, strict=True)]
    return max(gaps)


def _bounds(dataset: rasterio.io.DatasetReader) -> tuple[float, float, float, float]:
    """Left, bottom, right and top of any grid, rotated ones too."""
    corners = [(0, 0), (dataset.width, 0), (0, dataset.height), (dataset.width, dataset.height)]
    xs, ys = zip(*(dataset.transform @ corner for corner in corners), strict=True)
    return min(xs), min(ys), max(xs), max(ys)
