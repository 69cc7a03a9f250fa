"""A raster with its coarser levels beside it, ready to be copied into a COG.

GDAL's own resampling takes five times as long as all the rest of the copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.shutil import copy as gdal_copy
from rasterio.windows import Window as RasterioWindow

from geoseg.classes import NODATA_ID
from geoseg.raster.gdal import georeference_optional
from geoseg.raster.opening import open_dataset
from geoseg.raster.overviews import Kind, Overviews, levels_of

_BAND_END = "</VRTRasterBand>"


@contextmanager
def with_overviews(source: Path, beside: Path, kind: Kind, *, block: int) -> Iterator[Path]:
    """A raster of bytes, 255 for nodata, and its coarser levels.

    Args:
        source: any raster GDAL opens.
        beside: a file in whose folder, under its name, the levels are held while they are needed.
        kind: how four pixels become one.
        block: side of a storage block, px; there are levels until one holds all.

    Yields:
        A VRT of them.
    """
    with ExitStack() as cleanup:
        vrt = beside.with_name(f".{beside.name}.levels.vrt")
        cleanup.callback(vrt.unlink, missing_ok=True)
        with open_dataset(str(source)) as dataset:
            count = levels_of(dataset.height, dataset.width, smallest=block)
            files = [beside.with_name(f".{beside.name}.level{level}.tif") for level in range(1, count + 1)]
            for file in files:
                cleanup.callback(file.unlink, missing_ok=True)
            _write_levels(dataset, files, kind, block)
        gdal_copy(source, vrt, driver="VRT")
        head, *tails = vrt.read_text(encoding="utf-8").split(_BAND_END)
        bands = [head, *(f"{_levels(band, files)}{_BAND_END}{tail}" for band, tail in enumerate(tails, start=1))]
        vrt.write_text("".join(bands), encoding="utf-8")
        yield vrt


def _levels(band: int, files: list[Path]) -> str:
    return "".join(
        f'<Overview><SourceFilename relativeToVRT="1">{file.name}</SourceFilename><SourceBand>{band}</SourceBand>'
        "</Overview>"
        for file in files
    )


def _write_levels(dataset: Any, files: list[Path], kind: Kind, block: int) -> None:  # noqa: ANN401 - rasterio is untyped
    if not files:
        return
    overviews = Overviews(kind, levels=len(files))
    with ExitStack() as stack:
        levels, height, width = [], dataset.height, dataset.width
        for file in files:
            height, width = -(-height // 2), -(-width // 2)
            levels.append(stack.enter_context(_Level(file, (dataset.count, height, width), block)))
        for top in range(0, dataset.height, block):
            rows = min(block, dataset.height - top)
            pixels = dataset.read(window=RasterioWindow(0, top, dataset.width, rows))
            found = overviews.add(pixels, last=top + rows == dataset.height)
            for level, part in zip(levels, found, strict=True):
                level.add(part)


class _Level:
    """One coarser level on disk, written in whole storage blocks."""

    def __init__(self, path: Path, shape: tuple[int, int, int], block: int) -> None:
        self._path, self._shape, self._block = path, shape, block
        self._held: list[NDArray[np.uint8]] = []
        self._top = 0

    def __enter__(self) -> Self:
        bands, height, width = self._shape
        with georeference_optional():
            self._dataset = rasterio.open(
                self._path,
                "w",
                driver="GTiff",
                dtype="uint8",
                count=bands,
                height=height,
                width=width,
                nodata=NODATA_ID,
                tiled=True,
                blockxsize=self._block,
                blockysize=self._block,
                interleave="pixel",
                bigtiff="IF_SAFER",
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._dataset.close()

    def add(self, rows: NDArray[np.uint8]) -> None:
        """Append rows."""
        self._held.append(rows)
        height = sum(part.shape[1] for part in self._held)
        ends = self._top + height == self._shape[1]
        whole = height if ends else height // self._block * self._block
        if whole == 0:
            return
        pixels = np.concatenate(self._held, axis=1)
        window = RasterioWindow(0, self._top, self._shape[2], whole)
        self._dataset.write(pixels[:, :whole], window=window)
        self._held, self._top = [pixels[:, whole:]], self._top + whole
