"""Scenes on disk: any raster GDAL opens, read by windows, never whole. Knows nothing of models or tiles."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import CRSError, RasterioError
from rasterio.windows import Window as FileWindow

from geoseg.errors import SceneError
from geoseg.georef import GeoRef
from geoseg.raster.bands import FileBand, choose_bands
from geoseg.raster.gdal import BLOCK_CACHE_BYTES, georeference_optional
from geoseg.raster.patch import Patch
from geoseg.raster.valid_mask import ValidityRule, alpha_band, has_mask_band, holds_imagery, spectral_valid
from geoseg.window import Window

log = logging.getLogger(__name__)

_FOR_GDAL = re.compile(r"/vsi|[A-Za-z]\w+:|<")  # /vsizip/..., https://..., NETCDF:"file":variable, VRT as text
_READ_AS = {"float64": "float32", "float16": "float32"}
_NO_CRS = "no CRS ({hint}): areas are in pixels and the pixel size is unknown"
_PALETTE_BANDS = tuple(
    FileBand(index=index, description=colour, colour=colour, is_alpha=False)
    for index, colour in enumerate(("red", "green", "blue"), start=1)
)
_DTYPES = ("uint8", "uint16", "int16", "float32")


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneSource:
    """Everything needed to open a scene again, in this process or in another."""

    path: str
    """As GDAL takes it: a file, or a /vsi path."""

    georef: GeoRef
    """Its grid."""

    indices: tuple[int, ...]
    """Chosen bands, from 1, in the order in which they are read."""

    bands: tuple[str, ...]
    """Their names; `band N` where the file does not tell."""

    dtype: str
    """Of the pixels as read: uint8, uint16, int16 or float32."""

    validity: ValidityRule
    """How the file marks nodata."""

    palette: tuple[tuple[int, int, int, int], ...] | None
    """Red, green, blue and opacity per value, where the one band of the file is an index into colours."""

    storage_rows: int
    """Rows of the file's internal tiling, px: reads that start and end on multiples decode nothing twice."""

    present: tuple[int, ...] = ()
    """For each band its position among those that were asked for, from 0."""

    by_position: bool = False
    """True where the file has no names for its bands and they were taken in order."""

    remarks: tuple[str, ...] = ()
    """What had to be assumed, a line each."""


