"""Streams rows of pixels into a cloud-optimised GeoTIFF (COG) that any GIS opens.

Rows collect until a row of storage blocks is full and go to a plain tiled GeoTIFF; at the end GDAL makes the
COG with its overviews from that. So memory follows the width, never the height. Knows nothing of networks.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window as RasterioWindow

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.cores import cores
from geoseg.errors import GridError
from geoseg.georef import GeoRef
from geoseg.raster.cog import BLOCK, make_cog, row_checksum, written
from geoseg.raster.gdal import georeference_optional
from geoseg.raster.layout import RasterLayout, class_layout, confidence_layout, probabilities_layout
from geoseg.window import Window


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
        self._path = path
        self._georef = georef
        self._layout = layout
        self._rows = path.with_name(f".{path.name}.rows.tif")
        self._buffer = np.empty((len(layout.descriptions), BLOCK, georef.width), dtype=np.uint8)
        self._next_row = 0
        self._checksum = 0
        self._dataset: Any = None

    def __enter__(self) -> Self:
        """Make the file that collects the rows.

        Raises:
            OutputError: if it cannot be written.
        """
        with written(self._path):
            with georeference_optional():
                self._dataset = rasterio.open(self._rows, "w", **self._profile())
            self._describe(self._dataset)
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
        if bands.shape != (len(self._buffer), *window.shape) or bands.dtype != np.uint8:
            raise GridError(
                f"{self._path.name}: {bands.dtype} pixels {bands.shape} do not fill "
                f"{len(self._buffer)} bands of {window}"
            )
        done = 0
        while done < window.height:
            at = self._next_row % BLOCK
            count = min(BLOCK - at, window.height - done)
            self._buffer[:, at : at + count] = bands[:, done : done + count]
            done += count
            self._next_row += count
            if self._next_row % BLOCK == 0 or self._next_row == self._georef.height:
                self._flush(at + count)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make the COG, or remove what there is if the block failed.

        Raises:
            GridError: if rows are missing.
            OutputError: if the COG cannot be written.
        """
        with ExitStack() as cleanup, ExitStack() as undo:
            cleanup.callback(self._rows.unlink, missing_ok=True)
            undo.callback(self._path.unlink, missing_ok=True)
            with written(self._path):
                self._dataset.close()
            if error is None:
                self._finish()
            undo.pop_all()

    def _finish(self) -> None:
        if self._next_row != self._georef.height:
            raise GridError(f"{self._path.name}: rows {self._next_row} to {self._georef.height} were never written")
        make_cog(self._rows, self._path, self._layout, {self._georef.window: self._checksum})

    def _flush(self, height: int) -> None:
        window = RasterioWindow(0, self._next_row - height, self._georef.width, height)
        pixels = self._buffer[:, :height]
        self._checksum = row_checksum(pixels, self._checksum)
        with written(self._path):
            self._dataset.write(pixels, window=window)

    def _profile(self) -> dict[str, object]:
        georef = self._georef
        return {
            "driver": "GTiff",
            "dtype": "uint8",
            "nodata": NODATA_ID,
            "count": len(self._layout.descriptions),
            "height": georef.height,
            "width": georef.width,
            "crs": None if georef.crs is None else CRS.from_wkt(georef.crs),
            "transform": georef.transform,
            "tiled": True,
            "blockxsize": BLOCK,
            "blockysize": BLOCK,
            "interleave": "pixel",
            "compress": "ZSTD",
            "zstd_level": 1,
            "bigtiff": "IF_SAFER",
            "num_threads": cores(),
            "photometric": "palette" if self._layout.colours else "minisblack",
        }

    def _describe(self, dataset: Any) -> None:  # noqa: ANN401 - rasterio is untyped
        dataset.descriptions = self._layout.descriptions
        dataset.units = (self._layout.unit,) * len(self._layout.descriptions)
        dataset.update_tags(1, **self._layout.tags)
        if self._layout.colours:
            dataset.write_colormap(1, dict(self._layout.colours))


def class_raster_writer(path: Path, georef: GeoRef, classes: ClassMap) -> RasterWriter:
    """Writer of class ids, one band with the legend's colours; 255 is nodata."""
    return RasterWriter(path, georef, class_layout(classes))


def confidence_writer(path: Path, georef: GeoRef) -> RasterWriter:
    """Writer of the confidence, one band, 0 to 100 %; 255 is nodata."""
    return RasterWriter(path, georef, confidence_layout())


def probabilities_writer(path: Path, georef: GeoRef, classes: ClassMap) -> RasterWriter:
    """Writer of probabilities, a band for each class in the legend's order, 0 to 100 %; 255 is nodata."""
    return RasterWriter(path, georef, probabilities_layout(classes))
