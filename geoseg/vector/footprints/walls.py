"""Walls: lines that together are the rings of a footprint, and how they move to where the probabilities want them.

A wall is a row of four numbers: the distance of its line from the origin along its normal, the angle of the normal,
1 where it turns with the main direction of the building (0 where it has an angle of its own), and its ring. A corner is
where the lines of two walls that follow each other meet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.footprints.coverage import coverage
from geoseg.vector.footprints.target import blurred

OFFSET, ANGLE, TIED, RING = range(4)
"""Columns of walls."""

_STEPS = 14
"""The most times that walls move."""

_STILL = 0.004
"""Walls that move less have arrived, px."""

_FARTHEST = 0.5
"""The most that a wall moves at once, px."""

_STIFF = 4.0
"""Keeps short walls from turning at random, px³."""

_FEWEST = 4
"""Walls of a ring that is not made simpler."""

_SAME = 0.99
"""Cosine of the greatest angle between walls that have the same direction."""

_LOSS = 1.5
"""The most area that may change sides when a wall is left out, in squares of the shortest wall."""

_BEND = 0.2
"""Sine of the least angle at which two walls meet: nearly parallel lines meet anywhere."""

_SPACING = 0.5
"""Distance of the places on a wall at which it is compared, px."""

_SOFTEN = 0.6
"""Blur of the difference before it is looked up on a wall, px."""

_CALM = 0.7
"""Share of a step that is taken: the steps of walls that meet are not independent."""


@compiled
def corners(walls: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Where walls begin: points (walls, 2) and rings (rings + 1,), as `coverage` takes them.

    Where a wall runs along the one before it, points are not finite.
    """
    points = np.empty((len(walls), 2))
    rings = _rings(walls)
    for ring in range(len(rings) - 1):
        before = rings[ring + 1] - 1
        for wall in range(rings[ring], rings[ring + 1]):
            _meet(walls[before], walls[wall], points[wall])
            before = wall
    return points, rings


@compiled
def _rings(walls: NDArray[np.float64]) -> NDArray[np.int64]:
    """First wall of every ring, and the number of walls."""
    begins = np.flatnonzero(walls[1:, RING] != walls[:-1, RING]) + 1
    rings = np.zeros(len(begins) + 2, dtype=np.int64)
    rings[1:-1], rings[-1] = begins, len(walls)
    return rings


@compiled
def _meet(first: NDArray[np.float64], second: NDArray[np.float64], point: NDArray[np.float64]) -> None:
    """Where two lines cross."""
    c0, s0 = np.cos(first[ANGLE]), np.sin(first[ANGLE])
    c1, s1 = np.cos(second[ANGLE]), np.sin(second[ANGLE])
    determinant = c0 * s1 - c1 * s0
    if abs(determinant) < 1e-6:  # noqa: PLR2004 - parallel
        point[0], point[1] = np.nan, np.nan
        return
    point[0] = (first[OFFSET] * s1 - second[OFFSET] * s0) / determinant
    point[1] = (c0 * second[OFFSET] - c1 * first[OFFSET]) / determinant


@compiled
def fit_walls(walls: NDArray[np.float64], target: NDArray[np.float64], blur: float) -> None:
    """Move and turn walls until the area that they enclose, blurred, differs least from the target.

    Gauss and Newton's steps for the sum of squared differences: each wall asks along its length by how far it should
    move; walls that turn with the main direction agree on one angle.

    Args:
        walls: (walls, 4), changed in place.
        target: (height, width), area fractions; its origin is that of the walls.
        blur: of the target, px.
    """
    height, width = target.shape
    slope = 1.0 / np.sqrt(2 * np.pi * (blur * blur + _SOFTEN * _SOFTEN + 1.0 / 6.0))
    for _ in range(_STEPS):
        points, rings = corners(walls)
        if not _inside(points, height, width):
            return
        difference = blurred(coverage(points, rings, height, width), blur) - target
        wishes = _wishes(walls, points, rings, blurred(difference, _SOFTEN))
        if _step(walls, wishes, slope) < _STILL:
            return


@compiled
def _inside(points: NDArray[np.float64], height: int, width: int) -> bool:
    """True where all points are finite and in the raster."""
    x, y = points[:, 0], points[:, 1]
    return bool(np.all((x >= 0) & (x <= width) & (y >= 0) & (y <= height)))


