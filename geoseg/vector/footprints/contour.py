"""The line where area fractions are one half, to a fraction of a pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled

_SHARPEST = 0.6
"""The greatest slope of area fractions, 1/px, at which their blur can be told."""


@compiled
def trace_contour(
    target: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Trace the rings around pixels of more than one half.

    A ring has a point for each side of a pixel between more and less than one half: where the line between the two
    pixel centres has one half. Pixels that touch at a corner are one.

    Args:
        target: (height, width); less than one half in the outermost pixels.

    Returns:
        Points (points, 2), columns and rows, and rings (rings + 1,), as `coverage` takes them: shells clockwise as
        seen with rows downwards, holes the other way.
    """
    inside = target > 0.5  # noqa: PLR2004 - one half
    seen = np.zeros(inside.shape, dtype=np.bool_)
    sides = _sides(inside)
    points = np.empty((sides, 2))
    rings = np.zeros(sides + 1, dtype=np.int64)
    count, found = 0, 0
    for row in range(1, inside.shape[0]):
        for col in range(inside.shape[1]):
            if inside[row, col] and not inside[row - 1, col] and not seen[row, col]:
                count = _walk(target, inside, seen, points, (count, row, col))
                found += 1
                rings[found] = count
    return points, rings[: found + 1]


@compiled
def _sides(inside: NDArray[np.bool_]) -> int:
    """Sides of pixels between inside and outside."""
    return int(np.sum(inside[1:] != inside[:-1]) + np.sum(inside[:, 1:] != inside[:, :-1]))


@compiled
def _walk(
    target: NDArray[np.float64],
    inside: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    points: NDArray[np.float64],
    start: tuple[int, int, int],
) -> int:
    """Walk one ring eastwards from the upper side of a pixel, inside to the right; where its points end."""
    count, row, col = start
    down, right = 0, 1  # the heading
    while True:
        upper, left = row - right, col + down  # the pixel to the left of the way
        _cross(target, (row, col, upper, left), points[count])
        count += 1
        if right == 1:
            seen[row, col] = True
        if inside[upper + down, left + right]:
            row, col = upper + down, left + right
            down, right = -right, down
        elif inside[row + down, col + right]:
            row, col = row + down, col + right
        else:
            down, right = right, -down
        if right == 1 and row == start[1] and col == start[2]:
            return count


@compiled
def _cross(target: NDArray[np.float64], pixels: tuple[int, int, int, int], point: NDArray[np.float64]) -> None:
    """Where the line from the centre of the pixel inside to that outside has one half."""
    row, col, other_row, other_col = pixels
    own, other = target[row, col], target[other_row, other_col]
    share = (own - 0.5) / (own - other)
    point[0] = col + 0.5 + share * (other_col - col)
    point[1] = row + 0.5 + share * (other_row - row)


@compiled
def blur_of(target: NDArray[np.float64]) -> float:
    """How blurred area fractions are at their outline: the standard deviation of a Gaussian, px.

    It is what the mean slope across the outline tells, less what the pixels themselves blur; at most 3.
    """
    inside = target > 0.5  # noqa: PLR2004 - one half
    total, count = 0.0, 0
    for row in range(1, inside.shape[0] - 1):
        for col in range(1, inside.shape[1] - 1):
            if inside[row, col] and not (
                inside[row - 1, col] and inside[row + 1, col] and inside[row, col - 1] and inside[row, col + 1]
            ):
                across = target[row, col + 1] - target[row, col - 1]
                down = target[row + 1, col] - target[row - 1, col]
                total += np.sqrt(across * across + down * down) / 2
                count += 1
    slope = min(max(total / max(count, 1), 0.1), _SHARPEST)
    return float(np.sqrt(max(0.0, (0.399 / slope) ** 2 - 0.5)))


@compiled
def farthest(points: NDArray[np.float64], ring: NDArray[np.float64]) -> float:
    """How far the farthest of some points is from a ring (points, 2), whose last point need not be its first, px."""
    most = 0.0
    for x, y in points:
        nearest = np.inf
        before = len(ring) - 1
        for corner in range(len(ring)):
            nearest = min(nearest, _squared_distance(x, y, ring[before], ring[corner]))
            before = corner
        most = max(most, nearest)
    return float(np.sqrt(most))


@compiled
def _squared_distance(x: float, y: float, begin: NDArray[np.float64], end: NDArray[np.float64]) -> float:
    """From a point to a straight line between two others."""
    along, down = end[0] - begin[0], end[1] - begin[1]
    length = along * along + down * down
    part = ((x - begin[0]) * along + (y - begin[1]) * down) / length if length > 0 else 0.0
    part = min(max(part, 0.0), 1.0)
    return float((x - begin[0] - part * along) ** 2 + (y - begin[1] - part * down) ** 2)
