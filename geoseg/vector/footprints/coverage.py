"""Which share of each pixel lies inside rings, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled


@compiled
def coverage(points: NDArray[np.float64], rings: NDArray[np.int64], height: int, width: int) -> NDArray[np.float64]:
    """The signed area of rings in every pixel.

    Args:
        points: (points, 2) columns and rows; pixel (row, column) reaches from its numbers to one more. The last point
            of a ring need not be its first.
        rings: (rings + 1,): ring `i` has the points from `rings[i]` to before `rings[i + 1]`.
        height: rows of the result.
        width: columns of the result.

    Returns:
        (height, width), px²: positive inside rings that run clockwise as seen with rows downwards, negative inside
        others; so a hole that runs the other way than its shell is taken out.
    """
    sums = np.zeros((height, width + 2))
    for ring in range(len(rings) - 1):
        previous = rings[ring + 1] - 1
        for point in range(rings[ring], rings[ring + 1]):
            _add_side(sums, points[previous, 0], points[previous, 1], points[point, 0], points[point, 1])
            previous = point
    return _summed(sums, width)


@compiled
def _summed(sums: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Sums along each row from the left."""
    covered = np.empty((len(sums), width))
    for row in range(len(sums)):
        total = 0.0
        for col in range(width):
            total += sums[row, col]
            covered[row, col] = total
    return covered


@compiled
def _add_side(sums: NDArray[np.float64], x0: float, y0: float, x1: float, y1: float) -> None:
    """What a side adds to the area right of it, as differences along the rows; a side upwards adds."""
    if y0 == y1:
        return
    sign = 1.0
    if y0 < y1:
        sign, x0, y0, x1, y1 = -1.0, x1, y1, x0, y0
    slope = (x0 - x1) / (y0 - y1)
    low, high = max(y1, 0.0), min(y0, float(len(sums)))
    for row in range(int(np.floor(low)), int(np.ceil(high))):
        top, bottom = max(low, float(row)), min(high, row + 1.0)
        _add_in_row(sums[row], x1 + (top - y1) * slope, x1 + (bottom - y1) * slope, sign * (bottom - top))


@compiled
def _add_in_row(sums: NDArray[np.float64], x0: float, x1: float, area: float) -> None:
    """The part of a side in one row of pixels: `area` per pixel right of it."""
    last = len(sums) - 2.0
    left, right = min(max(min(x0, x1), 0.0), last), min(max(x0, x1, 0.0), last)
    first, end = int(np.floor(left)), int(np.ceil(right))
    if end <= first + 1:
        _add_in_pixel(sums, first, (left + right) / 2 - first, area)
        return
    for col in range(first, end):
        begin, finish = max(left, float(col)), min(right, col + 1.0)
        _add_in_pixel(sums, col, (begin + finish) / 2 - col, area * (finish - begin) / (right - left))


@compiled
def _add_in_pixel(sums: NDArray[np.float64], col: int, middle: float, area: float) -> None:
    """The part of a side in one pixel."""
    sums[col] += area * (1.0 - middle)
    sums[col + 1] += area * middle


@compiled
def soft_overlap(covered: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """IoU of two rasters of area fractions: sum of the smaller over the sum of the greater; 1 where both are empty."""
    smaller, greater = 0.0, 0.0
    for row in range(covered.shape[0]):
        for col in range(covered.shape[1]):
            smaller += min(covered[row, col], target[row, col])
            greater += max(covered[row, col], target[row, col])
    return smaller / greater if greater > 0.0 else 1.0
