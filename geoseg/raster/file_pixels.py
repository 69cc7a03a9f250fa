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
from geoseg.raster.gdal import PAUSES, forget, open_patiently, rasterio_errors
from geoseg.raster.patch import Patch
from geoseg.raster.remote import is_final, is_remote
from geoseg.raster.valid_mask import ValidityRule, spectral_valid
from geoseg.window import Window

log = logging.getLogger(__name__)


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
        self._dataset = open_patiently(source.path, name=source.name)
        self._is_spoilt = False

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._dataset.close()

    def read(self, window: Window) -> Patch:
        """The pixels of a window inside the grid; a remote file is asked several times.

        Raises:
            SceneError: if the file cannot be read there (truncated, corrupt, out of reach).
        """
        if not is_remote(self.source.path):
            return self._read(window)
        rows, cols = self._dataset.block_shapes[0]
        if cols < self.source.georef.width > window.width:
            return self._in_pieces(window, rows, self.source.georef.width)  # several ranges at once would not be kept
        return self._patient_with(window, rows, cols)

    def _patient_with(self, window: Window, rows: int, cols: int) -> Patch:
        """In one, and where that fails storage block by storage block: where many requests fail some get through."""
        try:
            return self._read(window)
        except SceneError as error:
            if is_final(str(error)):
                raise
            log.info("%s: reading it in pieces", error)
        return self._in_pieces(window, rows, cols)

    def _in_pieces(self, window: Window, height: int, width: int) -> Patch:
        image = np.empty((self.source.count, *window.shape), dtype=self.source.dtype)
        valid = np.empty(window.shape, dtype=np.bool_)
        for row in range(window.row - window.row % height, window.bottom, height):
            for col in range(window.col - window.col % width, window.right, width):
                part = Window(row=row, col=col, height=height, width=width).intersect(window)
                if part is not None:
                    there, patch = part.slices_in(window), self._patiently(part)
                    image[:, *there], valid[there] = patch.image, patch.valid
        return Patch(image=image, valid=valid, window=window)

    def _patiently(self, window: Window) -> Patch:
        for pause in PAUSES:
            try:
                return self._read(window)
            except SceneError as error:
                if is_final(str(error)):
                    raise
                log.info("%s: trying again", error)
                time.sleep(pause)
                forget(self.source.path)
        return self._read(window)

    def _read(self, window: Window) -> Patch:
        """As `read`, after a failure from the file opened anew: GDAL takes what it could not decode for read."""
        if self._is_spoilt:
            self._dataset.close()
            self._dataset = open_patiently(self.source.path, name=self.source.name)
        self._is_spoilt = True
        with rasterio_errors(self.source.path, name=self.source.name):
            image, valid = self._read_inside(window)
        self._is_spoilt = False
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
