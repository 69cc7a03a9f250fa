"""Class, confidence and probability rasters read block by block, from top to bottom.

Knows files and pixel areas, nothing of regions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.windows import Window as FileWindow

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.raster.gdal import WHOLE_NUMBERS, rasterio_errors
from geoseg.raster.opening import NOTHING, open_dataset
from geoseg.raster.reach import Reach
from geoseg.vector.regions import RegionBlock
from geoseg.window import Window

BLOCK_ROWS = 512
"""Rows of a block: those of a row of storage blocks. Fixed, because simplification leaves vertices at seams alone."""

PERCENT = 100
"""What a probability of 1 is in confidence and probability rasters."""

_AREA_BITS = 61  # the areas of a raster sum up to less than 2^61 units
_UNKNOWN = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRasters:
    """The rasters that polygons are made of, all on one grid."""

    class_raster: Path
    """Class ids 0 to 254; 255 and its own nodata value are no class."""

    confidence: Path | None = None
    """Probability of the class of each pixel, per cent; 255 is nodata."""

    probabilities: Path | None = None
    """Probability of every class, per cent, a band for each; 255 is nodata."""

    reach: Reach = NOTHING
    """What a VRT among them may point at besides what lies beside it or below."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockPixels:
    """What the rasters say of a block."""

    window: Window
    """Full-width rows."""

    class_ids: NDArray[np.uint8]
    """(rows, width); 255 where not valid."""

    confidence: NDArray[np.uint8] | None
    """(rows, width), per cent; 255 where not valid."""

    probabilities: NDArray[np.uint8] | None
    """(classes, rows + 2, width) in the order of the legend, per cent, with a row above and one below: 255 where not
    valid and outside of the raster."""


class ClassSource:
    """The rasters, open for reading. A context manager."""

    def __init__(self, rasters: ClassRasters, classes: ClassMap) -> None:
        """Open them.

        Args:
            rasters: the files.
            classes: the legend; tells which band of the probabilities is which class.

        Raises:
            SceneError: if one cannot be read, holds other numbers than class ids or percentages, or differs in size.
        """
        self._rasters = rasters
        with ExitStack() as stack:
            self._class_ids = stack.enter_context(open_dataset(str(rasters.class_raster), reach=rasters.reach))
            self._confidence = self._companion(rasters.confidence, stack)
            self._probabilities = self._companion(rasters.probabilities, stack)
            _require_whole_numbers(rasters.class_raster, self._class_ids)
            self._bands = [] if rasters.probabilities is None else self._band_numbers(rasters.probabilities, classes)
            self._stack = stack.pop_all()
        dataset = self._class_ids
        own = dataset.mask_flag_enums[0]
        self._is_masked = MaskFlags.per_dataset in own or not own  # by alpha, or by a mask inside or beside the file
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
        """Close them."""
        self._stack.close()

    def class_blocks(self, progress: Callable[[Window], None], *, rows: int) -> Iterator[RegionBlock]:
        """The class ids alone, by blocks; `progress` hears of each before the next is read."""
        for window in windows(self.georef, rows):
            yield RegionBlock(window=window, class_ids=self._classes_in(window))
            progress(window)

    def pixel_blocks(self, progress: Callable[[Window], None], *, rows: int) -> Iterator[BlockPixels]:
        """All that the rasters say, by blocks; `progress` hears of each before the next is read."""
        for window in windows(self.georef, rows):
            yield BlockPixels(
                window=window,
                class_ids=self._classes_in(window),
                confidence=self._confidence_in(window),
                probabilities=self._probabilities_in(window),
            )
            progress(window)

    @property
    def has_probabilities(self) -> bool:
        """True where the probability of each class is known."""
        return self._rasters.probabilities is not None

    def class_against_others(self, window: Window, position: int) -> NDArray[np.float32]:
        """How one class of the legend stands against the best other one, (height, width).

        Its probability over the sum of both: one half where the map changes from it to any other, 0 where not valid.
        """
        path = self._rasters.probabilities
        if path is None:
            raise ValueError("no probabilities were given")
        percent = _percentages(path, self._probabilities, _read(self._probabilities, path, window, self._bands))
        percent[percent == _UNKNOWN] = 0
        own = percent[position].astype(np.float32)
        percent[position] = 0
        both = own + percent.max(axis=0)
        return np.asarray(np.divide(own, both, out=np.zeros_like(own), where=both > 0))

    def areas(self, window: Window) -> NDArray[np.int64] | None:
        """Ground area of each pixel of a window, (height, width), in 1 / `area_scale` m²; None without a CRS.

        Whole numbers, because their sums do not depend on the order of the terms. Several threads may ask.
        """
        areas = self.georef.pixel_areas(window)
        if areas is None:
            return None
        np.rint(np.multiply(areas, self.area_scale, out=areas), out=areas)
        return areas.astype(np.int64)

    def _classes_in(self, window: Window) -> NDArray[np.uint8]:
        class_ids = self._stored_in(window)
        if self._is_masked:
            with rasterio_errors(str(self._rasters.class_raster)):
                mask = self._class_ids.read_masks(1, window=_in_file(window))
            class_ids[mask == 0] = NODATA_ID
        return class_ids

    def _stored_in(self, window: Window) -> NDArray[np.uint8]:
        path, dataset = self._rasters.class_raster, self._class_ids
        pixels = _read(dataset, path, window, 1)
        nodata = dataset.nodata
        if pixels.dtype == np.uint8:
            if nodata is not None and nodata != NODATA_ID:
                pixels[pixels == nodata] = NODATA_ID
            return pixels
        invalid = pixels == NODATA_ID if nodata is None else pixels == nodata
        valid = pixels[~invalid]
        if valid.size and (valid.min() < 0 or valid.max() >= NODATA_ID):
            odd = valid.min() if valid.min() < 0 else valid.max()
            raise SceneError(f"{path}: holds {odd}, class ids are 0 to {NODATA_ID - 1}: renumber its classes")
        return np.where(invalid, NODATA_ID, pixels).astype(np.uint8)

    def _confidence_in(self, window: Window) -> NDArray[np.uint8] | None:
        path = self._rasters.confidence
        return None if path is None else _percentages(path, self._confidence, _read(self._confidence, path, window, 1))

    def _probabilities_in(self, window: Window) -> NDArray[np.uint8] | None:
        path = self._rasters.probabilities
        if path is None:
            return None
        top, bottom = max(window.row - 1, 0), min(window.bottom + 1, self.georef.height)
        around = Window.between(top, bottom, window.col, window.right)
        pixels = _percentages(path, self._probabilities, _read(self._probabilities, path, around, self._bands))
        outside = ((0, 0), (top - window.row + 1, window.bottom + 1 - bottom), (0, 0))
        return np.pad(pixels, outside, constant_values=_UNKNOWN) if any(outside[1]) else pixels

    def _companion(self, path: Path | None, stack: ExitStack) -> Any:  # noqa: ANN401 - rasterio is untyped
        if path is None:
            return None
        dataset = stack.enter_context(open_dataset(str(path), reach=self._rasters.reach))
        if dataset.shape != self._class_ids.shape:
            sizes = [f"{width} x {height}" for height, width in (dataset.shape, self._class_ids.shape)]
            raise SceneError(
                f"{path}: is {sizes[0]} px but {self._rasters.class_raster} is {sizes[1]} px: "
                "give rasters of one prediction"
            )
        return dataset

    def _band_numbers(self, path: Path, classes: ClassMap) -> list[int]:
        """Band of each class: by its description, or in the order of the legend where bands have none."""
        described = {name: band for band, name in enumerate(self._probabilities.descriptions, start=1) if name}
        if described.keys() >= set(classes.names):
            return [described[name] for name in classes.names]
        if described or self._probabilities.count != len(classes.names):
            raise SceneError(
                f"{path}: has {self._probabilities.count} bands ({', '.join(described) or 'not described'}) for the "
                f"{len(classes.names)} classes {', '.join(classes.names)}: give probabilities of these classes"
            )
        return list(range(1, len(classes.names) + 1))


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


