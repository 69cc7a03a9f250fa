"""Streams rows of pixels into a cloud-optimised GeoTIFF (COG) that any GIS opens.

Rows are compressed as they come and go to disk in blocks, which become the COG at the end. So memory follows the width,
never the height. Knows nothing of networks.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import ClassMap
from geoseg.errors import GridError
from geoseg.georef import GeoRef
from geoseg.raster.block_files import LayerEncoder
from geoseg.raster.cog import BlockFile, make_cog
from geoseg.raster.layout import RasterLayout, class_layout, confidence_layout, probabilities_layout
from geoseg.raster.stored import written
from geoseg.window import Window

_ROWS = 4096  # of a block


class RasterWriter:
    """A raster of bytes that is written from top to bottom.

    Leaving the `with` block without an error finishes it. On an error or an interrupt no file is left behind.
    """

    def __init__(self, path: Path, georef: GeoRef, layout: RasterLayout) -> None:
        """Name the raster; touches nothing on disk yet.

        Args:
            path: the COG to make; its folder exists.
            georef: its grid; any CRS or none, rotated and south-up too.
            layout: bands, colours and overviews.
        """
        self._path, self._georef, self._layout = path, georef, layout
        self._next_row = 0
        self._rows: LayerEncoder | None = None
        self._files: dict[Window, BlockFile] = {}

    def __enter__(self) -> Self:
        """Begin.

        Raises:
            OutputError: if the folder cannot be written.
        """
        with written(self._path):
            self._path.with_name(f".{self._path.name}.rows0").touch()
        return self

    def write(self, window: Window, pixels: NDArray[np.uint8]) -> None:
        """Append full-width rows below those already written.

        Args:
            window: as wide as the raster, beginning at the row where the last one ended.
            pixels: (height, width) for one band, or (bands, height, width).

        Raises:
            GridError: if the window or the shape of the pixels is another.
            OutputError: if the disk is full or cannot be written.
        """
        expected = Window.between(self._next_row, window.bottom, 0, self._georef.width)
        if window != expected or window.bottom > self._georef.height:
            raise GridError(f"{self._path.name}: the next rows begin at {self._next_row}, got {window}")
        bands = pixels[np.newaxis] if pixels.ndim == 2 else pixels  # noqa: PLR2004 - rows and columns
        if bands.shape != (len(self._layout.descriptions), *window.shape) or bands.dtype != np.uint8:
            raise GridError(
                f"{self._path.name}: {bands.dtype} pixels {bands.shape} do not fill "
                f"{len(self._layout.descriptions)} bands of {window}"
            )
        while self._next_row < window.bottom:
            self._append(bands[:, self._next_row - window.row :])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the COG, or remove what there is if the block failed.

        Raises:
            GridError: if rows are missing.
            OutputError: if the COG cannot be written.
        """
        with ExitStack() as cleanup, ExitStack() as undo:
            for top in range(0, self._next_row + 1, _ROWS):
                cleanup.callback(self._file(top).unlink, missing_ok=True)
            undo.callback(self._path.unlink, missing_ok=True)
            if self._rows is not None:
                cleanup.enter_context(self._rows)
            if error is None:
                if self._next_row != self._georef.height:
                    raise GridError(
                        f"{self._path.name}: rows {self._next_row} to {self._georef.height} were never written"
                    )
                make_cog(self._path, self._georef, self._layout, self._files)
            undo.pop_all()

    def _append(self, bands: NDArray[np.uint8]) -> None:
        """The first rows, as many as the block that is begun has room for."""
        top = self._next_row // _ROWS * _ROWS
        block = Window.between(top, min(top + _ROWS, self._georef.height), 0, self._georef.width)
        if self._rows is None:
            self._rows = LayerEncoder(block, len(self._layout.descriptions), self._layout.predictor)
        part = bands[:, : block.bottom - self._next_row]
        self._rows.write(part)
        self._next_row += part.shape[1]
        if self._next_row == block.bottom:
            with self._rows as rows, written(self._path):
                layer = rows.finish()
                self._file(top).write_bytes(layer.data)
            self._files[block] = BlockFile(path=self._file(top), crc=layer.file_crc)
            self._rows = None

    def _file(self, top: int) -> Path:
        return self._path.with_name(f".{self._path.name}.rows{top}")


def class_raster_writer(path: Path, georef: GeoRef, classes: ClassMap) -> RasterWriter:
    """Writer of class ids, one band with the legend's colours; 255 is nodata."""
    return RasterWriter(path, georef, class_layout(classes))


def confidence_writer(path: Path, georef: GeoRef) -> RasterWriter:
    """Writer of the confidence, one band, 0 to 100 %; 255 is nodata."""
    return RasterWriter(path, georef, confidence_layout())


def probabilities_writer(path: Path, georef: GeoRef, classes: ClassMap) -> RasterWriter:
    """Writer of probabilities, a band for each class in the legend's order, 0 to 100 %; 255 is nodata."""
    return RasterWriter(path, georef, probabilities_layout(classes))
