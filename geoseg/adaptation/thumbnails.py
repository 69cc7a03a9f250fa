"""Small pictures of a scene and its maps, as PNG."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.enums import ColorInterp, Resampling

from geoseg.classes import NODATA_ID, ClassMap

_SIDE = 288
_PERCENTILES = (2, 98)
_COLOURS = 3
_SAME, _OTHER = np.array([[235, 235, 235], [200, 40, 40]], dtype=np.uint8)

Picture8 = NDArray[np.uint8]


def scene_png(scene: str | Path) -> bytes:
    """A scene in its colours, or else its first bands, stretched from the 2nd to the 98th percentile.

    Raises:
        rasterio.errors.RasterioError: if it cannot be read.
    """
    with rasterio.open(scene) as dataset:
        size = _size(dataset.height, dataset.width)
        bands = _colour_bands(dataset.colorinterp)
        image = dataset.read(bands, out_shape=(len(bands), *size), resampling=Resampling.average).astype(np.float64)
        valid = dataset.dataset_mask(out_shape=size) > 0
    image[:, ~valid] = np.nan
    return _png(np.stack([_stretched(band) for band in image], axis=-1))


def map_png(class_raster: Path, legend: ClassMap) -> bytes:
    """A class raster in the colours of its legend; nodata is white.

    Raises:
        rasterio.errors.RasterioError: if it cannot be read.
    """
    return _png(_palette(legend)[_read_ids(class_raster)])


def changes_png(before: Path, after: Path) -> bytes:
    """Where two class rasters of one grid differ, in red.

    Raises:
        rasterio.errors.RasterioError: if they cannot be read.
    """
    first, second = _read_ids(before), _read_ids(after)
    picture = np.where((first != second)[..., None], _OTHER, _SAME)
    picture[(first == NODATA_ID) | (second == NODATA_ID)] = 255
    return _png(picture)


def _read_ids(path: Path) -> Picture8:
    with rasterio.open(path) as dataset:
        ids: Picture8 = dataset.read(1, out_shape=_size(dataset.height, dataset.width), resampling=Resampling.nearest)
    return ids


def _size(height: int, width: int) -> tuple[int, int]:
    """Of a picture whose longer side is at most so long."""
    factor = min(1.0, _SIDE / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _colour_bands(meanings: tuple[ColorInterp, ...]) -> list[int]:
    """Numbers, from 1, of red, green and blue where the file names them; else of the first three, or the only one."""
    wanted = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
    if set(wanted) <= set(meanings):
        return [meanings.index(colour) + 1 for colour in wanted]
    return [1, 2, 3] if len(meanings) >= _COLOURS else [1, 1, 1]


def _stretched(band: NDArray[np.float64]) -> Picture8:
    known = band[np.isfinite(band)]
    if not known.size:
        return np.full(band.shape, 255, dtype=np.uint8)
    low, high = np.percentile(known, _PERCENTILES)
    shares = np.clip((band - low) / max(high - low, 1e-9), 0, 1)
    return np.asarray(np.nan_to_num(shares * 255, nan=255.0), dtype=np.uint8)


def _palette(legend: ClassMap) -> Picture8:
    """(256, 3): colours by class id."""
    palette = np.full((256, _COLOURS), 255, dtype=np.uint8)
    for entry in legend.classes:
        palette[entry.id] = [int(entry.colour[place : place + 2], 16) for place in (1, 3, 5)]
    return palette


def _png(picture: Picture8) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
