"""Makes confidences mean what they say: a calibration of the logits, from held-out pixels.

A label may leave several classes open. It is then a code, and `members` tells the classes of each code; the likelihood
of the pixel is the sum over them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from geoseg.models.calibration import Calibration

_LOG_RANGE = (-2.0, 2.0)
_FARTHEST_BIAS = 10.0
_RIDGE = 1e-4  # holds what the pixels leave open, such as the same bias for all classes
_MARGIN = 0.01
_RUNS = 20

Logits = NDArray[np.floating]
Labels = NDArray[np.integer]
Members = NDArray[np.bool_]


def fit_temperature(logits: Logits, labels: Labels, members: Members | None = None) -> float:
    """The temperature that makes held-out labels most likely (Guo et al. 2017).

    Args:
        logits: (pixels, classes).
        labels: (pixels,), class index, or code where there are members.
        members: (codes, classes), True where a class is one of a code's; None = labels are class indices.

    Returns:
        Between exp(-2) and exp(2); 1 where there are no pixels.
    """
    if len(labels) == 0:
        return 1.0
    values = np.asarray(logits, dtype=np.float64)
    lifts = _lifts(labels, members, values.shape[1])

    def surprise(log_temperature: float) -> float:
        return float(np.mean(_surprise(values * np.exp(-log_temperature), lifts)))

    found = optimize.minimize_scalar(surprise, bounds=_LOG_RANGE, method="bounded")
    return float(np.exp(found.x))


def fit_vector_scaling(logits: Logits, labels: Labels, members: Members | None = None) -> Calibration:
    """A scale and a bias for each class that make held-out labels more likely than the temperature alone does.

    Vector scaling (Guo et al. 2017) by L-BFGS (Byrd et al. 1995), from the best temperature on. A class that no
    label names keeps its scale of 1 and its bias of 0, for nothing is known of it.

    Args:
        logits: (pixels, classes).
        labels: (pixels,), class index, or code where there are members.
        members: (codes, classes), True where a class is one of a code's; None = labels are class indices.
    """
    if len(labels) == 0:
        return Calibration()
    temperature = fit_temperature(logits, labels, members)
    values = np.asarray(logits, dtype=np.float64)
    classes = values.shape[1]
    lifts = _lifts(labels, members, classes)
    named = np.asarray(np.isfinite(lifts).any(axis=0))

    def penalised(numbers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        stretched = values * np.exp(numbers[:classes])
        seen = (stretched + numbers[classes:]) / temperature
        pull = (special.softmax(seen, axis=1) - special.softmax(seen + lifts, axis=1)) / (temperature * len(labels))
        slope = np.concatenate([(pull * stretched).sum(axis=0), pull.sum(axis=0)])
        return float(np.mean(_surprise(seen, lifts)) + _RIDGE * (numbers @ numbers)), slope + 2 * _RIDGE * numbers

    bounds = [
        (-limit, limit) if free else (0.0, 0.0) for limit in (_LOG_RANGE[1], _FARTHEST_BIAS) for free in named.tolist()
    ]
    found = optimize.minimize(penalised, np.zeros(2 * classes), jac=True, method="L-BFGS-B", bounds=bounds)
    return Calibration(
        temperature=temperature,
        scale=tuple(np.exp(found.x[:classes]).tolist()),
        bias=tuple(found.x[classes:].tolist()),
    )


def fit_calibration(logits: Logits, labels: Labels, members: Members | None = None) -> Calibration:
    """Vector scaling where it clearly helps pixels that it was not fitted to, else the temperature alone.

    The pixels are cut into 20 runs, as neighbours are alike, and every other run is held back; then the other way
    round. Both times vector scaling must make the held-back labels less surprising than the temperature by 1 %.

    Args:
        logits: (pixels, classes), neighbours next to each other.
        labels: (pixels,), class index, or code where there are members.
        members: (codes, classes), True where a class is one of a code's; None = labels are class indices.
    """
    halves = _halves(len(labels))
    if len(labels) >= _RUNS and all(
        _surprise_held_back(logits, labels, members, fitted, vector=True)
        < (1 - _MARGIN) * _surprise_held_back(logits, labels, members, fitted, vector=False)
        for fitted in halves
    ):
        return fit_vector_scaling(logits, labels, members)
    return Calibration(temperature=fit_temperature(logits, labels, members))


def mean_surprise(logits: Logits, labels: Labels, calibration: Calibration, members: Members | None = None) -> float:
    """Mean negative log likelihood of labels, nat; NaN where there are no pixels.

    Args:
        logits: (pixels, classes), as the network gives them.
        labels: (pixels,), class index, or code where there are members.
        calibration: applied to the logits.
        members: (codes, classes), True where a class is one of a code's; None = labels are class indices.
    """
    values = calibrated_logits(logits, calibration)
    surprise = _surprise(values, _lifts(labels, members, values.shape[1]))
    return float(surprise.mean()) if len(surprise) else float("nan")


def calibrated_logits(logits: Logits, calibration: Calibration) -> NDArray[np.float64]:
    """Logits (pixels, classes) as the softmax is to see them."""
    filled = calibration.filled(logits.shape[1])
    stretched = np.asarray(logits, dtype=np.float64) * np.array(filled.scale) + np.array(filled.bias)
    return np.asarray(stretched / filled.temperature)


def expected_calibration_error(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, bins: int = 15
) -> float:
    """How far confidence is from accuracy on average (Naeini et al. 2015).

    Args:
        confidence: (pixels,), probability of the chosen class, 0 to 1.
        correct: (pixels,), True where the chosen class is that of the label.
        bins: ranges of confidence of equal width, each without its lower end.

    Returns:
        Mean over the pixels of |accuracy - mean confidence| of their bin, 0 to 1; NaN where there are no pixels.
    """
    if len(confidence) == 0:
        return float("nan")
    place = np.clip(np.ceil(np.asarray(confidence, dtype=np.float64) * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(place, weights=confidence, minlength=bins) - np.bincount(place, weights=correct, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _lifts(labels: Labels, members: Members | None, classes: int) -> NDArray[np.float64]:
    """(pixels, classes): 0 for the classes that a label leaves open, minus infinity for the others."""
    table = np.eye(classes, dtype=np.bool_) if members is None else members
    return np.where(table, 0.0, -np.inf)[labels]


def _surprise(logits: NDArray[np.float64], lifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Negative log likelihood of each label."""
    return np.asarray(special.logsumexp(logits, axis=1) - special.logsumexp(logits + lifts, axis=1))


