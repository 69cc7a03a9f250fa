"""How much of some ground each class covers, corrected by what is known of a model's errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from geoseg.models.reference import Numbers

_MOST_PIXELS = 50_000
_MOST_ROUNDS = 200
_SETTLED = 1e-6
_LEAST = 1e-6


def corrected_prior(shares: Numbers, confusion: Numbers) -> Numbers:
    """The prior that explains the shares of the predicted classes by the known errors of a model.

    Lipton, Wang, Smola (2018): Detecting and correcting for label shift with black box predictors. Least squares over
    shares that are not negative, in place of the inverse. It needs no calibration: where confidences are twice too
    sure or unsure it errs a tenth of what `likeliest_prior` does, and about as little where they are right.

    Args:
        shares: (classes,), of the predicted classes.
        confusion: (classes, classes), pixels of the reference by true class (row) and predicted class (column); a class
            without pixels is taken as predicted.

    Returns:
        (classes,), sums to 1.
    """
    classes = len(confusion)
    known = confusion.sum(axis=1, keepdims=True)
    errors = np.where(known > 0, confusion / np.maximum(known, _LEAST), np.eye(classes))
    sum_to_1 = np.full((1, classes), float(classes))
    found, _ = optimize.nnls(np.concatenate([errors.T, sum_to_1]), np.append(_normalised(shares), float(classes)))
    return _normalised(found)


def likeliest_prior(probabilities: NDArray[np.floating], prior: Numbers) -> Numbers:
    """The prior that makes the pixels most likely, by expectation and maximisation.

    Saerens, Latinne, Decaestecker (2002): Adjusting the outputs of a classifier to new a priori probabilities.

    Args:
        probabilities: (pixels, classes), calibrated for ground with `prior`.
        prior: (classes,).

    Returns:
        (classes,), sums to 1.
    """
    pixels = np.asarray(probabilities[_evenly(len(probabilities))], dtype=np.float64)
    start = _normalised(np.maximum(prior, _LEAST))
    found = start
    for _ in range(_MOST_ROUNDS):
        weighted = pixels * (found / start)
        after = (weighted / np.maximum(weighted.sum(axis=1, keepdims=True), _LEAST**2)).mean(axis=0)
        settled = float(np.abs(after - found).sum()) < _SETTLED
        found = after
        if settled:
            break
    return _normalised(found)


def jensen_shannon(first: Numbers, second: Numbers) -> float:
    """Jensen-Shannon divergence of two distributions (classes,), bits: 0 for the same, 1 where they share nothing."""
    one, other = _normalised(first), _normalised(second)
    middle = (one + other) / 2
    return float(min(max((_divergence(one, middle) + _divergence(other, middle)) / 2, 0.0), 1.0))


def _divergence(one: Numbers, other: Numbers) -> float:
    there = one > 0
    return float((one[there] * np.log2(one[there] / other[there])).sum())


def _normalised(numbers: Numbers) -> Numbers:
    total = float(np.sum(numbers))
    shares = np.asarray(numbers, dtype=np.float64)
    return shares / total if total > 0 else np.full(len(shares), 1 / len(shares))


def _evenly(count: int) -> NDArray[np.intp]:
    """At most 50 000 numbers below `count`, in equal steps."""
    most = min(count, _MOST_PIXELS)
    return np.asarray((np.arange(most) + 0.5) * count / max(most, 1), dtype=np.intp)