@compiled
def _wishes(
    walls: NDArray[np.float64], points: NDArray[np.float64], rings: NDArray[np.int64], difference: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sums over each wall (walls, 5): length, places, squared places, how far to go, the same times the place.

    A place is how far along the wall a point is from the foot of the origin.
    """
    wishes = np.zeros((len(walls), 5))
    for ring in range(len(rings) - 1):
        for wall in range(rings[ring], rings[ring + 1]):
            after = wall + 1 if wall + 1 < rings[ring + 1] else rings[ring]
            _ask(walls[wall], points[wall], points[after], difference, wishes[wall])
    return wishes


@compiled
def _ask(
    wall: NDArray[np.float64],
    begin: NDArray[np.float64],
    end: NDArray[np.float64],
    difference: NDArray[np.float64],
    wish: NDArray[np.float64],
) -> None:
    """The sums of one wall."""
    x, y = end[0] - begin[0], end[1] - begin[1]
    length = np.sqrt(x * x + y * y)
    if length < 1e-6:  # noqa: PLR2004 - no length
        return
    cosine, sine = np.cos(wall[ANGLE]), np.sin(wall[ANGLE])
    outwards = 1.0 if (y * cosine - x * sine) > 0 else -1.0
    count = int(np.ceil(length / _SPACING))
    share = length / count
    for sample in range(count):
        part = (sample + 0.5) / count
        px, py = begin[0] + part * x, begin[1] + part * y
        place = cosine * py - sine * px
        far = -outwards * _value_at(difference, px, py)
        wish[0] += share
        wish[1] += share * place
        wish[2] += share * place * place
        wish[3] += share * far
        wish[4] += share * far * place


@compiled
def _value_at(values: NDArray[np.float64], x: float, y: float) -> float:
    """Linear interpolation between pixel centres; at the rim of the raster the value of the rim."""
    height, width = values.shape
    x, y = min(max(x - 0.5, 0.0), width - 1.001), min(max(y - 0.5, 0.0), height - 1.001)
    col, row = int(x), int(y)
    right, down = x - col, y - row
    upper = values[row, col] * (1 - right) + values[row, col + 1] * right
    lower = values[row + 1, col] * (1 - right) + values[row + 1, col + 1] * right
    return float(upper * (1 - down) + lower * down)


@compiled
def _step(walls: NDArray[np.float64], wishes: NDArray[np.float64], slope: float) -> float:
    """Move and turn walls; how far the farthest moved, px."""
    tied = _turn_of(walls, wishes, slope, -1)
    farthest = 0.0
    for wall in range(len(walls)):
        turn = tied if walls[wall, TIED] == 1.0 else _turn_of(walls, wishes, slope, wall)
        length = max(wishes[wall, 0], 1.0)
        move = min(max(_CALM * wishes[wall, 3] / (slope * length), -_FARTHEST), _FARTHEST)
        farthest = max(farthest, abs(move), abs(turn) * wishes[wall, 0] / 2)
        walls[wall, OFFSET] += move + turn * wishes[wall, 1] / length
        walls[wall, ANGLE] += turn
    return farthest


@compiled
def _turn_of(walls: NDArray[np.float64], wishes: NDArray[np.float64], slope: float, alone: int) -> float:
    """The turn that one wall wishes, or all that are tied together with -1, radians."""
    wish, weight = 0.0, _STIFF
    for wall in range(len(walls)):
        if (alone < 0 and walls[wall, TIED] == 1.0) or wall == alone:
            length = max(wishes[wall, 0], 1.0)
            wish += wishes[wall, 1] * wishes[wall, 3] / length - wishes[wall, 4]
            weight += wishes[wall, 2] - wishes[wall, 1] * wishes[wall, 1] / length
    return min(max(_CALM * wish / (slope * weight), -0.05), 0.05)


@compiled
def without_short(walls: NDArray[np.float64], shortest: float) -> NDArray[np.float64]:
    """Leave out walls below a length, the shortest first, until each ring has none or is down to four.

    The walls on both sides of one left out become one where they have the same direction, at their mean offset; where
    they run back and forth, they are left out too. Walls whose loss would change more than 1.5 times the square of the
    length stay.

    Args:
        walls: (walls, 4), the normals outwards.
        shortest: length, px. Walls whose corners are in the wrong order are always left out.
    """
    rings = _rings(walls)
    result = walls[:0]
    for ring in range(len(rings) - 1):
        part = walls[rings[ring] : rings[ring + 1]]
        while len(part) > _FEWEST:
            lengths = _lengths(part)
            least = _least(part, lengths, shortest)
            if least < 0:
                break
            part = _without(part, lengths, least)
        result = np.concatenate((result, part))
    return result


@compiled
def _least(ring: NDArray[np.float64], lengths: NDArray[np.float64], shortest: float) -> int:
    """The shortest wall that may be left out; -1 where there is none."""
    least = -1
    for wall in range(len(ring)):
        if lengths[wall] < min(shortest, lengths[least] if least >= 0 else shortest) and (
            lengths[wall] <= 0 or _loss(ring, lengths, wall) < _LOSS * shortest * shortest
        ):
            least = wall
    return least


@compiled
def _loss(ring: NDArray[np.float64], lengths: NDArray[np.float64], wall: int) -> float:
    """About the area that changes sides without a wall, px²."""
    before, after = wall - 1, (wall + 1) % len(ring)
    first, last = max(lengths[before], 0.0), max(lengths[after], 0.0)
    turn = np.cos(ring[before, ANGLE] - ring[after, ANGLE])
    if turn > _SAME:
        return float(2 * lengths[wall] * first * last / max(first + last, 1e-9))
    return float(lengths[wall] * (min(first, last) if turn < -_SAME else lengths[wall] / 2))


@compiled
def _lengths(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lengths of the walls of one ring, below 0 where the ends are in the wrong order, px."""
    points, _ = corners(ring)
    lengths = np.empty(len(ring))
    for wall in range(len(ring)):
        x, y = points[(wall + 1) % len(ring)] - points[wall]
        length = x * -np.sin(ring[wall, ANGLE]) + y * np.cos(ring[wall, ANGLE])
        lengths[wall] = length if np.isfinite(length) else -1e9
    return lengths


@compiled
def _without(ring: NDArray[np.float64], lengths: NDArray[np.float64], wall: int) -> NDArray[np.float64]:
    """One ring without a wall; its neighbours are joined or left out."""
    ring, lengths = np.roll(ring.ravel(), -wall * 4).reshape(ring.shape)[1:], np.roll(lengths, -wall)[1:]
    while len(ring) > 1:
        turn = np.cos(ring[0, ANGLE] - ring[-1, ANGLE])
        if abs(turn) < _SAME:
            break
        if turn > 0:
            first, last = max(lengths[0], 1e-3), max(lengths[-1], 1e-3)
            ring[0, OFFSET] = (first * ring[0, OFFSET] + last * ring[-1, OFFSET]) / (first + last)
            lengths[0] = first + last
            ring, lengths = ring[:-1], lengths[:-1]
        else:
            ring, lengths = ring[1:-1], lengths[1:-1]
    return ring


def walls_of(pieces: NDArray[np.float64], tied: NDArray[np.bool_], ring: int) -> NDArray[np.float64]:
    """Walls (walls, 4) of a ring that was cut into pieces, as `cut_ring` gives them.

    Between walls that follow each other in nearly the same direction comes one more, across them.

    Args:
        pieces: (pieces, 6).
        tied: (pieces,), True for walls that turn with the main direction.
        ring: its number.
    """
    angles = pieces[:, 3]
    walls = []
    for piece, (x, y, _, angle, left, top) in enumerate(pieces):
        turn = np.sin(angle - angles[piece - 1])
        if abs(turn) < _BEND:
            across = angle + np.pi / 2 * (1 if _is_ahead((x, y), pieces[piece - 1], angle) else -1)
            walls.append((left * np.cos(across) + top * np.sin(across), across, 0.0, float(ring)))
        walls.append((x * np.cos(angle) + y * np.sin(angle), angle, float(tied[piece]), float(ring)))
    return np.array(walls)


def _is_ahead(centre: tuple[float, float], before: NDArray[np.float64], angle: float) -> bool:
    """True where the wall before lies further out than the next one, so that the way between leads in."""
    return bool((before[0] - centre[0]) * np.cos(angle) + (before[1] - centre[1]) * np.sin(angle) > 0)