def _halves(pixels: int) -> Iterator[NDArray[np.bool_]]:
    """True for every other run of pixels, then for the rest."""
    even = np.arange(pixels) * _RUNS // max(pixels, 1) % 2 == 0
    yield even
    yield ~even


def _surprise_held_back(
    logits: Logits, labels: Labels, members: Members | None, fitted: NDArray[np.bool_], *, vector: bool
) -> float:
    chosen = logits[fitted], labels[fitted], members
    calibration = fit_vector_scaling(*chosen) if vector else Calibration(temperature=fit_temperature(*chosen))
    return mean_surprise(logits[~fitted], labels[~fitted], calibration, members)


def thin_out(
    windows: Iterable[tuple[NDArray[np.floating], NDArray[np.integer]]], *, ignored: int, every: int = 37
) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    """One known pixel in `every`, of all windows.

    Args:
        windows: logits (classes, height, width) with labels (height, width).
        ignored: the label of unknown pixels.
        every: pixels are neighbours, so most of them add nothing.

    Returns:
        Logits (pixels, classes) and labels (pixels,).
    """
    kept = [
        (logits.reshape(len(logits), -1).T[known], labels.ravel()[known])
        for logits, labels in windows
        for known in [np.flatnonzero(labels.ravel() != ignored)[::every]]
    ]
    if not kept:
        return np.zeros((0, 1)), np.zeros(0, dtype=np.int64)
    return np.concatenate([pixels for pixels, _ in kept]), np.concatenate([labels for _, labels in kept])
