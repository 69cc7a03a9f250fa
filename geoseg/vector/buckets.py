"""Points sorted by where they are: finds those that a shortened boundary would pass over. Knows whole numbers only.

A chord is the straight line that takes the place of a chain, the points of one arc from one to a later one. What lies
between both is swept when the chord replaces the chain. As long as no other point of any arc is swept, no two chords
can cross or touch, whichever chains are replaced: a line that crosses a chord would have to end in what was swept, or
to cross a straight line twice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled

_SIDE_BITS = 10
"""A bucket is a square of 2 to this power units, 4 pixels."""

_WIDE = 1 << (_SIDE_BITS + 3)
"""Boxes of more columns are looked through along the chord only, where the chord is not level."""


class Buckets(NamedTuple):
    """Points by square buckets, row by row."""

    starts: NDArray[np.int64]
    """(rows x columns + 1,): bucket `i` has the members from `starts[i]` to before `starts[i + 1]`."""

    members: NDArray[np.int32]
    """(points,): positions in the array of points, ascending in each bucket."""

    corner: NDArray[np.int64]
    """(2,): column and row of the first bucket."""

    shape: tuple[int, int]
    """Columns and rows of buckets."""


class Box(NamedTuple):
    """Columns and rows from the least to the greatest, both in it."""

    left: int
    top: int
    right: int
    bottom: int


@compiled
def sort_into_buckets(points: NDArray[np.int32]) -> Buckets:
    """Sort points by bucket.

    Args:
        points: (points, 2) column and row; at least one.
    """
    box = _box_of(points, 0, len(points) - 1)
    corner = np.array([box.left >> _SIDE_BITS, box.top >> _SIDE_BITS])
    columns, rows = (box.right >> _SIDE_BITS) - corner[0] + 1, (box.bottom >> _SIDE_BITS) - corner[1] + 1
    starts = np.zeros(columns * rows + 2, np.int64)
    for point in range(len(points)):
        starts[_bucket(points, point, corner, columns) + 2] += 1
    for bucket in range(len(starts) - 1):
        starts[bucket + 1] += starts[bucket]
    members = np.empty(len(points), np.int32)
    for point in range(len(points)):
        bucket = _bucket(points, point, corner, columns)
        members[starts[bucket + 1]] = point
        starts[bucket + 1] += 1
    return Buckets(starts[:-1], members, corner, (columns, rows))


@compiled
def _bucket(points: NDArray[np.int32], point: int, corner: NDArray[np.int64], columns: int) -> int:
    column, row = (points[point, 0] >> _SIDE_BITS) - corner[0], (points[point, 1] >> _SIDE_BITS) - corner[1]
    return int(row * columns + column)


@compiled
def _box_of(points: NDArray[np.int32], first: int, last: int) -> Box:
    left = right = int(points[first, 0])
    top = bottom = int(points[first, 1])
    for point in range(first + 1, last + 1):
        column, row = int(points[point, 0]), int(points[point, 1])
        left, right = min(left, column), max(right, column)
        top, bottom = min(top, row), max(bottom, row)
    return Box(left, top, right, bottom)


@compiled
def side(points: NDArray[np.int32], first: int, last: int, point: int) -> int:
    """Say on which side of a line a point lies, exactly.

    Args:
        points: (points, 2) column and row.
        first: where the line begins.
        last: where it ends.
        point: position of the point.

    Returns:
        Twice the area of the triangle: above 0 to the right of the line, rows downwards; 0 on it.
    """
    column, row = np.int64(points[first, 0]), np.int64(points[first, 1])
    along, down = points[last, 0] - column, points[last, 1] - row
    return int(along * (points[point, 1] - row) - down * (points[point, 0] - column))


@compiled
def distance(points: NDArray[np.int32], first: int, last: int, point: int) -> float:
    """Measure how far a point is from a straight line between two others, in the unit of the points.

    Args:
        points: (points, 2) column and row.
        first: the line begins here,
        last: and ends here.
        point: position of the point.
    """
    column, row = np.int64(points[first, 0]), np.int64(points[first, 1])
    along, down = points[last, 0] - column, points[last, 1] - row
    right, below = points[point, 0] - column, points[point, 1] - row
    ahead, length = along * right + down * below, along * along + down * down
    if ahead <= 0:
        return float(np.sqrt(right * right + below * below))
    if ahead >= length:
        return float(np.sqrt((right - along) ** 2 + (below - down) ** 2))
    return float(abs(along * below - down * right) / np.sqrt(length))


@compiled
def sweeps_over_points(points: NDArray[np.int32], buckets: Buckets, first: int, last: int, reach: float) -> bool:
    """Tell whether a point of another chain lies between a chain and its chord, or on the chord.

    What lies between is what the closed line of chain and chord goes round at least once, either way.

    Args:
        points: (points, 2) of all arcs, one arc after the other.
        buckets: the same points.
        first: the chain begins here,
        last: and ends here; both are ends of the chord. Points at the same places as these two do not count.
        reach: no point of the chain is farther from the chord, in units of the points.
    """
    box = _box_of(points, first, last)
    least, most = _sides_of(points, first, last)
    for row in range(_bucket_row(buckets, box.top), _bucket_row(buckets, box.bottom) + 1):
        begin, end = _near(points, buckets, (first, last, row), box, reach)
        for member in range(begin, end):
            point = buckets.members[member]
            if (point < first or point > last) and _is_in(points, point, box):
                beside = side(points, first, last, point)
                if least <= beside <= most and _is_swept(points, first, last, point):
                    return True
    return False


@compiled
def _sides_of(points: NDArray[np.int32], first: int, last: int) -> tuple[int, int]:
    """Give the least and greatest side of the points of a chain, those of its ends among them, which are 0."""
    least = most = 0
    for point in range(first + 1, last):
        beside = side(points, first, last, point)
        least, most = min(least, beside), max(most, beside)
    return least, most


@compiled
def _bucket_row(buckets: Buckets, row: int) -> int:
    return int((row >> _SIDE_BITS) - buckets.corner[1])


@compiled
def _near(
    points: NDArray[np.int32], buckets: Buckets, chord: tuple[int, int, int], box: Box, reach: float
) -> tuple[int, int]:
    """Give where the members begin and end that lie in a row of buckets, in a box and near a chord.

    Args:
        points: (points, 2) of all arcs.
        buckets: the same points.
        chord: positions of its ends, and the row of buckets.
        box: of all that is looked for.
        reach: how far from the chord.
    """
    first, last, row = chord
    left, right = box.left, box.right
    if right - left > _WIDE:
        left, right = _columns_near(points, first, last, row + buckets.corner[1], reach)
    begin = (max(left, box.left) >> _SIDE_BITS) - buckets.corner[0]
    end = (min(right, box.right) >> _SIDE_BITS) - buckets.corner[0]
    if begin > end:
        return 0, 0
    start = row * buckets.shape[0]
    return buckets.starts[start + begin], buckets.starts[start + end + 1]


@compiled
def _columns_near(points: NDArray[np.int32], first: int, last: int, row: int, reach: float) -> tuple[int, int]:
    """Find the units of columns in which a row of buckets comes near a chord."""
    upper, lower = (first, last) if points[first, 1] <= points[last, 1] else (last, first)
    x, y = float(points[upper, 0]), float(points[upper, 1])
    along, down = points[lower, 0] - x, points[lower, 1] - y
    top, bottom = (row << _SIDE_BITS) - reach - y, ((row + 1) << _SIDE_BITS) + reach - y
    begin, end = x, x + along
    if down > 0:
        begin = x + along * min(max(top / down, 0.0), 1.0)
        end = x + along * min(max(bottom / down, 0.0), 1.0)
    return int(np.floor(min(begin, end) - reach)) - 1, int(np.ceil(max(begin, end) + reach)) + 1


@compiled
def _is_in(points: NDArray[np.int32], point: int, box: Box) -> bool:
    column, row = points[point, 0], points[point, 1]
    return bool(box.left <= column <= box.right and box.top <= row <= box.bottom)


@compiled
def _is_at(points: NDArray[np.int32], one: int, other: int) -> bool:
    return bool(points[one, 0] == points[other, 0] and points[one, 1] == points[other, 1])


@compiled
def _is_swept(points: NDArray[np.int32], first: int, last: int, point: int) -> bool:
    """Count how often the chain and its chord go round a point; on the chord counts as once."""
    if _is_at(points, first, point) or _is_at(points, last, point):
        return False
    if side(points, first, last, point) == 0 and _is_beside(points, first, last, point):
        return True
    turns = _turn(points, last, first, point)
    for begin in range(first, last):
        turns += _turn(points, begin, begin + 1, point)
    return bool(turns != 0)


@compiled
def _is_beside(points: NDArray[np.int32], first: int, last: int, point: int) -> bool:
    """Tell whether a point on a line is between its ends."""
    for axis in range(2):
        least, most = min(points[first, axis], points[last, axis]), max(points[first, axis], points[last, axis])
        if points[point, axis] < least or points[point, axis] > most:
            return False
    return True


@compiled
def _turn(points: NDArray[np.int32], begin: int, end: int, point: int) -> int:
    """Tell which way a line crosses the ray from a point to the east: 1 to the south, -1 to the north, 0 not at all."""
    row = points[point, 1]
    if points[begin, 1] <= row:
        return 1 if points[end, 1] > row and side(points, begin, end, point) > 0 else 0
    return -1 if points[end, 1] <= row and side(points, begin, end, point) < 0 else 0


@compiled
def triangle_holds_points(points: NDArray[np.int32], buckets: Buckets, first: int, middle: int, last: int) -> bool:
    """Tell whether a point of another chain lies in a triangle of points of one arc, or on its rim.

    Args:
        points: (points, 2) of all arcs, one arc after the other.
        buckets: the same points.
        first: the chain begins at this corner,
        middle: passes this one,
        last: and ends here. Points at the same places as the first and the last do not count.
    """
    turn = side(points, first, last, middle)
    if turn == 0:
        return False
    box = _box_of_triangle(points, first, middle, last)
    corners = (first, middle, last) if turn < 0 else (last, middle, first)
    reach = distance(points, first, last, middle)
    for row in range(_bucket_row(buckets, box.top), _bucket_row(buckets, box.bottom) + 1):
        begin, end = _near(points, buckets, (first, last, row), box, reach)
        for member in range(begin, end):
            point = buckets.members[member]
            own = first <= point <= last
            if not own and _is_in(points, point, box) and _is_in_triangle(points, corners, point):
                return True
    return False


@compiled
def _box_of_triangle(points: NDArray[np.int32], first: int, middle: int, last: int) -> Box:
    return Box(
        min(points[first, 0], points[middle, 0], points[last, 0]),
        min(points[first, 1], points[middle, 1], points[last, 1]),
        max(points[first, 0], points[middle, 0], points[last, 0]),
        max(points[first, 1], points[middle, 1], points[last, 1]),
    )


@compiled
def _is_in_triangle(points: NDArray[np.int32], corners: tuple[int, int, int], point: int) -> bool:
    """Tell whether a point lies in a triangle that turns to the right, or on its rim but not at its first or last."""
    first, middle, last = corners
    if _is_at(points, first, point) or _is_at(points, last, point):
        return False
    inside = side(points, first, middle, point) >= 0 and side(points, middle, last, point) >= 0
    return bool(inside and side(points, last, first, point) >= 0)
