"""Cloud-optimized GeoTIFFs made of rasters that are there, and a look at what they hold."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, RasterioError
from rasterio.shutil import copy as gdal_copy
from rasterio.windows import Window as RasterioWindow

from geoseg.cores import cores
from geoseg.errors import OutputError
from geoseg.raster.gdal import BLOCK_CACHE_BYTES
from geoseg.raster.layout import RasterLayout
from geoseg.raster.opening import open_dataset
from geoseg.raster.pyramid import with_overviews
from geoseg.window import Window

BLOCK = 512
"""Side of a storage block, px."""

_OPEN_FILES = 16  # of blocks at a time; GDAL would keep a hundred, with their buffers

_LEVEL = 1  # of ZSTD: the default of 9 takes four times as long for a tenth of the bytes


def make_cog(source: Path, path: Path, layout: RasterLayout, checksums: Mapping[Window, int]) -> None:
    """Copy a raster of bytes into a COG and see that it holds the same.

    Args:
        source: any raster GDAL opens, with all that the layout says of it.
        path: the COG to make.
        layout: of the raster.
        checksums: by windows of which no two share a pixel, `row_checksum` of what they are to hold.

    Raises:
        OutputError: if it cannot be written, or holds something else.
    """
    with written(path), with_overviews(source, path, layout.overviews, block=BLOCK) as levelled:
        gdal_copy(
            levelled,
            path,
            driver="COG",
            compress="ZSTD",
            predictor="NO" if layout.overviews == "mode" else "STANDARD",
            blocksize=BLOCK,
            bigtiff="IF_SAFER",
            level=_LEVEL,
            num_threads=cores(),
            overviews="FORCE_USE_EXISTING",
        )
        if _checksums_of(path, checksums) != checksums:
            raise OutputError(f"{path}: does not hold what was written: is the disk full or failing?")


def row_checksum(bands: NDArray[np.uint8], before: int = 0) -> int:
    """CRC-32 of pixels, row after row; in which pieces the rows come makes no difference.

    Args:
        bands: (bands, rows, columns).
        before: of the rows above.
    """
    return zlib.crc32(np.ascontiguousarray(bands.swapaxes(0, 1)).data, before)


@contextmanager
def written(path: Path) -> Iterator[None]:
    """A small cache, and errors as ours.

    Raises:
        OutputError: if GDAL fails.
    """
    try:
        with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES, GDAL_MAX_DATASET_POOL_SIZE=_OPEN_FILES):
            yield
    except (RasterioError, CPLE_BaseError, CRSError) as error:
        cause = " ".join(str(error.__cause__ or error).split())
        raise OutputError(f"{path}: cannot be written: {cause}; is the disk full?") from error


def _checksums_of(path: Path, windows: Iterable[Window]) -> dict[Window, int]:
    """Every storage block is decoded once where the windows are as wide as the raster or side by side."""
    found: dict[Window, int] = {}
    with open_dataset(str(path)) as dataset:
        for window in sorted(windows):
            found[window] = 0
            for top in range(window.row - window.row % BLOCK, window.bottom, BLOCK):
                rows = Window.between(max(top, window.row), min(top + BLOCK, window.bottom), window.col, window.right)
                pixels = dataset.read(window=RasterioWindow(rows.col, rows.row, rows.width, rows.height))
                found[window] = row_checksum(pixels, found[window])
    return found