class Scene:
    """An open scene. A context manager; picklable (it opens again); read from one thread at a time."""

    def __init__(self, source: SceneSource) -> None:
        self.source = source
        self._dataset = open_dataset(source.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[type[Scene], tuple[SceneSource]]:
        return Scene, (self.source,)

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        self._dataset.close()

    @property
    def georef(self) -> GeoRef:
        """The grid of the file."""
        return self.source.georef

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the chosen bands, in the order in which they are read."""
        return self.source.bands

    @property
    def dtype(self) -> str:
        """Name of the numpy dtype of the pixels as read."""
        return self.source.dtype

    @property
    def storage_rows(self) -> int:
        """Rows of the file's internal tiling, px."""
        return self.source.storage_rows

    def read(self, window: Window) -> Patch:
        """The pixels of a window, zero and not valid where it leaves the scene.

        Raises:
            SceneError: if the file cannot be read there (truncated, corrupt, out of reach).
        """
        image = np.zeros((len(self.bands), *window.shape), dtype=self.dtype)
        valid = np.zeros(window.shape, dtype=np.bool_)
        inside = window.intersect(self.georef.window)
        if inside is not None:
            there = inside.slices_in(window)
            with rasterio_errors(self.source.path):
                image[:, *there], valid[there] = self._read_inside(inside)
        return Patch(image=image, valid=valid, window=window)

    def _read_inside(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        source = self.source
        file_window = FileWindow(window.col, window.row, window.width, window.height)
        if source.palette is not None:
            values = self._dataset.read(1, window=file_window)
            colours, valid = _through_palette(values, source.palette)
            image = colours[[index - 1 for index in source.indices]]
            valid &= spectral_valid(values[np.newaxis], source.validity.nodata)
        else:
            image = self._dataset.read(source.indices, window=file_window, out_dtype=source.dtype)
            valid = spectral_valid(image, source.validity.nodata)
        if source.validity.alpha is not None:
            valid &= self._dataset.read(source.validity.alpha, window=file_window) != 0
        if source.validity.mask_band:
            valid &= self._dataset.read_masks(1, window=file_window) != 0
        return image, valid


def open_scene(path: str | Path, *, bands: Sequence[str] | None = None) -> Scene:
    """Open a raster for reading by windows.

    Args:
        path: any raster GDAL opens.
        bands: names (`red`) or numbers from 1 (`"1"`), in the order to read them; None takes all but alpha.

    Raises:
        SceneError: if it is missing, not a raster, of an unsupported dtype, or lacks a band.
        GeorefError: if its transform cannot be used.
    """
    source = describe_scene(path, bands=bands)
    warn_of(source)
    return Scene(source)


def warn_of(source: SceneSource) -> None:
    """Log what had to be assumed of a scene."""
    for remark in source.remarks:
        log.warning("%s: %s", source.path, remark)


def describe_scene(
    path: str | Path, *, bands: Sequence[str] | None = None, optional: Sequence[str] = ()
) -> SceneSource:
    """What `open_scene` needs to know of a raster.

    Args:
        path: any raster GDAL opens.
        bands: names or numbers from 1, in the order to read them; None takes all but alpha.
        optional: those of `bands` that are left out where the raster lacks them.

    Raises:
        SceneError: if it is missing, not a raster, of an unsupported dtype, or lacks a band.
        GeorefError: if its transform cannot be used.
    """
    text = str(path)
    if not _FOR_GDAL.match(text) and not Path(text).exists():
        raise SceneError(f"{text}: no such file: check the path of the scene")
    with rasterio_errors(text), open_dataset(text) as dataset:
        return _describe(text, dataset, bands, optional)


def _describe(
    path: str, dataset: rasterio.io.DatasetReader, wanted: Sequence[str] | None, optional: Sequence[str]
) -> SceneSource:
    if dataset.count == 0:
        raise SceneError(f"{path}: holds no bands of its own (a container?): give one of its subdatasets")
    remarks = [_NO_CRS.format(hint=_crs_hint(dataset))] if not dataset.crs else []
    palette = _palette_of(dataset)
    alpha = alpha_band(dataset)
    if alpha is not None and palette is None and holds_imagery(dataset, alpha):
        remarks.append(f"band {alpha} is tagged as alpha but holds imagery: it marks no nodata")
        alpha = None
    file_bands = _PALETTE_BANDS if palette is not None else _file_bands(dataset, alpha)
    try:
        choice = choose_bands(file_bands, wanted, optional=optional)
        georef = GeoRef(
            crs=dataset.crs.to_wkt(version="WKT2_2019") if dataset.crs else None,
            transform=dataset.transform,
            height=dataset.height,
            width=dataset.width,
        )
    except SceneError as error:
        raise type(error)(f"{path}: {error}") from error
    if choice.remark:
        remarks.append(choice.remark)
    indices = choice.indices
    return SceneSource(
        path=path,
        georef=georef,
        indices=indices,
        bands=choice.names,
        dtype="uint8" if palette is not None else _dtype_of(path, [dataset.dtypes[i - 1] for i in indices]),
        validity=ValidityRule(
            nodata=_nodata_of(dataset, (1,) if palette is not None else indices),
            alpha=None if alpha in indices else alpha,
            mask_band=has_mask_band(dataset),
        ),
        palette=palette,
        storage_rows=min(dataset.block_shapes[0][0], dataset.height),
        present=choice.present,
        by_position=choice.by_position,
        remarks=tuple(remarks),
    )


def _file_bands(dataset: rasterio.io.DatasetReader, alpha: int | None) -> tuple[FileBand, ...]:
    described = zip(dataset.indexes, dataset.descriptions, dataset.colorinterp, strict=True)
    return tuple(
        FileBand(index=index, description=description, colour=kind.name.lower(), is_alpha=index == alpha)
        for index, description, kind in described
    )


def _crs_hint(dataset: rasterio.io.DatasetReader) -> str:
    points_only = bool(dataset.gcps[0])
    return "it has ground control points only: warp it first (gdalwarp)" if points_only else "assign one"


def _palette_of(dataset: rasterio.io.DatasetReader) -> tuple[tuple[int, int, int, int], ...] | None:
    if dataset.count != 1 or dataset.colorinterp[0].name != "palette" or dataset.dtypes[0] != "uint8":
        return None
    colours = dataset.colormap(1)
    return tuple(colours.get(value, (0, 0, 0, 0)) for value in range(256))


def _through_palette(
    values: NDArray[np.uint8], palette: tuple[tuple[int, int, int, int], ...]
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    table = np.array(palette, dtype=np.uint8)
    colours = np.moveaxis(table[values], -1, 0)
    return colours[:3], colours[3] != 0


def _nodata_of(dataset: rasterio.io.DatasetReader, indices: Sequence[int]) -> tuple[float | None, ...]:
    return tuple(dataset.nodatavals[index - 1] for index in indices)


def _dtype_of(path: str, dtypes: list[str]) -> str:
    names = {_READ_AS.get(name, name) for name in dtypes}
    if len(names) != 1 or not names <= set(_DTYPES):
        raise SceneError(
            f"{path}: pixels are {', '.join(sorted(set(dtypes)))}: all bands must share one of "
            f"{', '.join(_DTYPES)}; convert the scene (gdal_translate -ot)"
        )
    return names.pop()


def open_dataset(path: str, **options: str) -> rasterio.io.DatasetReader:
    """Open with rasterio, decoding on all cores where the format can, without its remark on georeference.

    Raises:
        SceneError: if GDAL cannot open it.
    """
    if path.lower().endswith((".tif", ".tiff")):
        options["num_threads"] = "all_cpus"
    with rasterio_errors(path), georeference_optional():
        return rasterio.open(path, **options)


@contextmanager
def rasterio_errors(path: str) -> Iterator[None]:
    """Turn what rasterio raises about a file into one SceneError, with a small block cache."""
    try:
        with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES):
            yield
    except (RasterioError, CRSError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise SceneError(f"{path}: cannot be read as a raster: {reason}") from error
