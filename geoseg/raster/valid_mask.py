"""Which pixels are usable: nodata, alpha, mask band and NaN together, as one array with True = valid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window as FileWindow

_SAMPLED_BLOCKS = 16
_ALPHA_LEVELS = 16
_ALPHA_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidityRule:
    """How a file says which pixels are usable."""

    nodata: tuple[float | None, ...]
    """Per chosen band, the number that means nodata."""

    alpha: int | None
    """Band (from 1) that is 0 where a pixel is not usable."""

    mask_band: bool
    """True where the file has a mask of its own, inside or beside it."""


def spectral_valid(image: NDArray[np.generic], nodata: Sequence[float | None]) -> NDArray[np.bool_]:
    """True where pixels hold measurements, by their numbers alone.

    Integers: a pixel is nodata where every band holds its nodata value, as in GDAL's dataset mask, since one
    band of a real pixel may well be 0. Floats: a pixel with NaN, infinity or nodata in any band is nodata,
    since there is nothing to compute with.

    Args:
        image: (bands, height, width).
        nodata: per band, or None.

    Returns:
        (height, width) bool.
    """
    if np.issubdtype(image.dtype, np.floating):
        limits = np.finfo(np.float32)
        valid: NDArray[np.bool_] = np.isfinite(image).all(axis=0)
        for band, value in zip(image, nodata, strict=True):
            if value is not None:
                valid &= band != np.clip(value, limits.min, limits.max).astype(band.dtype)
        return valid
    if any(value is None for value in nodata):
        return np.ones(image.shape[1:], dtype=np.bool_)
    measured = [band != value for band, value in zip(image, nodata, strict=True)]
    return np.asarray(np.logical_or.reduce(measured), dtype=np.bool_)


def has_mask_band(dataset: rasterio.io.DatasetReader) -> bool:
    """True where a mask inside or beside the file, other than alpha, marks nodata."""
    # GDAL flags nothing where each band has a mask of its own
    return all(not flags or flags == [MaskFlags.per_dataset] for flags in dataset.mask_flag_enums)


def alpha_band(dataset: rasterio.io.DatasetReader) -> int | None:
    """The band (from 1) tagged as alpha, or None."""
    tagged = [index for index, kind in enumerate(dataset.colorinterp, start=1) if kind == ColorInterp.alpha]
    return tagged[-1] if tagged and dataset.count > 1 else None


def holds_imagery(dataset: rasterio.io.DatasetReader, band: int) -> bool:
    """True where a band tagged as alpha plainly is imagery: many levels, and where not 0 often below the highest.

    Looks at up to 16 storage blocks spread over the file.
    """
    windows = _spread_blocks(dataset)
    pixels = np.concatenate([dataset.read(band, window=window).ravel() for window in windows])
    shown = pixels[pixels != 0]
    return bool(np.unique(shown).size > _ALPHA_LEVELS and (shown != shown.max()).mean() > _ALPHA_SHARE)


def _spread_blocks(dataset: rasterio.io.DatasetReader) -> list[FileWindow]:
    height, width = dataset.block_shapes[0]
    height, width = min(height, dataset.height, 256), min(width, dataset.width, 4096)
    rows = np.unique(np.linspace(0, (dataset.height - 1) // height, 4).astype(int))
    cols = np.unique(np.linspace(0, (dataset.width - 1) // width, _SAMPLED_BLOCKS // 4).astype(int))
    whole = FileWindow(0, 0, dataset.width, dataset.height)
    return [FileWindow(c * width, r * height, width, height).intersection(whole) for r in rows for c in cols]
