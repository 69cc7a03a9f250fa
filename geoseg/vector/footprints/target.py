"""What an outline is fitted to: the probabilities near the raw outline, the raw polygon elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled

REACH = 3
"""How far from the raw outline probabilities count, px."""

_HALF = 1e-3
"""How much more or less than one half a pixel is at least, so that the raw polygon stays where it is."""


@compiled
def soft_target(inside: NDArray[np.bool_], probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area fractions of one building alone.

    They are more than one half in its raw polygon and less outside of it. Near its outline they are its probability,
    but 0 in what is nearer to another building (pixels outside with a probability of one half and more); further away
    they are 1 and 0.

    Args:
        inside: (height, width), True in the raw polygon; its outermost pixels are False.
        probability: (height, width), of the building's class.
    """
    height, width = inside.shape
    target = np.empty((height, width))
    for row in range(height):
        for col in range(width):
            target[row, col] = _fraction(inside, probability, row, col)
    return target


@compiled
def _fraction(inside: NDArray[np.bool_], probability: NDArray[np.float64], row: int, col: int) -> float:
    if inside[row, col]:
        near = _squared_distance(inside, probability, row, col, 0) <= REACH * REACH
        return float(max(probability[row, col], 0.5 + _HALF)) if near else 1.0
    to_own = _squared_distance(inside, probability, row, col, 1)
    if to_own > REACH * REACH or _squared_distance(inside, probability, row, col, 2) <= to_own:
        return 0.0
    return float(min(probability[row, col], 0.5 - _HALF))


@compiled
def _squared_distance(
    inside: NDArray[np.bool_], probability: NDArray[np.float64], row: int, col: int, what: int
) -> int:
    """Squared distance to the nearest pixel that is 0 outside, 1 inside, 2 of another building; large where none."""
    nearest = 1 << 30
    for y in range(max(row - REACH, 0), min(row + REACH + 1, inside.shape[0])):
        for x in range(max(col - REACH, 0), min(col + REACH + 1, inside.shape[1])):
            if _is(inside[y, x], probability[y, x], what):
                nearest = min(nearest, (y - row) * (y - row) + (x - col) * (x - col))
    return nearest


@compiled
def _is(inside: bool, probability: float, what: int) -> bool:  # noqa: FBT001 - a pixel's value
    if what == 1:
        return inside
    return not inside and (what == 0 or probability >= 0.5)  # noqa: PLR2004 - one half


@compiled
def blurred(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Values (height, width) under a Gaussian of standard deviation `sigma`, px; outside they are 0."""
    if sigma < 0.05:  # noqa: PLR2004 - far below a pixel
        return values
    reach = int(np.ceil(3 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    return _along_rows(_along_rows(values, weights).T, weights).T


@compiled
def _along_rows(values: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = values.shape
    reach = len(weights) // 2
    result = np.zeros((height, width))
    for row in range(height):
        for step in range(-reach, reach + 1):
            weight = weights[step + reach]
            for col in range(max(0, -step), min(width, width - step)):
                result[row, col] += weight * values[row, col + step]
    return result
