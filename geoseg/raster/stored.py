"""Pixels as a COG stores them: compressed storage blocks, which go from file to file as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, RasterioError
from rasterio.io import MemoryFile
from rasterio.windows import Window as RasterioWindow

from geoseg.errors import OutputError
from geoseg.raster.gdal import BLOCK_CACHE_BYTES, georeference_optional
from geoseg.raster.opening import open_dataset
from geoseg.window import Window

BLOCK = 512
"""Side of a storage block, px."""

LEVEL = 1
"""Of ZSTD: GDAL's default of 9 takes four times as long for a tenth of the bytes."""

Predictor = Literal[1, 2]
"""See `RasterLayout.predictor`."""

_OPEN_FILES = 16  # of blocks at a time; GDAL would keep a hundred, with their buffers

Place = tuple[int, int]
"""Row and column of a storage block, counted in storage blocks of the whole raster."""


@contextmanager
def written(path: Path) -> Iterator[None]:
    """A small cache, and errors as ours.

    Raises:
        OutputError: if GDAL or the file system fails.
    """
    try:
        with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES, GDAL_MAX_DATASET_POOL_SIZE=_OPEN_FILES):
            yield
    except (RasterioError, CPLE_BaseError, CRSError, OSError) as error:
        cause = " ".join(str(error.__cause__ or error).split())
        raise OutputError(f"{path}: cannot be written: {cause}; is the disk full?") from error


def stored_extent(window: Window) -> Window:
    """The pixels of all storage blocks that a window touches; some may lie beyond the raster."""
    return Window.between(
        window.row // BLOCK * BLOCK,
        -(-window.bottom // BLOCK) * BLOCK,
        window.col // BLOCK * BLOCK,
        -(-window.right // BLOCK) * BLOCK,
    )


def places(window: Window) -> Iterator[Place]:
    """The storage blocks that a window touches, row after row."""
    extent = stored_extent(window)
    for row in range(extent.row // BLOCK, extent.bottom // BLOCK):
        for col in range(extent.col // BLOCK, extent.right // BLOCK):
            yield row, col


class StoredRows:
    """Takes the rows of a window from top to bottom and compresses them, in memory.

    The file is a GeoTIFF without georeference that covers `stored_extent` of the window; around it are zeros, as
    GDAL has them.
    A context manager, so that nothing stays in memory where a run ends in the middle.
    """

    def __init__(self, window: Window, bands: int, predictor: Predictor) -> None:
        """Make room for a window.

        Args:
            window: what it will hold, in pixels of the raster.
            bands: of the raster.
            predictor: see there.
        """
        self._window, self._extent = window, stored_extent(window)
        self._stripe = np.zeros((bands, BLOCK, self._extent.width), dtype=np.uint8)
        self._next = window.row
        self._file = MemoryFile()
        with written(Path("block")), georeference_optional():
            self._dataset: Any = self._file.open(**_profile(self._extent, bands, predictor))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._dataset.close()
        self._file.close()

    def write(self, pixels: NDArray[np.uint8]) -> None:
        """Append rows.

        Args:
            pixels: (rows, columns) or (bands, rows, columns), as wide as the window.
        """
        bands = pixels[np.newaxis] if pixels.ndim == 2 else pixels  # noqa: PLR2004 - rows and columns
        left = self._window.col - self._extent.col
        done = 0
        while done < bands.shape[1]:
            at = self._next % BLOCK
            count = min(BLOCK - at, bands.shape[1] - done)
            self._stripe[:, at : at + count, left : left + self._window.width] = bands[:, done : done + count]
            done, self._next = done + count, self._next + count
            if self._next % BLOCK == 0 or self._next == self._window.bottom:
                self._flush(at + count)

    def packed(self) -> bytes:
        """The file, when all rows came.

        Raises:
            ValueError: if some did not.
        """
        if self._next != self._window.bottom:
            raise ValueError(f"only {self._next - self._window.row} rows of {self._window} came")
        with written(Path("block")):
            self._dataset.close()
        return bytes(self._file.getbuffer())

    def stored(self) -> dict[Place, tuple[int, int]]:
        """Offset and number of bytes of each storage block in what `packed` returned."""
        with georeference_optional(), self._file.open() as dataset:
            return _places_in(dataset, self._window)

    def _flush(self, height: int) -> None:
        self._stripe[:, height:] = 0
        top = (self._next - 1) // BLOCK * BLOCK - self._extent.row
        with written(Path("block")):
            self._dataset.write(self._stripe, window=RasterioWindow(0, top, self._extent.width, BLOCK))


@dataclass(frozen=True, slots=True)
class Stored:
    """A compressed storage block on disk."""

    path: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """Its bytes."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


def stored_in(path: Path, window: Window) -> dict[Place, Stored]:
    """The storage blocks of a file that `StoredRows` made.

    Args:
        path: the file.
        window: what it holds, in pixels of the raster.

    Raises:
        SceneError: if it is no such file.
    """
    with open_dataset(str(path)) as dataset:
        return {place: Stored(path, *found) for place, found in _places_in(dataset, window).items()}


def _places_in(dataset: Any, window: Window) -> dict[Place, tuple[int, int]]:  # noqa: ANN401 - rasterio is untyped
    extent = stored_extent(window)

    def number(item: str, place: Place) -> int:
        row, col = place[0] - extent.row // BLOCK, place[1] - extent.col // BLOCK
        return int(dataset.get_tag_item(f"BLOCK_{item}_{col}_{row}", "TIFF", bidx=1))

    return {place: (number("OFFSET", place), number("SIZE", place)) for place in places(window)}


def _profile(extent: Window, bands: int, predictor: Predictor) -> dict[str, object]:
    return {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": bands,
        "height": extent.height,
        "width": extent.width,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "interleave": "pixel",
        "compress": "ZSTD",
        "zstd_level": LEVEL,
        "predictor": predictor,
        "bigtiff": "IF_SAFER",
        "photometric": "minisblack",
    }
