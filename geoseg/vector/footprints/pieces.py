"""Cuts a contour into pieces, each of them one straight wall.

The cuts are the best of all for the sum of how far the contour lies from the walls and of what its corners cost. They
are found by dynamic programming over the points of the ring, as in Bellman, "On the approximation of curves by line
segments using dynamic programming" (1961), here with walls of given directions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled

RIGHT, DIAGONAL, ANY = 2, 4, 5
"""How many kinds of walls there are: along and across the main direction, with diagonals, with any angle."""

FREE = 4
"""The kind of a wall of any angle; kinds 0 and 1 are along and across the main direction, 2 and 3 between them."""

_MOST = 480
"""The most points of a ring at which walls may begin."""


@compiled
def cut_ring(
    ring: NDArray[np.float64], direction: float, corner: float, kinds: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Cut one ring into walls.

    Args:
        ring: (points, 2), of a contour; the last point is not the first.
        direction: main direction, radians.
        corner: what a right angle costs, px³ (squared distance times length); any other corner costs twice as much.
        kinds: `RIGHT`, `DIAGONAL` or `ANY`.

    Returns:
        Walls (walls, 6): centre x and y of the contour at the wall, its length, the angle of the wall's normal, which
        points outwards, and x and y where it begins; and their kinds (walls,). None where no such walls close the ring.
    """
    normals = _normals(direction)
    penalties = _penalties(corner, kinds)
    opened = _opened(ring, _farthest(ring))
    sums = _sums(opened)
    stops = _stops(len(ring))
    cut, _, _ = _best_cut(sums, stops, normals, penalties, -1)
    opened = _opened(opened[:-1], cut[len(cut) // 2])
    sums = _sums(opened)
    best, best_kinds, least = cut[:1], cut[:0], np.inf
    for first in range(kinds):
        cut, chosen, cost = _best_cut(sums, stops, normals, penalties, first)
        if cost < least:
            best, best_kinds, least = cut, chosen, cost
    return _walls(opened, sums, best, best_kinds, normals), best_kinds


@compiled
def _farthest(ring: NDArray[np.float64]) -> int:
    """The point farthest from the mean of the points: most likely a corner."""
    x, y = ring[:, 0] - ring[:, 0].mean(), ring[:, 1] - ring[:, 1].mean()
    return int(np.argmax(x * x + y * y))


@compiled
def _opened(ring: NDArray[np.float64], begin: int) -> NDArray[np.float64]:
    """The ring from another point, that comes again at the end."""
    return np.concatenate((ring[begin:], ring[: begin + 1]))


@compiled
def _stops(points: int) -> NDArray[np.int64]:
    """Points of an opened ring at which walls may begin, and the last one."""
    stride = (points + _MOST - 1) // _MOST
    return np.append(np.arange(0, points, stride), points)


@compiled
def _sums(opened: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums from the first point of a contour on: length, x, y, x², xy, y² (points, 6)."""
    sums = np.zeros((len(opened), 6))
    for point in range(1, len(opened)):
        (x0, y0), (x1, y1) = opened[point - 1], opened[point]
        length = np.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        sums[point, 0] = length
        sums[point, 1], sums[point, 2] = length * x, length * y
        sums[point, 3], sums[point, 4], sums[point, 5] = length * x * x, length * x * y, length * y * y
        sums[point] += sums[point - 1]
    return sums


@compiled
def _normals(direction: float) -> NDArray[np.float64]:
    """Cosine squared, twice the product, and sine squared of the normal of each kind but the free (4, 4 with angle)."""
    normals = np.empty((4, 4))
    for kind in range(4):
        angle = direction + (kind % 2) * np.pi / 2 + (kind // 2) * np.pi / 4
        cosine, sine = np.cos(angle), np.sin(angle)
        normals[kind] = (cosine * cosine, 2 * cosine * sine, sine * sine, angle)
    return normals


@compiled
def _penalties(corner: float, kinds: int) -> NDArray[np.float64]:
    """What it costs when a wall of one kind follows one of another (kinds, kinds)."""
    penalties = np.full((kinds, kinds), 2 * corner)
    for kind in range(min(kinds, FREE)):
        penalties[kind, kind] = np.inf
        penalties[kind, kind ^ 1] = corner
    return penalties


@compiled
def _scatter(sums: NDArray[np.float64], begin: int, end: int) -> tuple[float, float, float]:
    """Sums of squares about the centre of a piece of contour: xx, xy, yy."""
    length = max(sums[end, 0] - sums[begin, 0], 1e-9)
    x, y = sums[end, 1] - sums[begin, 1], sums[end, 2] - sums[begin, 2]
    xx = sums[end, 3] - sums[begin, 3] - x * x / length
    xy = sums[end, 4] - sums[begin, 4] - x * y / length
    yy = sums[end, 5] - sums[begin, 5] - y * y / length
    return xx, xy, yy


@compiled
def _deviation(scatter: tuple[float, float, float], normals: NDArray[np.float64], kind: int) -> float:
    """Squared distances of a piece of contour from the best wall of a kind."""
    xx, xy, yy = scatter
    if kind == FREE:
        return float((xx + yy) / 2 - np.sqrt(((xx - yy) / 2) ** 2 + xy * xy))
    normal = normals[kind]
    return float(normal[0] * xx + normal[1] * xy + normal[2] * yy)


@compiled
def _best_cut(
    sums: NDArray[np.float64],
    stops: NDArray[np.int64],
    normals: NDArray[np.float64],
    penalties: NDArray[np.float64],
    first: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """The first points of the walls, with the end of the last; their kinds; the cost.

    With a `first` kind the ring closes: the last wall then is of another kind. With -1 it need not close.
    """
    count, kinds = len(stops), len(penalties)
    costs = np.full((count, kinds), np.inf)
    ways = np.full((count, kinds), np.inf)
    came = np.zeros((count, kinds), dtype=np.int64)
    for kind in range(kinds):
        ways[0, kind] = 0.0 if first in (-1, kind) else np.inf
    before = np.zeros((count, kinds), dtype=np.int64)
    for end in range(1, count):
        for begin in range(end - 1, -1, -1):
            scatter = _scatter(sums, stops[begin], stops[end])
            if not _extend(costs[end], came[end], (ways[begin], begin), scatter, normals):
                break
        _turn(costs[end], penalties, ways[end], before[end])
    last = int(np.argmin(costs[-1] if first < 0 else costs[-1] + penalties[:, first]))
    least = costs[-1, last] + (penalties[last, first] if first >= 0 else 0.0)
    cut, chosen = _way_back(came, before, last)
    return stops[cut], chosen, least


@compiled
def _extend(
    costs: NDArray[np.float64],
    came: NDArray[np.int64],
    way: tuple[NDArray[np.float64], int],
    scatter: tuple[float, float, float],
    normals: NDArray[np.float64],
) -> bool:
    """Try walls of all kinds from one stop to another; False where a longer wall can be no better."""
    hope = False
    for kind in range(len(costs)):
        deviation = _deviation(scatter, normals, kind)
        if deviation < costs[kind]:
            hope = True
            if way[0][kind] + deviation < costs[kind]:
                costs[kind], came[kind] = way[0][kind] + deviation, way[1]
    return hope


@compiled
def _turn(
    costs: NDArray[np.float64], penalties: NDArray[np.float64], ways: NDArray[np.float64], before: NDArray[np.int64]
) -> None:
    """The cheapest way to begin a wall of each kind at a stop, and of what kind the wall before it is."""
    for kind in range(len(costs)):
        for other in range(len(costs)):
            if costs[other] + penalties[other, kind] < ways[kind]:
                ways[kind], before[kind] = costs[other] + penalties[other, kind], other


@compiled
def _way_back(
    came: NDArray[np.int64], before: NDArray[np.int64], last: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Stops and kinds of the cheapest way that ends with the `last` kind, in the order of the ring."""
    cut = np.empty(len(came) + 1, dtype=np.int64)
    chosen = np.empty(len(came), dtype=np.int64)
    stop, kind, walls = len(came) - 1, last, 0
    cut[0] = stop
    while stop > 0:
        chosen[walls] = kind
        stop = came[stop, kind]
        kind = before[stop, kind]
        walls += 1
        cut[walls] = stop
    return cut[: walls + 1][::-1].copy(), chosen[:walls][::-1].copy()


@compiled
def _walls(
    opened: NDArray[np.float64],
    sums: NDArray[np.float64],
    cut: NDArray[np.int64],
    kinds: NDArray[np.int64],
    normals: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Centre, length, angle of the outward normal and first point of every wall."""
    walls = np.empty((len(kinds), 6))
    for wall in range(len(kinds)):
        begin, end = cut[wall], cut[wall + 1]
        length = max(sums[end, 0] - sums[begin, 0], 1e-9)
        walls[wall, 0] = (sums[end, 1] - sums[begin, 1]) / length
        walls[wall, 1] = (sums[end, 2] - sums[begin, 2]) / length
        walls[wall, 2] = length
        if kinds[wall] == FREE:
            xx, xy, yy = _scatter(sums, begin, end)
            walls[wall, 3] = np.arctan2(2 * xy, xx - yy) / 2 + np.pi / 2
        else:
            walls[wall, 3] = normals[kinds[wall], 3]
        x, y = opened[end] - opened[begin]
        if y * np.cos(walls[wall, 3]) < x * np.sin(walls[wall, 3]):
            walls[wall, 3] += np.pi
        walls[wall, 4:] = opened[begin]
    return walls
