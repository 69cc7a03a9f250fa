"""Pixels of one file."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as FileWindow

from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.raster.file_facts import FileFacts, Palette
from geoseg.raster.gdal import open_checked, rasterio_errors
from geoseg.raster.patch import Patch
from geoseg.raster.remote import is_remote
from geoseg.raster.valid_mask import ValidityRule, spectral_valid
from geoseg.window import Window

log = logging.getLogger(__name__)

_TRIES = 4
_PAUSE = 0.5  # seconds, doubled from try to try


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Some bands of a file."""

    path: str
    """As `open_checked` takes it."""

    name: str
    """As the user or an item named it."""

    georef: GeoRef
    """Its grid."""

    indices: tuple[int, ...]
    """Chosen bands, from 1, in the order in which they are read."""

    dtype: str
    """Of the pixels as read: uint8, uint16, int16 or float32."""

    validity: ValidityRule
    """How it marks nodata."""

    palette: Palette | None
    """Where its one band is an index into colours."""

    storage_rows: int
    """Rows of its internal tiling, px."""

    @classmethod
    def of(cls, facts: FileFacts, indices: Sequence[int]) -> FileSource:
        """Some bands of a file.

        Raises:
            SceneError: if their types do not go together.
        """
        return cls(
            path=facts.path,
            name=facts.name,
            georef=facts.georef,
            indices=tuple(indices),
            dtype=facts.dtype_of(indices),
            validity=facts.validity_of(indices),
            palette=facts.palette,
            storage_rows=facts.storage_rows,
        )

    @property
    def count(self) -> int:
        """How many bands a read gives."""
        return len(self.indices)

    @property
    def files(self) -> tuple[str, ...]:
        """The file."""
        return (self.path,)

    def open(self) -> FileReader:
        """Open the file.

        Raises:
            SceneError: if it cannot be opened.
        """
        return FileReader(self)


class FileReader:
    """An open file."""

    def __init__(self, source: FileSource) -> None:
        self.source = source
        self._dataset = open_checked(source.path, name=source.name)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._dataset.close()

    def read(self, window: Window) -> Patch:
        """The pixels of a window inside the grid; a remote file is asked several times.

        Raises:
            SceneError: if the file cannot be read there (truncated, corrupt, out of reach).
        """
        tries = _TRIES if is_remote(self.source.path) else 1
        for number in range(1, tries):
            try:
                return self._read(window)
            except SceneError as error:
                log.info("%s; try %d of %d", error, number, tries)
                time.sleep(_PAUSE * 2**number)
                self._reopen()
        return self._read(window)

    def _reopen(self) -> None:
        """Open anew, as GDAL remembers failures with the file."""
        self._dataset.close()
        self._dataset = open_checked(self.source.path, name=self.source.name)

    def _read(self, window: Window) -> Patch:
        with rasterio_errors(self.source.path, name=self.source.name):
            image, valid = self._read_inside(window)
        return Patch(image=image, valid=valid, window=window)

    def _read_inside(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        source = self.source
        file_window = FileWindow(window.col, window.row, window.width, window.height)
        if source.palette is not None:
            values = self._dataset.read(1, window=file_window)
            colours, valid = _through_palette(values, source.palette)
            image = colours[[index - 1 for index in source.indices]]
            valid &= spectral_valid(values[np.newaxis], source.validity.nodata)
        else:
            image = self._dataset.read(source.indices, window=file_window, out_dtype=source.dtype)
            valid = spectral_valid(image, source.validity.nodata)
        if source.validity.alpha is not None:
            valid &= self._dataset.read(source.validity.alpha, window=file_window) != 0
        if source.validity.mask_band:
            valid &= self._dataset.read_masks(1, window=file_window) != 0
        return image, valid


def _through_palette(values: NDArray[np.uint8], palette: Palette) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    table = np.array(palette, dtype=np.uint8)
    colours = np.moveaxis(table[values], -1, 0)
    return colours[:3], colours[3] != 0
