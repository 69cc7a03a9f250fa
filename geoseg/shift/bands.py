"""Distributions of the bands of two grounds: how far apart they are, and curves that turn one into the other."""

from __future__ import annotations

from typing import Literal

import numpy as np

from geoseg.models.reference import Numbers
from geoseg.raster.curves import BandCurve
from geoseg.shift.windows import WindowSample

LEVELS: Numbers = np.sin(np.linspace(0, np.pi / 2, 129)) ** 2
"""Shares of pixels that quantiles are taken at: from 0 to 1, denser at the ends."""

_MOST_PIXELS = 4_000_000
_TAIL = 0.005
_WIDTH_LEVELS = (0.05, 0.95)
_WIDTH_IN_STD = 3.2897  # of a normal distribution, between these levels
_LEAST_STD = 1e-6
_LEAST_GAP = 1e-5
_FLOAT32_STEPS = 8 * float(np.finfo(np.float32).eps)
_GAINS = (0.02, 50.0)
_REACH = 4.0


def band_quantiles(sample: WindowSample) -> Numbers:
    """The numbers that the shares `LEVELS` of the valid pixels stay below.

    Returns:
        (bands, levels), scaled numbers, rising; NaN for a band that no window has.
    """
    step = max(1, -(-sample.valid.size // _MOST_PIXELS))
    valid = sample.valid[:, ::step] if sample.valid[:, ::step].any() else sample.valid
    step = step if valid is not sample.valid else 1
    bands = range(sample.images.shape[1])
    pixels = (sample.images[:, band, ::step][valid] for band in bands)
    return np.stack([_quantiles(numbers[np.isfinite(numbers)]) for numbers in pixels])


def band_correlations(sample: WindowSample) -> Numbers:
    """How bands rise and fall together over valid pixels, without 0.5 % of each band's at either end.

    Returns:
        (bands, bands), Pearson's; NaN with a band that no window has or that is the same everywhere.
    """
    step = max(1, -(-sample.valid.size // _MOST_PIXELS))
    pixels = sample.images.swapaxes(0, 1)[:, sample.valid][:, ::step].astype(np.float64)
    pixels = pixels[:, np.isfinite(pixels[np.isfinite(pixels).any(axis=1)]).all(axis=0)]
    if not pixels.size:
        return np.full((len(pixels), len(pixels)), np.nan)
    low, high = np.quantile(pixels, (_TAIL, 1 - _TAIL), axis=1, keepdims=True)
    centred = np.clip(pixels, low, high)
    centred -= centred.mean(axis=1, keepdims=True)
    covariance = centred @ centred.T / centred.shape[1]
    variances = covariance.diagonal()
    products = np.sqrt(np.outer(variances, variances))
    return np.asarray(np.divide(covariance, products, out=np.full_like(covariance, np.nan), where=products > 0))


def band_distances(reference: Numbers, target: Numbers) -> Numbers:
    """How far the pixels of each band have to be moved to become those of the reference, on average.

    The Wasserstein-1 distance between two quantile functions, over the reference's standard deviation, which is taken
    from its inner 90 % so that outliers do not count.

    Args:
        reference: (bands, levels) at `LEVELS`.
        target: the same of other ground.

    Returns:
        (bands,), reference standard deviations; NaN for a band that either lacks.
    """
    moved = np.trapezoid(np.abs(target - reference), LEVELS, axis=-1)
    return np.asarray(moved / np.maximum(_spread(reference), _LEAST_STD))


def matching_curves(reference: Numbers, target: Numbers, *, kind: Literal["cdf", "moments"]) -> tuple[BandCurve, ...]:
    """Curves that give the pixels of a target the distribution of the reference, band by band.

    Both kinds leave 0.5 % of the pixels at each end out of account. Beyond those the curves go on with the overall
    gain for four times the range of the reference, then stay constant.

    Args:
        reference: (bands, levels) at `LEVELS`.
        target: the same of the ground to change.
        kind: cdf gives each quantile that of the reference, moments mean and standard deviation by gain and bias.

    Returns:
        One curve for each band, from the target's scaled numbers; the identity for a band that either lacks.
    """
    make = _cdf_curve if kind == "cdf" else _moments_curve
    return tuple(
        make(*map(_without_tails, (source, found))) if np.isfinite([source, found]).all() else _identity(found)
        for source, found in zip(reference, target, strict=True)
    )


def _quantiles(numbers: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Numbers:
    if not len(numbers):
        return np.full(len(LEVELS), np.nan)
    ordered = np.sort(numbers)
    places = LEVELS * (len(ordered) - 1)
    below = np.floor(places).astype(np.intp)
    low, high = (ordered[np.minimum(index, len(ordered) - 1)].astype(np.float64) for index in (below, below + 1))
    return np.asarray(low + (high - low) * (places - below))


def _spread(quantiles: Numbers) -> Numbers:
    """Standard deviations (bands,) by the width of the inner 90 %; by all pixels where that is nil."""
    low, high = np.array([np.interp(_WIDTH_LEVELS, LEVELS, row) for row in quantiles]).T
    whole = np.array([_deviation(row) for row in quantiles])
    inner = (high - low) / _WIDTH_IN_STD
    return np.where(inner > 0, inner, whole)


def _without_tails(quantiles: Numbers) -> Numbers:
    low, high = np.interp((_TAIL, 1 - _TAIL), LEVELS, quantiles)
    return np.clip(quantiles, low, high)


def _cdf_curve(reference: Numbers, target: Numbers) -> BandCurve:
    knots, values = _merged(target, reference)
    return _extended(knots, values, gain=_gain(reference, target), reach=_REACH * (reference[-1] - reference[0]))


def _moments_curve(reference: Numbers, target: Numbers) -> BandCurve:
    gain = _gain(reference, target)
    middle, wanted = (np.trapezoid(row, LEVELS) for row in (target, reference))
    ends = np.array([target[0], target[-1]]) if _width(target) > 0 else middle + np.array([0.0])
    reach = _REACH * (reference[-1] - reference[0])
    return _extended(ends, wanted + gain * (ends - middle), gain=gain, reach=reach)


def _gain(reference: Numbers, target: Numbers) -> float:
    """From the spread of the target to that of the reference, within limits; 1 where either is constant."""
    wanted, found = (float(_deviation(row)) for row in (reference, target))
    if min(_width(reference), _width(target)) <= 0:
        return 1.0
    return min(max(wanted / found, _GAINS[0]), _GAINS[1])


def _deviation(quantiles: Numbers) -> float:
    mean = np.trapezoid(quantiles, LEVELS)
    return float(np.sqrt(np.trapezoid((quantiles - mean) ** 2, LEVELS)))


def _width(quantiles: Numbers) -> float:
    """Of all that is left of a distribution; 0 where float32 could not tell its ends apart."""
    width = float(quantiles[-1] - quantiles[0])
    return width if width > _FLOAT32_STEPS * float(np.abs(quantiles).max()) else 0.0


def _merged(knots: Numbers, values: Numbers) -> tuple[Numbers, Numbers]:
    """Both without knots that are as good as equal: these become one, with the mean of their values."""
    gap = max(_LEAST_GAP * (knots[-1] - knots[0]), _FLOAT32_STEPS * float(np.abs(knots).max()))
    shares = np.gradient(LEVELS)
    group = np.zeros(len(knots), dtype=np.intp)
    first = 0
    for number in range(1, len(knots)):
        is_new = knots[number] - knots[first] > gap
        first = number if is_new else first
        group[number] = group[number - 1] + is_new
    weights = np.bincount(group, weights=shares)
    merged_knots, merged_values = (np.bincount(group, weights=shares * part) / weights for part in (knots, values))
    return merged_knots, np.maximum.accumulate(merged_values)


def _extended(knots: Numbers, values: Numbers, *, gain: float, reach: float) -> BandCurve:
    """A curve through points that goes on with a gain until its values are `reach` farther."""
    reach = max(reach, _LEAST_GAP + _FLOAT32_STEPS * float(np.abs(values).max()), gain * _farther(knots))
    around = np.array([-reach, reach])
    outer_knots, outer_values = knots[[0, -1]] + around / gain, values[[0, -1]] + around
    return BandCurve(
        knots=(float(outer_knots[0]), *knots.tolist(), float(outer_knots[1])),
        values=(float(outer_values[0]), *values.tolist(), float(outer_values[1])),
    )


def _farther(knots: Numbers) -> float:
    """The least step that float32 tells apart beside these knots."""
    return _FLOAT32_STEPS * float(np.abs(knots).max())


def _identity(target: Numbers) -> BandCurve:
    """Changes nothing within four times the range of a band, or of 0 to 1 where that is not known."""
    low, high = (float(target[0]), float(target[-1])) if np.isfinite(target).all() else (0.0, 1.0)
    reach = _REACH * max(high - low, 1.0)
    return BandCurve(knots=(low - reach, high + reach), values=(low - reach, high + reach))
