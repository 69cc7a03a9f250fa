"""From a scene's numbers to what a network was trained on. Knows nothing of files or networks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError, SceneError
from geoseg.raster.curves import BandCurve
from geoseg.raster.patch import Patch


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalizer:
    """Band statistics of the training imagery. The same for every pixel: never computed from a tile.

    A pixel of dtype d becomes (curve(number x scales[d]) - mean) / std, band by band.
    """

    scales: Mapping[str, float]
    """From the numbers of a dtype to the unit of `mean` and `std` (reflectance, or 0 to 1 of full scale)."""

    mean: tuple[float, ...]
    """Per band, scaled."""

    std: tuple[float, ...]
    """Per band, scaled, above 0."""

    curves: tuple[BandCurve, ...] = ()
    """Per band, from the scaled numbers of another sensor to those of training; empty = no change."""

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise ModelError(f"a normaliser needs a mean and a std per band, got {len(self.mean)} and {len(self.std)}")
        if not all(0 < number < math.inf for number in (*self.std, *self.scales.values())):
            raise ModelError(f"stds and scales must be positive, got {self.std} and {dict(self.scales)}")
        if not all(map(math.isfinite, self.mean)):
            raise ModelError(f"means must be finite, got {self.mean}")
        if len(self.curves) not in {0, len(self.mean)}:
            raise ModelError(f"{len(self.mean)} bands need as many curves or none, got {len(self.curves)}")

    def scale_for(self, dtype: str) -> float:
        """The scale of a dtype.

        Raises:
            ModelError: if the model was not trained on numbers of that dtype.
        """
        if dtype not in self.scales:
            raise ModelError(
                f"the model takes {', '.join(sorted(self.scales))} pixels, the scene has {dtype}: "
                "convert it (gdal_translate -ot ... -scale ...) or add a scale for it to the model package"
            )
        return self.scales[dtype]

    def apply(self, scaled: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """What a network sees of scaled numbers: 0 where nothing is valid and where a band is NaN.

        Args:
            scaled: (..., bands, height, width), numbers times their scale.
            valid: (..., height, width), True = usable.
        """
        mean, std = (np.array(part, dtype=np.float32)[:, None, None] for part in (self.mean, self.std))
        if self.curves:
            bands = [curve(scaled[..., place, :, :]) for place, curve in enumerate(self.curves)]
            scaled = np.stack(bands, axis=-3)
        there = valid[..., None, :, :] & ~np.isnan(scaled)
        return np.where(there, (scaled - mean) / std, np.float32(0)).astype(np.float32, copy=False)


def band_statistics(patches: Iterable[Patch], *, scale: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each band over valid pixels, in one pass.

    Args:
        patches: images of shape (bands, height, width), in the numbers of the scene.
        scale: factor from those numbers to the unit of the result.

    Returns:
        Means and standard deviations, one of each per band; a constant band gets a deviation of 1e-6.

    Raises:
        SceneError: if no pixel is valid.
    """
    count, total, squares = 0, np.zeros(1), np.zeros(1)
    for patch in patches:
        pixels = patch.image[:, patch.valid].astype(np.float64) * scale
        count += pixels.shape[1]
        total = total + pixels.sum(axis=1)
        squares = squares + (pixels**2).sum(axis=1)
    if count == 0:
        raise SceneError("no valid pixel to take band statistics from: check the nodata value of the scenes")
    mean = total / count
    std = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    return tuple(mean.tolist()), tuple(std.tolist())
