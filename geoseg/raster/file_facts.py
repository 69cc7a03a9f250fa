"""What the header of a raster says of its bands and of nodata. Reads hardly any pixels."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rasterio

from geoseg.errors import GeorefError, SceneError
from geoseg.georef import GeoRef
from geoseg.raster.bands import FileBand
from geoseg.raster.gdal import open_patiently, rasterio_errors, shown
from geoseg.raster.scaling import Declared
from geoseg.raster.valid_mask import ValidityRule, alpha_band, has_mask_band, holds_imagery

DTYPES = ("uint8", "uint16", "int16", "float32")
"""Types of pixels as read."""

Palette = tuple[tuple[int, int, int, int], ...]
"""Red, green, blue and opacity per value."""

_READ_AS = {"float64": "float32", "float16": "float32"}
_NO_CRS = "no CRS ({hint}): areas are in pixels and the pixel size is unknown"
_PALETTE_BANDS = tuple(
    FileBand(index=index, description=colour, colour=colour, is_alpha=False)
    for index, colour in enumerate(("red", "green", "blue"), start=1)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """One raster."""

    path: str
    """As `open_checked` takes it."""

    name: str
    """As the user or an item named it."""

    georef: GeoRef
    """Its grid."""

    bands: tuple[FileBand, ...]
    """All of them; red, green and blue where its one band is an index into colours."""

    dtypes: tuple[str, ...]
    """As stored, per stored band."""

    nodata: tuple[float | None, ...]
    """Per stored band."""

    alpha: int | None
    """Band (from 1) that says which pixels are valid."""

    mask_band: bool
    """True where it has a mask of its own, inside or beside it."""

    palette: Palette | None
    """Of a band that is an index into colours."""

    storage_rows: int
    """Rows of its internal tiling, px."""

    declared: Declared
    """Scale and offset per stored band."""

    remarks: tuple[str, ...] = ()
    """What had to be assumed."""

    def dtype_of(self, indices: Sequence[int]) -> str:
        """Type of some bands as read.

        Raises:
            SceneError: if they have several, or one that is not supported.
        """
        if self.palette is not None:
            return "uint8"
        return common_dtype(shown(self.name), [self.dtypes[index - 1] for index in indices])

    def validity_of(self, indices: Sequence[int]) -> ValidityRule:
        """How nodata of some bands is marked."""
        stored = (1,) if self.palette is not None else indices
        return ValidityRule(
            nodata=tuple(self.nodata[index - 1] for index in stored),
            alpha=None if self.alpha in indices else self.alpha,
            mask_band=self.mask_band,
        )

    def declared_of(self, indices: Sequence[int]) -> Declared:
        """Scale and offset of some bands."""
        if self.palette is not None:
            return Declared((1.0,), (0.0,))
        scales, offsets = self.declared.scales, self.declared.offsets
        return Declared(tuple(scales[index - 1] for index in indices), tuple(offsets[index - 1] for index in indices))


def read_facts(path: str, *, name: str) -> FileFacts:
    """Look at a raster.

    Args:
        path: as `open_checked` takes it.
        name: as the user or an item named it.

    Raises:
        SceneError: if it cannot be opened or holds no bands.
        GeorefError: if its transform cannot be used.
    """
    with rasterio_errors(path, name=name), open_patiently(path, name=name) as dataset:
        return _facts(path, name, dataset)


def common_dtype(name: str, dtypes: Sequence[str]) -> str:
    """The type as which pixels of these types are read.

    Raises:
        SceneError: if there are several, or one that is not supported.
    """
    names = {_READ_AS.get(dtype, dtype) for dtype in dtypes}
    if len(names) != 1 or not names <= set(DTYPES):
        raise SceneError(
            f"{name}: pixels are {', '.join(sorted(set(dtypes)))}: all bands must share one of "
            f"{', '.join(DTYPES)}; convert the scene (gdal_translate -ot)"
        )
    return names.pop()


def _nodata_of(name: str, dataset: rasterio.io.DatasetReader) -> tuple[float | None, ...]:
    """Per band.

    Raises:
        SceneError: if pixels as read cannot be told from nodata.
    """
    values: tuple[float | None, ...] = dataset.nodatavals
    least = float(np.finfo(np.float32).smallest_subnormal)
    tiny = next((value for value in values if value and abs(value) < least), None)
    if tiny is not None:
        raise SceneError(
            f"{shown(name)}: nodata {tiny} cannot be told from 0 in float32: give the scene another nodata value"
        )
    return values


def _facts(path: str, name: str, dataset: rasterio.io.DatasetReader) -> FileFacts:
    if dataset.count == 0:
        raise SceneError(f"{shown(name)}: holds no bands of its own (a container?): give one of its subdatasets")
    remarks = [_NO_CRS.format(hint=_crs_hint(dataset))] if not dataset.crs else []
    palette = _palette_of(dataset)
    alpha = alpha_band(dataset)
    if alpha is not None and palette is None and holds_imagery(dataset, alpha):
        remarks.append(f"band {alpha} is tagged as alpha but holds imagery: it marks no nodata")
        alpha = None
    return FileFacts(
        path=path,
        name=name,
        georef=_georef(name, dataset),
        bands=_PALETTE_BANDS if palette is not None else _file_bands(dataset, alpha),
        dtypes=tuple(dataset.dtypes),
        nodata=_nodata_of(name, dataset),
        alpha=alpha,
        mask_band=has_mask_band(dataset),
        palette=palette,
        storage_rows=min(dataset.block_shapes[0][0], dataset.height),
        declared=Declared(tuple(scale or 1.0 for scale in dataset.scales), tuple(dataset.offsets)),
        remarks=tuple(remarks),
    )


def _georef(name: str, dataset: rasterio.io.DatasetReader) -> GeoRef:
    try:
        return GeoRef(
            crs=sys.intern(dataset.crs.to_wkt(version="WKT2_2019")) if dataset.crs else None,  # one for all of a mosaic
            transform=dataset.transform,
            height=dataset.height,
            width=dataset.width,
        )
    except GeorefError as error:
        raise GeorefError(f"{shown(name)}: {error}") from error


def _file_bands(dataset: rasterio.io.DatasetReader, alpha: int | None) -> tuple[FileBand, ...]:
    described = zip(dataset.indexes, dataset.descriptions, dataset.colorinterp, strict=True)
    return tuple(
        FileBand(index=index, description=description, colour=kind.name.lower(), is_alpha=index == alpha)
        for index, description, kind in described
    )


def _crs_hint(dataset: rasterio.io.DatasetReader) -> str:
    points_only = bool(dataset.gcps[0])
    return "it has ground control points only: warp it first (gdalwarp)" if points_only else "assign one"


def _palette_of(dataset: rasterio.io.DatasetReader) -> Palette | None:
    if dataset.count != 1 or dataset.colorinterp[0].name != "palette" or dataset.dtypes[0] != "uint8":
        return None
    colours = dataset.colormap(1)
    return tuple(colours.get(value, (0, 0, 0, 0)) for value in range(256))
