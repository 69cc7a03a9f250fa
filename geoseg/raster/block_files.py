"""Pieces of a raster in files of their own, and a VRT that makes one raster of them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.windows import Window as RasterioWindow

from geoseg.classes import NODATA_ID
from geoseg.georef import GeoRef
from geoseg.raster.cog import BLOCK, row_checksum, written
from geoseg.raster.gdal import georeference_optional
from geoseg.raster.layout import RasterLayout
from geoseg.window import Window

_VALUES = 256
_OPAQUE_BLACK = (0, 0, 0, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedLayer:
    """One layer of one block."""

    data: bytes
    """A GeoTIFF without georeference."""

    pixels_crc: int
    """`row_checksum` of its pixels."""

    @property
    def file_crc(self) -> int:
        """CRC-32 of the file."""
        return zlib.crc32(self.data)


class LayerEncoder:
    """Pixels of one layer of one block, taken from top to bottom; only a few rows are held uncompressed.

    A context manager, so that nothing stays in memory where a run ends in the middle.
    """

    def __init__(self, block: Window, bands: int) -> None:
        """Make room for a block.

        Args:
            block: what it will hold.
            bands: of the layer.
        """
        self._buffer = np.empty((bands, min(BLOCK, block.height), block.width), dtype=np.uint8)
        self._block, self._filled, self._written, self._checksum = block, 0, 0, 0
        self._file = MemoryFile()
        with written(Path("block")), georeference_optional():
            self._dataset = self._file.open(**_profile(block, bands))

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
            pixels: (rows, columns) or (bands, rows, columns), as wide as the block.
        """
        bands = pixels[np.newaxis] if pixels.ndim == 2 else pixels  # noqa: PLR2004 - rows and columns
        done, room = 0, self._buffer.shape[1]
        while done < bands.shape[1]:
            count = min(room - self._filled, bands.shape[1] - done)
            self._buffer[:, self._filled : self._filled + count] = bands[:, done : done + count]
            done, self._filled = done + count, self._filled + count
            if self._filled == room or self._written + self._filled == self._block.height:
                self._flush()

    def finish(self) -> EncodedLayer:
        """What was written, as a file."""
        if self._written != self._block.height:
            raise ValueError(f"only {self._written + self._filled} rows of {self._block} came")
        with written(Path("block")):
            self._dataset.close()
        return EncodedLayer(data=bytes(self._file.getbuffer()), pixels_crc=self._checksum)

    def _flush(self) -> None:
        pixels = self._buffer[:, : self._filled]
        self._checksum = row_checksum(pixels, self._checksum)
        with written(Path("block")):
            self._dataset.write(pixels, window=RasterioWindow(0, self._written, self._block.width, self._filled))
        self._written, self._filled = self._written + self._filled, 0


def raster_of_blocks(georef: GeoRef, layout: RasterLayout, files: Mapping[Window, str]) -> str:
    """A VRT, as text, of layers of blocks.

    Args:
        georef: the grid.
        layout: of the layer.
        files: names of the files of all blocks, beside the VRT.
    """
    crs = "" if georef.crs is None else f"<SRS>{escape(CRS.from_wkt(georef.crs).to_wkt())}</SRS>"
    transform = ", ".join(repr(float(number)) for number in georef.transform.to_gdal())
    bands = [_band(number, layout, files) for number in range(1, len(layout.descriptions) + 1)]
    return (
        f'<VRTDataset rasterXSize="{georef.width}" rasterYSize="{georef.height}">{crs}'
        f"<GeoTransform>{transform}</GeoTransform>"
        f'<Metadata><MDI key="AREA_OR_POINT">Area</MDI></Metadata>{"".join(bands)}</VRTDataset>'
    )


def _profile(block: Window, bands: int) -> dict[str, object]:
    return {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": bands,
        "height": block.height,
        "width": block.width,
        "tiled": True,
        "blockxsize": BLOCK,
        "blockysize": BLOCK,
        "interleave": "pixel",
        "compress": "ZSTD",
        "zstd_level": 1,
        "bigtiff": "IF_SAFER",
        "photometric": "minisblack",
    }


def _band(number: int, layout: RasterLayout, files: Mapping[Window, str]) -> str:
    tags = layout.tags if number == 1 else {}
    items = "".join(f"<MDI key={quoteattr(key)}>{escape(text)}</MDI>" for key, text in tags.items())
    shown = "Palette" if layout.colours else "Gray" if number == 1 else "Undefined"
    return (
        f'<VRTRasterBand dataType="Byte" band="{number}" blockXSize="{BLOCK}" blockYSize="{BLOCK}">'
        f"<Description>{escape(layout.descriptions[number - 1])}</Description>"
        + (f"<Metadata>{items}</Metadata>" if items else "")
        + (f"<UnitType>{escape(layout.unit)}</UnitType>" if layout.unit else "")
        + f"<NoDataValue>{NODATA_ID}</NoDataValue><ColorInterp>{shown}</ColorInterp>{_colours(layout)}"
        + "".join(_piece(number, window, name) for window, name in sorted(files.items()))
        + "</VRTRasterBand>"
    )


def _colours(layout: RasterLayout) -> str:
    if layout.colours is None:
        return ""
    entries = [layout.colours.get(value, _OPAQUE_BLACK) for value in range(_VALUES)]
    return f"<ColorTable>{''.join(map(_colour, entries))}</ColorTable>"


def _colour(parts: Sequence[int]) -> str:
    red, green, blue, opacity = parts
    return f'<Entry c1="{red}" c2="{green}" c3="{blue}" c4="{opacity}"/>'


def _piece(band: int, window: Window, name: str) -> str:
    size = f'xSize="{window.width}" ySize="{window.height}"'
    facts = f'RasterXSize="{window.width}" RasterYSize="{window.height}" DataType="Byte"'
    return (
        f'<SimpleSource><SourceFilename relativeToVRT="1">{escape(name)}</SourceFilename>'
        f'<SourceBand>{band}</SourceBand><SourceProperties {facts} BlockXSize="{BLOCK}" BlockYSize="{BLOCK}"/>'
        f'<SrcRect xOff="0" yOff="0" {size}/><DstRect xOff="{window.col}" yOff="{window.row}" {size}/></SimpleSource>'
    )
