"""Makes confidences mean what they say: one temperature for all logits, from held-out pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

_LOG_RANGE = (-2.0, 2.0)


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature that makes held-out labels most likely (Guo et al. 2017).

    Args:
        logits: (pixels, classes).
        labels: (pixels,), class index.

    Returns:
        Between exp(-2) and exp(2); 1 where there are no pixels.
    """
    if len(labels) == 0:
        return 1.0
    values = np.asarray(logits, dtype=np.float64)
    at_label = values[np.arange(len(labels)), labels]

    def surprise(log_temperature: float) -> float:
        scale = np.exp(-log_temperature)
        return float(np.mean(special.logsumexp(values * scale, axis=1) - at_label * scale))

    found = optimize.minimize_scalar(surprise, bounds=_LOG_RANGE, method="bounded")
    return float(np.exp(found.x))


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
