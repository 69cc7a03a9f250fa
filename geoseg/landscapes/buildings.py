"""Houses along the streets, farms in the fields, and the roof above every pixel.

Buildings keep off water and country roads; a farm has a yard and a track to the nearest road.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.landscapes.materials import ROOFS
from geoseg.landscapes.noise import Doubles, Floats, Grid, Points, hashed, unit
from geoseg.landscapes.roads import country_roads_near, distance_to
from geoseg.landscapes.spec import World
from geoseg.landscapes.terrain import forest_rank, terrain_at
from geoseg.landscapes.villages import Village, lots_of, ragged_at, villages_near

_FARM_CELL = 410.0
_FARM_REACH = 45.0
_TRACK_MOST = 260.0  # metres to the nearest road beyond which nobody farms
_FARMYARD = ((-15.0, 0.0, 13.0, 6.5), (5.0, 15.5, 8.0, 5.5), (4.0, -15.5, 9.5, 4.5))


@dataclass(frozen=True, slots=True)
class Building:
    """A rectangle, or an L where a corner is missing."""

    x: float
    y: float
    angle: float
    """Of its ridge, radians."""

    half_length: float
    half_width: float
    notch_length: float
    """Of the missing corner along the ridge, metres; 0 for a rectangle."""

    notch_width: float
    height: float
    """Metres above ground."""

    roof: int
    """Material."""

    tone: float
    """Brightness, about 1."""

    ridge: bool
    """True = a hip roof, False = flat."""


@dataclass(frozen=True, slots=True)
class Farm:
    """A group of buildings around a yard."""

    x: float
    y: float
    angle: float
    buildings: tuple[Building, ...]
    track: tuple[float, float, float, float]
    """Segment from the yard to the road, metres."""


@functools.lru_cache(maxsize=256)
def houses_of(world: World, village: Village) -> tuple[Building, ...]:
    """The houses and sheds of a village."""
    street, side, along = lots_of(world, village)
    lot = hashed(world.key("house"), np.round(street * 10 + side).astype(np.int64), np.round(along).astype(np.int64))
    lot = hashed(world.key("house of village"), lot.astype(np.int64), np.full(lot.shape, village.number))
    more = hashed(world.key("shed"), lot.astype(np.int64), np.full(lot.shape, village.number))
    half_length, half_width = 5.0 + 2.6 * unit(lot, 0), 4.4 + 1.5 * unit(lot, 1)
    across = street + side * (3.0 + 3.5 + 3.0 * unit(lot, 2) + half_width)
    spot = along + (unit(lot, 3) - np.float32(0.5)) * 4
    house = village.placed(across, spot)
    shed = village.placed(street + side * (24.5 + unit(more, 0)), along + (unit(more, 1) - np.float32(0.5)) * 8)
    roads = country_roads_near(world, Points(np.array([village.x]), np.array([village.y])))
    free, shed_free = distance_to(roads, house) > 13, distance_to(roads, shed) > 9  # noqa: PLR2004 - metres
    turn = np.arctan((village.swing(spot + 1) - village.swing(spot - 1)) / 2)
    buildings = []
    for n in np.flatnonzero(free & (unit(more, 2) < 0.93)):  # noqa: PLR2004 - some lots are empty
        angle = village.angle + float(turn[n])
        corner = 0.45 if unit(more, 3)[n] < 0.28 else 0.0  # noqa: PLR2004 - the share of L shapes
        buildings.append(_house(
            (float(house.x[n]), float(house.y[n]), angle), (float(half_length[n]), float(half_width[n])),
            corner, int(lot[n]),
        ))  # fmt: skip
        if shed_free[n] and unit(more, 1)[n] > 0.45:  # noqa: PLR2004 - the share with a shed
            buildings.append(_house(
                (float(shed.x[n]), float(shed.y[n]), angle), (3.6, 2.8), 0.0, int(more[n])
            ))  # fmt: skip
    return tuple(buildings)


def _house(pose: tuple[float, float, float], half: tuple[float, float], corner: float, bits: int) -> Building:
    x, y, angle = pose
    choice, tone = (bits >> 3 & 1023) / 1023, (bits >> 17 & 1023) / 1023
    small = half[0] < 4  # noqa: PLR2004 - metres: a shed
    roof = ROOFS.choose(choice)
    return Building(
        x, y, angle, half[0], half[1], corner * 2 * half[0], corner * 2 * half[1],
        3.0 if small else 5.0 + 3.0 * tone, roof, 0.86 + 0.28 * tone, ROOFS.has_ridge(roof) and not small,
    )  # fmt: skip


@functools.lru_cache(maxsize=4096)
def farm_in(world: World, i: int, j: int) -> Farm | None:
    """The farm of a lattice cell; None where the site is wet, wooded, in a village or far from roads."""
    bits = hashed(world.key("farm"), np.array([i]), np.array([j]))
    if unit(bits, 2)[0] > 0.6 or world.mix.villages == 0:  # noqa: PLR2004 - the share of cells that are tried
        return None
    site = Points(
        (i + unit(bits, 0).astype(np.float64)) * _FARM_CELL, (j + unit(bits, 1).astype(np.float64)) * _FARM_CELL
    )
    terrain = terrain_at(world, site)
    if terrain.shore[0] < 50 or terrain.basin[0] < 0.35 or forest_rank(world, site, terrain)[0] > -0.15:  # noqa: PLR2004
        return None
    ragged = ragged_at(world, site)
    for village in villages_near(world, site):
        if village.remoteness(*village.local(site), ragged)[0] < 1.4:  # noqa: PLR2004 - clear of the gardens
            return None
    roads = country_roads_near(world, site)
    mid_x, mid_y = (roads[:, 0] + roads[:, 2]) / 2, (roads[:, 1] + roads[:, 3]) / 2
    nearest = int(np.argmin(np.hypot(mid_x - site.x, mid_y - site.y)))
    if not _FARM_REACH < float(distance_to(roads, site)[0]) < _TRACK_MOST:
        return None
    x, y, road_x, road_y = float(site.x[0]), float(site.y[0]), float(mid_x[nearest]), float(mid_y[nearest])
    angle = math.atan2(road_y - y, road_x - x)
    cos, sin = math.cos(angle), math.sin(angle)
    buildings = tuple(
        _house(
            (x + cos * u - sin * v, y + sin * u + cos * v, angle + (math.pi / 2 if u < 0 else 0.0)),
            (half_length, half_width), 0.0, int(bits[0]) >> (3 * number + 5),
        )
        for number, (u, v, half_length, half_width) in enumerate(_FARMYARD)
    )  # fmt: skip
    return Farm(x, y, angle, buildings, (x + 12 * cos, y + 12 * sin, road_x, road_y))


def farms_near(world: World, grid: Grid) -> list[Farm]:
    """Every farm whose yard or track may reach the grid."""
    reach = _TRACK_MOST + _FARM_REACH
    i = range(math.floor((grid.xs[0] - reach) / _FARM_CELL), math.floor((grid.xs[-1] + reach) / _FARM_CELL) + 1)
    j = range(math.floor((grid.ys[-1] - reach) / _FARM_CELL), math.floor((grid.ys[0] + reach) / _FARM_CELL) + 1)
    farms = (farm_in(world, column, row) for row in j for column in i)
    return [farm for farm in farms if farm is not None]


@dataclass(frozen=True, slots=True)
class Roofs:
    """The roof above each pixel, all (height, width)."""

    here: NDArray[np.bool_]
    """True = a roof."""

    material: NDArray[np.uint8]
    tone: Floats
    height: Floats
    """Metres."""


def roofs_over(buildings: list[Building], grid: Grid, sun: tuple[float, float]) -> Roofs:
    """Draw the roofs of buildings; the slopes that face the sun, a unit vector (x, y), are brighter."""
    here = np.zeros(grid.shape, dtype=bool)
    material = np.zeros(grid.shape, dtype=np.uint8)
    tone, height = np.ones(grid.shape, dtype=np.float32), np.zeros(grid.shape, dtype=np.float32)
    for building in buildings:
        reach = math.hypot(building.half_length, building.half_width)
        part = grid.around(building.x, building.x, building.y, building.y, reach)
        if part[0].start >= part[0].stop or part[1].start >= part[1].stop:
            continue
        inside, light = _roof(building, grid.xs[part[1]], grid.ys[part[0]], sun)
        np.copyto(here[part], True, where=inside)  # noqa: FBT003 - the value written
        np.copyto(material[part], building.roof, where=inside)
        np.copyto(tone[part], light, where=inside)
        np.copyto(height[part], building.height, where=inside)
    return Roofs(here, material, tone, height)


def _roof(building: Building, xs: Doubles, ys: Doubles, sun: tuple[float, float]) -> tuple[NDArray[np.bool_], Floats]:
    """Where the roof is, and its brightness."""
    dx = (xs - building.x).astype(np.float32)[None, :]
    dy = (ys - building.y).astype(np.float32)[:, None]
    cos, sin = np.float32(math.cos(building.angle)), np.float32(math.sin(building.angle))
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    to_end, to_side = building.half_length - np.abs(u), building.half_width - np.abs(v)
    notch = (to_end < building.notch_length) & (to_side < building.notch_width) & (u > 0) & (v > 0)
    inside = (to_end >= 0) & (to_side >= 0) & ~notch
    if not building.ridge:
        return inside, np.full(u.shape, building.tone, dtype=np.float32)
    along, across = cos * sun[0] + sin * sun[1], cos * sun[1] - sin * sun[0]
    facing = np.where(to_end < to_side, np.sign(u) * along, np.sign(v) * across)
    return inside, (building.tone * (1 + np.float32(0.3) * facing)).astype(np.float32)
