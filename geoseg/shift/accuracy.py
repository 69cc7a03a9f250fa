"""What accuracy to expect where there are no labels, from what the probabilities of a map promise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.models.reference import AccuracyFit, Numbers
from geoseg.raster.normalize import Normalizer
from geoseg.shift.consistency import FULL_SHARE, mean_iou
from geoseg.shift.corruptions import CORRUPTIONS, corrupted
from geoseg.shift.forward import Forward
from geoseg.shift.predictors import PREDICTORS, Promise, sight
from geoseg.shift.windows import WindowSample
from geoseg.shift.witness import Witness, witnesses_of

SLOPE = 1.36
"""Of the logit of the IoU over that of the promised IoU; fitted to the pairs of the benchmark of shift."""

ERROR = 0.15
"""Half the width that held the IoU in nine of ten pairs of the benchmark whose features are known ground."""

_ERROR_FAR = 0.15
_MOST_WINDOWS = 16
_LEAST = 0.02
_OWN_SHARE = 0.25
_OWN_SLOPES = (0.8, 2.0)

_FITTED = tuple(corruption for number, corruption in enumerate(CORRUPTIONS) if number % 6 == 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAccuracy:
    """What IoU to expect of a map, all 0 to 1."""

    mean_iou: float
    """The middle, over the classes of the map; classes of almost no pixels count little."""

    low: float
    """Lower end of the interval that is to hold it in nine cases of ten."""

    high: float
    """Its upper end."""

    half_width: float = 0.0
    """Of the interval, before it is cut at 0 and 1; the same holds for a mean over some of the classes."""

    iou: tuple[float, ...] = ()
    """Of each class, in the legend's order; it says nothing of a class that the map does not have."""


def expected_accuracy(fit: AccuracyFit, promise: Promise, *, far: float | None = None) -> ExpectedAccuracy:
    """The IoU to expect where probabilities promise this.

    The logit of the IoU of a class is a line in the logit of the promised one, through what was found on the clean
    reference ground. Where features are far from those of that ground, the interval is wider.

    Args:
        fit: of the model.
        promise: of windows of the ground at hand.
        far: share of their pixels whose features are far from the reference ground, 0 to 1; None = not known.
    """
    slope, constant = _line(fit)
    iou = 1 / (1 + np.exp(-(slope * _logit(np.array(promise.iou)) + constant)))
    weights = np.minimum(1.0, np.array(promise.shares) / FULL_SHARE)
    middle = float(weights @ iou / weights.sum()) if weights.any() else 0.0
    error = max(fit.error, ERROR) + _ERROR_FAR * (far or 0.0)
    low, high = max(middle - error, 0.0), min(middle + error, 1.0)
    return ExpectedAccuracy(mean_iou=middle, low=low, high=high, half_width=error, iou=tuple(iou.tolist()))


def fit_accuracy(
    forward: Forward,
    normalizer: Normalizer,
    sample: WindowSample,
    labels: NDArray[np.uint8],
    members: NDArray[np.bool_],
) -> AccuracyFit:
    """Learn what accuracy goes with what probabilities promise, on ground with labels and on corruptions of it.

    All windows are looked at as they are, at most 16 in seven corruptions that leave some of the accuracy. These fall
    harder than real ground does for the same promise, so their slope has a quarter of the say, and none in the error.
    A window takes 7 passes for itself and each corruption.

    Args:
        forward: the network and the way it is run.
        normalizer: of the model.
        sample: reference windows, at least one.
        labels: (n, side, side), label code, 255 = unknown.
        members: (codes, classes), True where a class is one of a code's.
    """
    model = Witness(forward=forward, normalizer=normalizer)
    rows = []
    for state, known in _states(sample, labels):
        found, maps = sight(model, state, witnesses_of(model, state))
        rows.append([found.promise().mean_iou, true_iou(maps.numpy(), known, state.valid, members)])
    points = np.array(rows)
    return AccuracyFit(names=PREDICTORS, weights=_weights(points), error=ERROR, points=points)


def true_iou(
    maps: NDArray[np.uint8], labels: NDArray[np.uint8], valid: NDArray[np.bool_], members: NDArray[np.bool_]
) -> float:
    """Mean IoU of maps over the classes that labels of one class hold; classes of almost no pixels count little.

    A pixel whose label leaves several classes open is left out where the map has one of them, and counts against the
    class of the map otherwise.

    Args:
        maps: (n, side, side), class index.
        labels: (n, side, side), label code, 255 = unknown.
        valid: (n, side, side), True = usable.
        members: (codes, classes), True where a class is one of a code's.
    """
    classes = members.shape[1]
    known = valid & (labels < len(members))
    cells = labels[known].astype(np.int64) * classes + maps[known]
    counts = np.bincount(cells, minlength=members.size).reshape(members.shape).astype(np.float64)
    single = members.sum(axis=1) == 1
    truth = members[single].argmax(axis=1)
    held = np.zeros(classes)
    np.add.at(held, truth, counts[single].sum(axis=1))
    wrong = np.where(members, 0.0, counts).sum(axis=0)
    hits = np.where(members, counts, 0.0)[single].sum(axis=0)
    return mean_iou(hits, held + wrong, held)


def _states(sample: WindowSample, labels: NDArray[np.uint8]) -> Iterator[tuple[WindowSample, NDArray[np.uint8]]]:
    yield sample, labels
    chosen = np.unique(np.linspace(0, len(sample) - 1, min(len(sample), _MOST_WINDOWS)).round().astype(np.intp))
    for corruption in _FITTED:
        yield corrupted(sample.part(chosen), corruption), labels[chosen]


def _weights(points: Numbers) -> Numbers:
    """Slope and constant of a line through the first point: the usual slope, drawn to that of the other points."""
    falls = _logit(points) - _logit(points[0])
    steepness = float((falls[:, 0] ** 2).sum())
    own = float(falls[:, 0] @ falls[:, 1]) / steepness if steepness > 0 else SLOPE
    return _through(points[0], (1 - _OWN_SHARE) * SLOPE + _OWN_SHARE * float(np.clip(own, *_OWN_SLOPES)))


def _through(point: Numbers, slope: float) -> Numbers:
    promised, found = _logit(point)
    return np.array([slope, found - slope * promised])


def _line(fit: AccuracyFit) -> Numbers:
    """Slope and constant; a fit by other predictors has its clean ground as the first point, and the usual slope."""
    if fit.names == PREDICTORS:
        return fit.weights
    if not set(PREDICTORS) <= set(fit.names):
        return np.array([1.0, 0.0])
    column = fit.names.index(PREDICTORS[0])
    return _through(fit.points[0, [column, -1]], SLOPE)


def _logit(shares: Numbers) -> Numbers:
    inside = np.clip(shares, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside / (1 - inside)))
