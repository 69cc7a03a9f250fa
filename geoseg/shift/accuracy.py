"""What accuracy to expect where there are no labels, learnt on reference ground that is made worse on purpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from geoseg.models.reference import AccuracyFit, FeatureStatistics, Numbers
from geoseg.raster.normalize import Normalizer
from geoseg.shift.consistency import mean_iou
from geoseg.shift.corruptions import CORRUPTIONS, corrupted
from geoseg.shift.forward import Forward
from geoseg.shift.predictors import PREDICTORS, sight
from geoseg.shift.windows import WindowSample

_MOST_WINDOWS = 16
_RIDGE = 0.1
_LEAST = 0.01
_ERROR_PERCENT = 90
_SLACK = 2.0
_REGRESSED = 2

_CLEAN = "clean"
_FITTED = tuple(
    corruption
    for number, corruption in enumerate(CORRUPTIONS)
    if number % 3 == 1 or (number % 3 == 0 and "+" in corruption.family)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAccuracy:
    """What mean IoU to expect of a map, all 0 to 1."""

    mean_iou: float
    """The middle."""

    low: float
    """Lower end of the interval that held 90 % of the corruptions left out."""

    high: float
    """Its upper end."""


def predictors_of(
    forward: Forward, images: Tensor, valid: Tensor, *, features: FeatureStatistics | None = None
) -> dict[str, float]:
    """What windows without labels tell about the accuracy of their map.

    Args:
        forward: the network and the way it is run.
        images: (n, bands, side, side) normalised, n at least 1.
        valid: (n, side, side) bool, True = usable.
        features: of the reference ground, as when the accuracy was fitted.

    Returns:
        By name, each 0 to 1: the higher, the better.
    """
    return sight(forward, images, valid, features=features)[0].predictors()


def expected_accuracy(fit: AccuracyFit, predictors: Mapping[str, float]) -> ExpectedAccuracy:
    """The mean IoU to expect where the predictors are these.

    A regression, from the clean reference ground downwards, but for each predictor no more than the best accuracy of
    the corruptions that were at least half as far from its best value. So each of them alone can lower it.

    Args:
        fit: of the model.
        predictors: by name, all that the fit knows.
    """
    row = np.array([[predictors[name] for name in fit.names]])
    middle = float(_estimates(fit.weights, fit.points, row)[0])
    return ExpectedAccuracy(mean_iou=middle, low=max(middle - fit.error, 0.0), high=min(middle + fit.error, 1.0))


def fit_accuracy(
    forward: Forward,
    normalizer: Normalizer,
    sample: WindowSample,
    labels: NDArray[np.uint8],
    members: NDArray[np.bool_],
    *,
    features: FeatureStatistics | None = None,
) -> AccuracyFit:
    """Learn what accuracy goes with which predictors, on corruptions of ground with labels.

    At most 16 windows are looked at, clean and in 16 corruptions that leave some of the accuracy: those that destroy
    all of it say little of real ground. That takes 68 passes of each window.

    Args:
        forward: the network and the way it is run.
        normalizer: of the model.
        sample: reference windows, at least one.
        labels: (n, side, side), label code, 255 = unknown.
        members: (codes, classes), True where a class is one of a code's.
        features: of the reference ground, for the predictor `near`; without it that tells nothing.
    """
    chosen = np.unique(np.linspace(0, len(sample) - 1, min(len(sample), _MOST_WINDOWS)).round().astype(np.intp))
    sample, labels = sample.part(chosen), labels[chosen]
    families, rows = [], []
    for family, state in _states(sample):
        valid = torch.from_numpy(state.valid)
        found, maps = sight(forward, state.tensor(normalizer), valid, features=features)
        families.append(family)
        predictors = found.predictors()
        rows.append([*(predictors[name] for name in PREDICTORS), true_iou(maps.numpy(), labels, state.valid, members)])
    points = np.array(rows)
    return AccuracyFit(names=PREDICTORS, weights=_regression(points), error=_error(points, families), points=points)


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


def _states(sample: WindowSample) -> Iterator[tuple[str, WindowSample]]:
    yield _CLEAN, sample
    for corruption in _FITTED:
        yield corruption.family, corrupted(sample, corruption)


def _regression(points: Numbers) -> Numbers:
    """Weights of the predictors' logits, at least 0, then a constant: the logit of the mean IoU.

    Ridge regression through the first point, the clean ground, drawn towards equal weights which sum to 1, as few
    points should not say much. `near` has no weight: it falls on good ground too, and is for the envelope alone.
    """
    logits = _logit(points)
    falls, fall = np.split((logits - logits[0])[:, [*range(_REGRESSED), -1]], [-1], axis=1)
    pull = np.sqrt(_RIDGE * len(points)) * np.eye(_REGRESSED)
    weights, _ = nnls(np.concatenate([falls, pull]), np.concatenate([fall[:, 0], pull.sum(axis=1) / _REGRESSED]))
    weights = np.concatenate([weights, np.zeros(len(PREDICTORS) - _REGRESSED)])
    return np.append(weights, logits[0, -1] - float(weights @ logits[0, :-1]))


def _estimates(weights: Numbers, points: Numbers, rows: Numbers) -> Numbers:
    """Estimates (n,) for predictors (n, predictors): the regression, no higher than the envelope of any of them."""
    regression = 1 / (1 + np.exp(-(_logit(rows) @ weights[:-1] + weights[-1])))
    envelopes = [_envelope(points[:, column], points[:, -1], rows[:, column]) for column in range(rows.shape[1])]
    return np.asarray(np.minimum.reduce([regression, *envelopes]))


def _envelope(known: Numbers, accuracy: Numbers, asked: Numbers) -> Numbers:
    """The best accuracy of the points that fall short of 1 by at least half as much, or of the farthest point."""
    short = 1 - known
    least = np.minimum((1 - asked) / _SLACK, short.max())
    return np.array([accuracy[short >= limit].max() for limit in least])


def _error(points: Numbers, families: list[str]) -> float:
    """90th percentile of how far off the estimates of a family of corruptions are that was left out."""
    residuals = []
    for family in sorted(set(families) - {_CLEAN}):
        out = np.array([one == family for one in families])
        kept = points[~out]
        found = _estimates(_regression(kept), kept, points[out, :-1])
        residuals.append(np.abs(found - points[out, -1]))
    return float(np.percentile(np.concatenate(residuals), _ERROR_PERCENT))


def _logit(shares: Numbers) -> Numbers:
    inside = np.clip(shares, _LEAST, 1 - _LEAST)
    return np.asarray(np.log(inside / (1 - inside)))
