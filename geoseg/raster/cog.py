"""Cloud-optimized GeoTIFFs put together from blocks that are compressed already."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window as RasterioWindow

from geoseg.errors import OutputError
from geoseg.georef import GeoRef
from geoseg.raster.block_files import raster_of_blocks
from geoseg.raster.cog_header import LEADER, TRAILER_BYTES, cog_header
from geoseg.raster.gdal import open_checked
from geoseg.raster.layout import RasterLayout
from geoseg.raster.overviews import Overviews, levels_of
from geoseg.raster.stored import BLOCK, Place, Predictor, Stored, StoredRows, places, stored_in, written
from geoseg.window import Window

_READ = 2**20  # bytes at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockFile:
    """One layer of one block on disk."""

    path: Path
    """An `EncodedLayer`."""

    crc: int
    """CRC-32 of the file, from before it was written."""


def make_cog(path: Path, georef: GeoRef, layout: RasterLayout, files: Mapping[Window, BlockFile]) -> None:
    """Make one raster of its blocks.

    What they hold compressed goes into the COG as it is; only storage blocks that several blocks share, and the coarser
    levels, are made anew. The bytes are the same however the raster is cut into blocks.

    Args:
        path: the COG to make.
        georef: its grid.
        layout: of the raster.
        files: of blocks that cover it all, by where they lie.

    Raises:
        OutputError: if it cannot be written, or the files hold something else than was written.
    """
    for file in files.values():
        _refuse_other(file.path, file.crc)
    spool = path.with_name(f".{path.name}.levels")
    with written(path), ExitStack() as cleanup:
        cleanup.callback(spool.unlink, missing_ok=True)
        levels = _levels(georef, layout, files, spool)
        header = cog_header(georef, layout, [level.shape for level in levels[1:]], [level.sizes() for level in levels])
        crc = _write(path, header, levels)
    _refuse_other(path, crc)


class _Level:
    """The storage blocks of one level of a COG."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.found: dict[Place, Stored] = {}

    @property
    def window(self) -> Window:
        return Window.of_shape(*self.shape)

    def sizes(self) -> list[int]:
        """Bytes of each, row after row."""
        return [self.found[place].size for place in places(self.window)]

    def read(self) -> Iterator[bytes]:
        """Each, row after row."""
        return (self.found[place].read() for place in places(self.window))


class _Spool:
    """Storage blocks that are made here go into one file."""

    def __init__(self, path: Path, file: BinaryIO, predictor: Predictor) -> None:
        self._path, self._file, self._predictor = path, file, predictor
        self._end = 0

    def add(self, window: Window, pixels: NDArray[np.uint8]) -> dict[Place, Stored]:
        """Compress a window."""
        with StoredRows(window, len(pixels), self._predictor) as rows:
            rows.write(pixels)
            self._file.write(rows.packed())
            found = {
                place: Stored(self._path, self._end + offset, size) for place, (offset, size) in rows.stored().items()
            }
        self._end = self._file.tell()
        return found


class _Coarser:
    """A coarser level that grows from top to bottom."""

    def __init__(self, level: _Level, spool: _Spool) -> None:
        self._level, self._spool = level, spool
        self._rows: list[NDArray[np.uint8]] = []
        self._top = 0

    def append(self, rows: NDArray[np.uint8]) -> None:
        """Take the next rows."""
        self._rows.append(rows)
        height, width = self._level.shape
        held = sum(part.shape[1] for part in self._rows)
        while held >= BLOCK or held == height - self._top > 0:
            whole = np.concatenate(self._rows, axis=1)
            window = Window.between(self._top, min(self._top + BLOCK, height), 0, width)
            self._level.found |= self._spool.add(window, whole[:, : window.height])
            self._rows, self._top, held = [whole[:, window.height :]], window.bottom, held - window.height


def _levels(georef: GeoRef, layout: RasterLayout, files: Mapping[Window, BlockFile], path: Path) -> list[_Level]:
    """The raster and its coarser levels; all pixels are decoded once for that."""
    full, coarser = _Level(georef.window.shape), _coarser_levels(georef.window.shape)
    for window, file in files.items():
        there = stored_in(file.path, window)
        full.found |= {place: there[place] for place in there if _is_whole(place, window, georef.window)}
    source = raster_of_blocks(georef, layout, {window: str(file.path.absolute()) for window, file in files.items()})
    with path.open("wb") as made, open_checked(source, num_threads="1") as dataset:
        spool = _Spool(path, made, layout.predictor)
        growing = [_Coarser(level, spool) for level in coarser]
        overviews = Overviews(layout.overviews, levels=len(coarser))
        for window in _stripes(georef.window):
            is_shared = any(place not in full.found for place in places(window))
            if not (is_shared or coarser):
                continue
            pixels = dataset.read(window=RasterioWindow(window.col, window.row, window.width, window.height))
            if is_shared:
                full.found = spool.add(window, pixels) | full.found
            parts = overviews.add(pixels, last=window.bottom == georef.height)
            for level, rows in zip(growing, parts, strict=True):
                level.append(rows)
    return [full, *coarser]


def _coarser_levels(shape: tuple[int, int]) -> list[_Level]:
    found, (height, width) = [], shape
    for _ in range(levels_of(height, width, smallest=BLOCK)):
        height, width = -(-height // 2), -(-width // 2)
        found.append(_Level((height, width)))
    return found


def _stripes(raster: Window) -> Iterator[Window]:
    """Rows of storage blocks."""
    for top in range(0, raster.height, BLOCK):
        yield Window.between(top, min(top + BLOCK, raster.height), 0, raster.width)


def _is_whole(place: Place, window: Window, raster: Window) -> bool:
    """Whether all pixels of a storage block lie in a window, but for those beyond the raster."""
    row, col = place[0] * BLOCK, place[1] * BLOCK
    return Window.between(row, row + BLOCK, col, col + BLOCK).intersect(raster) == Window.between(
        max(row, window.row), min(row + BLOCK, window.bottom), max(col, window.col), min(col + BLOCK, window.right)
    )


def _write(path: Path, header: bytes, levels: Sequence[_Level]) -> int:
    """Write a COG; its CRC-32."""
    crc = 0
    with path.open("wb") as file:

        def put(part: bytes) -> None:
            nonlocal crc
            file.write(part)
            crc = zlib.crc32(part, crc)

        put(header)
        for level in reversed(levels):
            for stored in level.read():
                put(LEADER.pack(len(stored)) + stored + stored[-TRAILER_BYTES:])
    return crc


def _refuse_other(path: Path, crc: int) -> None:
    found = 0
    with written(path), path.open("rb") as file:
        while part := file.read(_READ):
            found = zlib.crc32(part, found)
    if found != crc:
        raise OutputError(f"{path}: does not hold what was written: is the disk full or failing?")
