"""Roads between villages, streets inside them, and the distance of every pixel to the nearest one.

Roads have one width in metres wherever they run, and cross rivers on bridges.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.landscapes.noise import Doubles, Floats, Grid, Places, Points, hashed, unit
from geoseg.landscapes.spec import World
from geoseg.landscapes.terrain import basin_at
from geoseg.landscapes.villages import VILLAGE_CELL, Village, streets_of, village_in, villages_near

COUNTRY_ROAD, STREET, TRACK = 7.5, 6.0, 3.6
"""Widths, metres."""

_PIECES = 18
_NEIGHBOURS = ((1, 0, 0.9), (0, 1, 0.85), (1, 1, 0.12), (1, -1, 0.12))  # cells to the other end, probability
_LAKE_SHORE = 0.2  # relief above the lake level where roads keep
_VERGE = 12.0  # distances are right up to this many metres from the kerb


@dataclass(frozen=True, slots=True)
class RoadDistances:
    """Pixels and roads."""

    kerb: Floats
    """(height, width) metres to the kerb of the nearest road, negative on it; large where none is near."""

    country: NDArray[np.bool_]
    """(height, width) True = the nearest road is a country road."""


def road_distances(world: World, grid: Grid, tracks: Doubles) -> RoadDistances:
    """Distances of pixels to the roads around them.

    Args:
        world: whose roads.
        grid: the pixels.
        tracks: further segments (n, 4) of the width of a track.
    """
    kerb = np.full(grid.shape, 1e3, dtype=np.float32)
    country = np.zeros(grid.shape, dtype=bool)
    streets = [streets_of(world, village) for village in villages_near(world, grid)]
    layers = (
        (country_roads_near(world, grid), COUNTRY_ROAD),
        (np.concatenate([*streets, np.empty((0, 4))]), STREET),
        (tracks, TRACK),
    )
    for segments, width in layers:
        for segment in _touching(segments, grid, width / 2 + _VERGE):
            _lay(kerb, country, grid, segment, width)
    return RoadDistances(kerb, country)


def country_roads_near(world: World, places: Places) -> Doubles:
    """Segments (n, 4) of every country road that may come near the places: x and y of both ends, metres."""
    reach = 1.6 * VILLAGE_CELL
    columns = range(
        math.floor((places.x.min() - reach) / VILLAGE_CELL), math.floor((places.x.max() + reach) / VILLAGE_CELL) + 1
    )
    rows = range(
        math.floor((places.y.min() - reach) / VILLAGE_CELL), math.floor((places.y.max() + reach) / VILLAGE_CELL) + 1
    )
    return np.concatenate([_roads_from(world, i, j) for j in rows for i in columns])


def distance_to(segments: Doubles, points: Points) -> Floats:
    """Metres from points (n,) to the nearest of some segments; infinite without segments."""
    if not len(segments):
        return np.full(points.x.shape, np.inf, dtype=np.float32)
    x0, y0, x1, y1 = segments.T[:, :, None]
    dx, dy = x1 - x0, y1 - y0
    along = ((points.x - x0) * dx + (points.y - y0) * dy) / np.maximum(dx * dx + dy * dy, 1e-9)
    along = np.clip(along, 0, 1)
    distance = np.hypot(points.x - x0 - along * dx, points.y - y0 - along * dy)
    nearest: Floats = distance.min(axis=0).astype(np.float32)
    return nearest


@functools.lru_cache(maxsize=4096)
def _roads_from(world: World, i: int, j: int) -> Doubles:
    here = village_in(world, i, j)
    roads = [np.empty((0, 4))]
    for number, (right, up, probability) in enumerate(_NEIGHBOURS):
        bits = hashed(world.key(f"road {number}"), np.array([i]), np.array([j]))
        if float(unit(bits)[0]) < probability:
            swing = (float(unit(bits, 1)[0]) - 0.5, float(unit(bits, 2)[0]) - 0.5)
            roads.append(_curve(world, here, village_in(world, i + right, j + up), swing))
    return np.concatenate(roads)


def _curve(world: World, here: Village, there: Village, swing: tuple[float, float]) -> Doubles:
    """A cubic Bezier curve between two centres, pushed about by smooth noise, as segments (n, 4)."""
    t = np.linspace(0, 1, _PIECES + 1)
    dx, dy = there.x - here.x, there.y - here.y
    aside = 1.5 * t * (1 - t) * ((1 - t) * swing[0] + t * swing[1])
    x, y = here.x + t * dx - aside * dy, here.y + t * dy + aside * dx
    push = 22 * np.sin(math.pi * t)
    places = Points(x, y)
    x = x + push * places.noise(world.key("road x"), 240.0)
    y = y + push * places.noise(world.key("road y"), 240.0)
    x, y = _around_lakes(world, Points(x, y), np.sin(math.pi * t))
    return np.stack([x[:-1], y[:-1], x[1:], y[1:]], axis=1)


def _around_lakes(world: World, places: Points, freedom: Doubles) -> tuple[Doubles, Doubles]:
    """Places moved up the shore where they are in a lake; `freedom` is 0 where one may not move, else to 1."""
    for _ in range(3):
        basin = basin_at(world, places).astype(np.float64)
        slope_x = (basin_at(world, places.moved(8, 0)) - basin) / 8
        slope_y = (basin_at(world, places.moved(0, 8)) - basin) / 8
        steepness = np.hypot(slope_x, slope_y) + 1e-6
        step = np.clip((_LAKE_SHORE - basin) / steepness, 0, 60) * np.sqrt(freedom) / steepness
        places = Points(places.x + step * slope_x, places.y + step * slope_y)
    return places.x, places.y


def _touching(segments: Doubles, grid: Grid, reach: float) -> Doubles:
    """The segments that come near a grid."""
    x, y = segments[:, 0::2], segments[:, 1::2]
    near = (x.max(axis=1) >= grid.xs[0] - reach) & (x.min(axis=1) <= grid.xs[-1] + reach)
    near &= (y.max(axis=1) >= grid.ys[-1] - reach) & (y.min(axis=1) <= grid.ys[0] + reach)
    return np.asarray(segments[near])


def _lay(kerb: Floats, country: NDArray[np.bool_], grid: Grid, segment: Doubles, width: float) -> None:
    """Enter one segment into the distances."""
    x0, y0, x1, y1 = segment
    part = grid.around(min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1), width / 2 + _VERGE)
    x = (grid.xs[part[1]] - x0).astype(np.float32)[None, :]
    y = (grid.ys[part[0]] - y0).astype(np.float32)[:, None]
    dx, dy = np.float32(x1 - x0), np.float32(y1 - y0)
    along = np.clip((x * dx + y * dy) / max(dx * dx + dy * dy, np.float32(1e-6)), 0, 1)
    distance = np.hypot(x - along * dx, y - along * dy) - np.float32(width / 2)
    nearer = distance < kerb[part]
    np.copyto(kerb[part], distance, where=nearer)
    np.copyto(country[part], width == COUNTRY_ROAD, where=nearer)