def _require_whole_numbers(path: Path, dataset: Any) -> None:  # noqa: ANN401 - rasterio is untyped
    if dataset.dtypes[0] not in WHOLE_NUMBERS:
        raise SceneError(
            f"{path}: holds {dataset.dtypes[0]} numbers, class ids are whole: give a class raster, such as the "
            "*.classes.tif of geoseg predict"
        )


def _percentages(path: Path, dataset: Any, pixels: NDArray[Any]) -> NDArray[np.uint8]:  # noqa: ANN401 - rasterio is untyped
    """Whole per cent of pixels that hold per cent or, as floats, probabilities from 0 to 1; 255 where not valid."""
    if pixels.dtype == np.uint8:
        if dataset.nodata is not None and dataset.nodata != _UNKNOWN:
            pixels[pixels == dataset.nodata] = _UNKNOWN
        return pixels
    if pixels.dtype.kind != "f":
        raise SceneError(
            f"{path}: holds {pixels.dtype} numbers: probabilities are uint8 per cent or floats from 0 to 1"
        )
    valid = np.isfinite(pixels) if dataset.nodata is None else np.isfinite(pixels) & (pixels != dataset.nodata)
    known = pixels[valid]
    if known.size and (known.min() < 0 or known.max() > 1):
        odd = known.min() if known.min() < 0 else known.max()
        raise SceneError(f"{path}: holds {odd:g}: probabilities are uint8 per cent or floats from 0 to 1")
    return np.where(valid, np.rint(np.where(valid, pixels, 0) * PERCENT), _UNKNOWN).astype(np.uint8)


def _read(dataset: Any, path: Path, window: Window, bands: int | Sequence[int]) -> NDArray[Any]:  # noqa: ANN401 - rasterio is untyped
    with rasterio_errors(str(path)):
        return np.asarray(dataset.read(bands, window=_in_file(window)))


def _in_file(window: Window) -> FileWindow:
    return FileWindow(window.col, window.row, window.width, window.height)
