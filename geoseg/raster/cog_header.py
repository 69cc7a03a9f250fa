"""The beginning of a COG: all that it says of itself, written by GDAL, with room for where its storage blocks are."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.io import MemoryFile
from rasterio.shutil import copy as gdal_copy

from geoseg.classes import NODATA_ID
from geoseg.georef import GeoRef
from geoseg.raster.block_files import raster_of_blocks
from geoseg.raster.gdal import georeference_optional, open_checked
from geoseg.raster.layout import RasterLayout
from geoseg.raster.stored import BLOCK

LEADER = struct.Struct("<I")
"""What comes before the bytes of a storage block: their number."""

TRAILER_BYTES = 4
"""So many of a storage block's last bytes are said again after it, so that a reader sees what was overwritten."""

_PREDICTORS = {1: "NO", 2: "STANDARD"}
_OFFSETS, _SIZES = 324, 325
_WHOLE = {3: "H", 4: "I", 16: "Q"}  # types of TIFF's fields


def cog_header(
    georef: GeoRef, layout: RasterLayout, shapes: Sequence[tuple[int, int]], counts: Sequence[Sequence[int]]
) -> bytes:
    """The first bytes of a COG; behind them come the storage blocks, level after level from the coarsest.

    GDAL makes an empty COG of the same kind, which is all header; the places of the storage blocks are filled in.

    Args:
        georef: grid of the raster.
        layout: of the raster.
        shapes: height and width of each coarser level, from the finest.
        counts: bytes of each storage block, row after row, of the raster and of each coarser level from the finest.
    """
    header = bytearray(_empty_cog(georef, layout, shapes))
    end = len(header)
    tables = list(_tables(header))
    for table, sizes in reversed(list(zip(tables, counts, strict=True))):
        whole = np.asarray(sizes, dtype=np.uint64)
        ends = end + np.cumsum(whole + np.uint64(LEADER.size + TRAILER_BYTES))
        offsets = ends - np.uint64(TRAILER_BYTES) - whole
        table[_OFFSETS].fill(header, offsets)
        table[_SIZES].fill(header, whole)
        end = int(ends[-1])
    return bytes(header)


@dataclass(frozen=True, slots=True)
class _Array:
    """Whole numbers somewhere in a TIFF."""

    at: int
    format: str
    count: int

    def fill(self, header: bytearray, numbers: NDArray[np.uint64]) -> None:
        whole = numbers.astype(np.dtype(self.format))
        if len(numbers) != self.count or not np.array_equal(whole, numbers):
            raise ValueError(f"{len(numbers)} numbers up to {numbers.max()} do not fit {self}")
        header[self.at : self.at + whole.nbytes] = whole.tobytes()


def _tables(header: bytearray) -> Iterator[dict[int, _Array]]:
    """The directories of a TIFF, with their fields of whole numbers."""
    order = {b"II": "<", b"MM": ">"}[bytes(header[:2])]
    big = struct.unpack_from(f"{order}H", header, 2)[0] == 43  # noqa: PLR2004 - BigTIFF
    number, head = (struct.Struct(f"{order}Q"), "Q") if big else (struct.Struct(f"{order}I"), "H")
    counted = struct.Struct(f"{order}{head}")
    field = struct.Struct(f"{order}HHQ" if big else f"{order}HHI")
    at = number.unpack_from(header, 8 if big else 4)[0]
    while at:
        found = {}
        fields = counted.unpack_from(header, at)[0]
        at += counted.size
        for _ in range(fields):
            tag, kind, count = field.unpack_from(header, at)
            if kind in _WHOLE:
                value = at + field.size
                inline = count * struct.calcsize(f"={_WHOLE[kind]}") <= number.size
                found[tag] = _Array(
                    value if inline else number.unpack_from(header, value)[0], f"{order}{_WHOLE[kind]}", count
                )
            at += field.size + number.size
        at = number.unpack_from(header, at)[0]
        yield found


def _empty_cog(georef: GeoRef, layout: RasterLayout, shapes: Sequence[tuple[int, int]]) -> bytes:
    with ExitStack() as stack:
        levels = [stack.enter_context(MemoryFile(ext=".tif")) for _ in shapes]
        for level, (height, width) in zip(levels, shapes, strict=True):
            with georeference_optional():
                level.open(
                    driver="GTiff",
                    dtype="uint8",
                    count=len(layout.descriptions),
                    height=height,
                    width=width,
                    nodata=NODATA_ID,
                    tiled=True,
                    sparse_ok=True,
                    bigtiff="IF_SAFER",
                ).close()
        source = raster_of_blocks(georef, layout, {}, overviews=[level.name for level in levels])
        cog = stack.enter_context(MemoryFile(ext=".tif"))
        gdal_copy(
            stack.enter_context(open_checked(source)),
            cog.name,
            driver="COG",
            compress="ZSTD",
            predictor=_PREDICTORS[layout.predictor],
            blocksize=BLOCK,
            bigtiff="IF_SAFER",
            overviews="FORCE_USE_EXISTING",
            sparse_ok=True,
        )
        return bytes(cog.getbuffer())
