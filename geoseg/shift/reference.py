"""Measures the ground that a model was validated on, so that later scenes can be compared with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoseg.errors import ModelError
from geoseg.models.reference import Numbers, ReferenceStatistics
from geoseg.raster.normalize import Normalizer
from geoseg.shift.accuracy import fit_accuracy
from geoseg.shift.bands import LEVELS, band_correlations, band_distances, band_quantiles
from geoseg.shift.features import Listener, distances_of, picked_features, statistics_of
from geoseg.shift.forward import Forward, softmax_of
from geoseg.shift.moments import MomentSums, moment_distance
from geoseg.shift.priors import corrected_prior, jensen_shannon
from geoseg.shift.windows import WindowSample

_AT_ONCE = 8
_CLAMP = 100.0  # standard deviations, as at prediction
_MOST_FEATURES = 20_000
_MOST_PARTS = 8
_SPREAD_PERCENT = 95
_FAR_PERCENT = 99
_THIN = 4
_LEAST = 1e-30

Labels = NDArray[np.uint8]
Members = NDArray[np.bool_]


def measure_reference(
    forward: Forward, normalizer: Normalizer, sample: WindowSample, labels: Labels, members: Members
) -> ReferenceStatistics:
    """All statistics of labelled ground: one pass of the network, then those of `fit_accuracy`.

    A label that leaves several classes open counts for each of them by the probability that the network gives it.

    Args:
        forward: the network and the way it is run.
        normalizer: of the model.
        sample: windows of the ground, scaled.
        labels: (n, side, side), label code, 255 = unknown.
        members: (codes, classes), True where a class is one of a code's.

    Raises:
        ModelError: if the labels do not fit the windows, or no pixel is both usable and labelled.
    """
    if labels.shape != sample.valid.shape:
        raise ModelError(
            f"windows of shape {sample.valid.shape} have labels of shape {labels.shape}: give one for each"
        )
    seen = _look(forward, sample, normalizer, (labels, members))
    confusion = seen.confusion.sum(axis=0)
    if not confusion.any():
        raise ModelError("no usable pixel of the reference ground has a label: give ground with labels")
    own = _through_curves(sample, normalizer)
    features = statistics_of(np.concatenate(seen.features))
    accuracy = fit_accuracy(forward, normalizer, sample, labels, members)
    return ReferenceStatistics(
        levels=LEVELS,
        quantiles=band_quantiles(own),
        moments=seen.moments.moments(),
        prior=confusion.sum(axis=1) / confusion.sum(),
        confusion=confusion,
        features=features,
        accuracy=accuracy,
        correlations=band_correlations(own),
        spread=_spread(seen, own),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """What one pass shows, part of the ground by part."""

    parts: NDArray[np.intp]
    """(n,) number of the part that each window is in."""

    moments: MomentSums
    """By part."""

    features: list[NDArray[np.float32]]
    """Of each window (pixels, features)."""

    confusion: Numbers
    """(parts, classes, classes)."""

    mapped: Numbers
    """(parts, classes), usable pixels by predicted class."""


@torch.inference_mode()
def _look(forward: Forward, sample: WindowSample, normalizer: Normalizer, known: tuple[Labels, Members]) -> _Seen:
    labels, members = known
    parts = _parts_of(sample)
    shape = int(parts.max()) + 1, members.shape[1]
    seen = _Seen(
        parts=parts,
        moments=MomentSums(forward.network, parts),
        features=[],
        confusion=np.zeros((*shape, shape[1])),
        mapped=np.zeros(shape),
    )
    most = max(1, _MOST_FEATURES // len(sample))
    with Listener(forward.network) as listener:
        for first, images, valid in _batches(sample, normalizer):
            with seen.moments.listening(valid, first=first):
                probabilities = softmax_of(forward.logits(images), forward.calibration).movedim(1, -1).numpy()
            seen.features.extend(picked_features(listener.features, valid, most=most))
            for number, (window, usable) in enumerate(zip(probabilities, valid.numpy(), strict=True), start=first):
                _count(seen, parts[number], (window[usable], labels[number][usable]), members)
    return seen


def _batches(sample: WindowSample, normalizer: Normalizer) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Number of the first window, images and validity of some windows at a time."""
    for first in range(0, len(sample), _AT_ONCE):
        part = sample.part(np.arange(first, min(first + _AT_ONCE, len(sample))))
        yield first, part.tensor(normalizer).clamp(-_CLAMP, _CLAMP), torch.from_numpy(part.valid)


