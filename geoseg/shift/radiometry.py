"""How far the numbers of scenes are from those a model was trained on, and whether they are in another unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from geoseg.models.reference import Numbers, ReferenceStatistics
from geoseg.raster.normalize import Normalizer
from geoseg.shift.bands import LEVELS, band_distances, band_quantiles
from geoseg.shift.windows import WindowSample

_TAIL = 0.005
_LEAST_STD = 1e-6
_FAR = 1.5  # standard deviations
_TIMES_NEARER = 3.0
_OTHER = 4.0  # times the gain; what differs by less is another exposure


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """A way to write measurements as numbers."""

    name: str
    """Whose it is."""

    gain: float
    """Number x gain + offset is what a model was trained on."""

    offset: float = 0.0
    """See `gain`."""

    def __str__(self) -> str:
        """The name with its formula."""
        offset = f" {'-' if self.offset < 0 else '+'} {abs(self.offset):g}" if self.offset else ""
        return f"{self.name} (number x {f'{self.gain:.8f}'.rstrip('0').rstrip('.')}{offset})"


ENCODINGS = (
    Encoding(name="Landsat Collection 2 level 2", gain=2.75e-5, offset=-0.2),
    Encoding(name="Sentinel-2 since processing baseline 04.00", gain=1e-4, offset=-0.1),
    Encoding(name="reflectance in ten-thousandths", gain=1e-4),
    Encoding(name="reflectance in per cent", gain=1e-2),
    Encoding(name="0 to 1", gain=1.0),
    Encoding(name="8 bits", gain=1 / 255),
    Encoding(name="11 bits", gain=1 / 2047),
    Encoding(name="12 bits", gain=1 / 4095),
    Encoding(name="16 bits", gain=1 / 65535),
)
"""Those that scenes are found in."""


def seen_sample(sample: WindowSample, normalizer: Normalizer) -> WindowSample:
    """Windows in the unit of the training imagery: through the curves of the normaliser where it has some."""
    if not normalizer.curves:
        return sample
    bands = [curve(sample.images[:, place]) for place, curve in enumerate(normalizer.curves)]
    return replace(sample, images=np.stack(bands, axis=1))


def radiometric_distances(
    quantiles: Numbers, normalizer: Normalizer, reference: ReferenceStatistics | None = None
) -> Numbers:
    """How far each band is from what the model knows, in standard deviations.

    With a reference this is the Wasserstein-1 distance; without, that of two normal distributions (Wasserstein-2) by
    mean and standard deviation of the training imagery.

    Args:
        quantiles: (bands, levels) at `LEVELS`, in the unit of the training imagery.
        normalizer: of the model.
        reference: of the model.

    Returns:
        (bands,); NaN for a band that the scenes lack.
    """
    if reference is not None:
        return band_distances(reference.quantiles, quantiles)
    means, stds = moments_of(quantiles)
    wanted_means, wanted_stds = np.array(normalizer.mean), np.maximum(normalizer.std, _LEAST_STD)
    return np.asarray(np.hypot(means - wanted_means, stds - wanted_stds) / wanted_stds)


def moments_of(quantiles: Numbers) -> tuple[Numbers, Numbers]:
    """Mean and standard deviation of each band (bands,), without 0.5 % of the pixels at each end."""
    ends = np.array([np.interp((_TAIL, 1 - _TAIL), LEVELS, row) for row in quantiles])
    inner = np.clip(quantiles, ends[:, :1], ends[:, 1:])
    means = np.asarray(np.trapezoid(inner, LEVELS, axis=-1))
    return means, np.sqrt(np.trapezoid((inner - means[:, None]) ** 2, LEVELS, axis=-1))


def likely_encoding(
    sample: WindowSample, scales: Sequence[float], normalizer: Normalizer, reference: ReferenceStatistics | None = None
) -> Encoding | None:
    """The way in which numbers were written that brings them near the training imagery, where the model's does not.

    Args:
        sample: the windows, scaled.
        scales: of each scene, by which its numbers were scaled.
        normalizer: of the model.
        reference: of the model.

    Returns:
        None where the numbers are near already, or no known way brings them near.
    """
    if normalizer.curves or len(set(scales)) != 1:
        return None
    quantiles = band_quantiles(sample)
    scale = scales[0]

    def distance(gain: float, offset: float) -> float:
        written = quantiles / scale * gain + offset
        return float(np.nanmean(radiometric_distances(written, normalizer, reference)))

    others = [each for each in ENCODINGS if each.offset or not 1 / _OTHER < each.gain / scale < _OTHER]
    nearest, best = min(((distance(each.gain, each.offset), each) for each in others), key=lambda entry: entry[0])
    present = distance(scale, 0.0)
    return best if present > _FAR and nearest < min(_FAR, present / _TIMES_NEARER) else None


def band_offsets(quantiles: Numbers, normalizer: Normalizer, reference: ReferenceStatistics | None = None) -> Numbers:
    """How far the middle of each band is from that of what the model knows, with its sign.

    Args:
        quantiles: (bands, levels) at `LEVELS`, in the unit of the training imagery.
        normalizer: of the model.
        reference: of the model; without, the mean of the training imagery is its middle.

    Returns:
        (bands,), standard deviations of the training imagery, above 0 where the scenes are brighter; NaN for a band
        that they lack.
    """
    middle = len(LEVELS) // 2
    known = np.array(normalizer.mean) if reference is None else reference.quantiles[:, middle]
    return np.asarray((quantiles[:, middle] - known) / np.maximum(normalizer.std, _LEAST_STD))
