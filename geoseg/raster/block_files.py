"""Pieces of a raster in files of their own, and a VRT that makes one raster of them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from rasterio.crs import CRS

from geoseg.classes import NODATA_ID
from geoseg.georef import GeoRef
from geoseg.raster.layout import RasterLayout
from geoseg.raster.stored import BLOCK, StoredRows, stored_extent
from geoseg.window import Window

_VALUES = 256
_OPAQUE_BLACK = (0, 0, 0, 255)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedLayer:
    """One layer of one block."""

    data: bytes
    """A GeoTIFF without georeference."""

    @property
    def file_crc(self) -> int:
        """CRC-32 of the file."""
        return zlib.crc32(self.data)


class LayerEncoder(StoredRows):
    """Pixels of one layer of one block, taken from top to bottom; only a few rows are held uncompressed."""

    def finish(self) -> EncodedLayer:
        """What was written.

        Raises:
            ValueError: if rows are missing.
        """
        return EncodedLayer(data=self.packed())


def raster_of_blocks(
    georef: GeoRef, layout: RasterLayout, files: Mapping[Window, str], *, overviews: Sequence[str] = ()
) -> str:
    """A VRT, as text, of layers of blocks.

    Args:
        georef: the grid.
        layout: of the layer.
        files: of blocks, by where they lie: an `EncodedLayer` each.
        overviews: files of coarser levels, from the finest.
    """
    crs = "" if georef.crs is None else f"<SRS>{escape(CRS.from_wkt(georef.crs).to_wkt())}</SRS>"
    transform = ", ".join(repr(float(number)) for number in georef.transform.to_gdal())
    bands = [_band(number, layout, files, overviews) for number in range(1, len(layout.descriptions) + 1)]
    return (
        f'<VRTDataset rasterXSize="{georef.width}" rasterYSize="{georef.height}">{crs}'
        f"<GeoTransform>{transform}</GeoTransform>"
        f'<Metadata><MDI key="AREA_OR_POINT">Area</MDI></Metadata>{"".join(bands)}</VRTDataset>'
    )


def _band(number: int, layout: RasterLayout, files: Mapping[Window, str], overviews: Sequence[str]) -> str:
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
        + "".join(f"<Overview>{_source(number, name)}</Overview>" for name in overviews)
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
    size, extent = f'xSize="{window.width}" ySize="{window.height}"', stored_extent(window)
    facts = f'RasterXSize="{extent.width}" RasterYSize="{extent.height}" DataType="Byte"'
    return (
        f'<SimpleSource>{_source(band, name)}<SourceProperties {facts} BlockXSize="{BLOCK}" BlockYSize="{BLOCK}"/>'
        f'<SrcRect xOff="{window.col - extent.col}" yOff="{window.row - extent.row}" {size}/>'
        f'<DstRect xOff="{window.col}" yOff="{window.row}" {size}/></SimpleSource>'
    )


def _source(band: int, name: str) -> str:
    return f'<SourceFilename relativeToVRT="0">{escape(name)}</SourceFilename><SourceBand>{band}</SourceBand>'