def _count(seen: _Seen, part: int, pixels: tuple[NDArray[np.float32], Labels], members: Members) -> None:
    """Count usable pixels: probabilities (pixels, classes) and labels (pixels,)."""
    probabilities, labels = pixels
    classes = members.shape[1]
    chosen = probabilities.argmax(axis=1)
    seen.mapped[part] += np.bincount(chosen, minlength=classes)
    left_open = np.append(members.sum(axis=1), classes)[np.minimum(labels, len(members))]
    one, several = left_open == 1, (left_open > 1) & (left_open < classes)
    cells = members.argmax(axis=1)[labels[one]] * classes + chosen[one]
    seen.confusion[part] += np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    if several.any():
        weights = np.where(members[labels[several]], probabilities[several], 0).astype(np.float64)
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), _LEAST)
        seen.confusion[part] += weights.T @ np.eye(classes)[chosen[several]]


def _through_curves(sample: WindowSample, normalizer: Normalizer) -> WindowSample:
    """Windows in the numbers that the means of a normaliser are of."""
    if not normalizer.curves:
        return sample
    bands = [curve(sample.images[:, place]) for place, curve in enumerate(normalizer.curves)]
    return replace(sample, images=np.stack(bands, axis=1))


def _parts_of(sample: WindowSample) -> NDArray[np.intp]:
    """At most eight parts of like size, each of neighbouring windows: (n,) numbers from 0."""
    count = min(_MOST_PARTS, len(sample))
    keys = [(place.scene, place.window, number) for number, place in enumerate(sample.places)]
    parts = np.empty(len(sample), dtype=np.intp)
    parts[[number for *_, number in sorted(keys)]] = np.arange(len(sample)) * count // len(sample)
    return parts


def _spread(seen: _Seen, sample: WindowSample) -> Mapping[str, float]:
    """How far each part is from all others, 95th percentile, by distance; empty where there is one part."""
    if len(seen.mapped) == 1:
        return {}
    thin = replace(sample, images=sample.images[..., ::_THIN, ::_THIN], valid=sample.valid[:, ::_THIN, ::_THIN])
    found = [_distances(seen, thin, part) for part in range(len(seen.mapped))]
    told = {name: [each[name] for each in found if np.isfinite(each[name])] for name in found[0]}
    return {name: float(np.percentile(numbers, _SPREAD_PERCENT)) for name, numbers in told.items() if numbers}


def _distances(seen: _Seen, sample: WindowSample, part: int) -> Mapping[str, float]:
    """Of one part from all others."""
    inside = seen.parts == part
    here, rest = np.flatnonzero(inside), np.flatnonzero(~inside)
    others = np.arange(len(seen.mapped)) != part
    bands = band_distances(band_quantiles(sample.part(rest)), band_quantiles(sample.part(here)))
    confusion = seen.confusion[others].sum(axis=0)
    features = statistics_of(np.concatenate([seen.features[number] for number in rest]))
    pixels = np.concatenate([seen.features[number] for number in here])
    far = distances_of(features, torch.from_numpy(pixels.T[None, :, :, None])) > features.distances[_FAR_PERCENT]
    return {
        "bands": float(bands[np.isfinite(bands)].mean()) if np.isfinite(bands).any() else np.nan,
        "layers": moment_distance(seen.moments.moments(others), seen.moments.moments(~others)),
        "prior": jensen_shannon(corrected_prior(seen.mapped[part], confusion), confusion.sum(axis=1)),
        "features": float(far.numpy().mean()) if len(pixels) else np.nan,
    }
