"""Where people live: one village per lattice cell, away from water, with curved parallel streets and house lots.

Knows geometry in metres; draws nothing.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from geoseg.landscapes.noise import Doubles, Floats, Places, Points, hashed, unit
from geoseg.landscapes.spec import World
from geoseg.landscapes.terrain import terrain_at

VILLAGE_CELL = 640.0
"""Metres from one village to the next, on average."""

LOT = 19.5
"""Length of a house lot along its street, metres."""

STREET_SPACING = 58.0
"""Metres between neighbouring streets."""

VILLAGE_REACH = 290.0
"""No village has anything further than this from its centre at mix 1, metres."""

_LOTS_PER_BLOCK = 6
_CANDIDATES = 7
_CLEARANCE = 110.0  # metres to the river beyond which a site is as good as any


@dataclass(frozen=True, slots=True)
class Village:
    """A village: an ellipse of lots around a centre."""

    x: float
    y: float
    angle: float
    """Direction of its main streets, radians."""

    long: float
    """Half length along the streets, metres."""

    short: float
    """Half width across the streets, metres."""

    bend: float
    """How far its streets swing, metres."""

    phase: float
    """Where the swing begins, radians."""

    number: int
    """Random bits for its houses."""

    def local(self, places: Places) -> tuple[Floats, Floats]:
        """Places as (across, along) the streets, metres; streets run at whole multiples of STREET_SPACING."""
        dx, dy = (places.x - self.x).astype(np.float32), (places.y - self.y).astype(np.float32)
        cos, sin = np.float32(math.cos(self.angle)), np.float32(math.sin(self.angle))
        along = cos * dx + sin * dy
        return cos * dy - sin * dx - self.swing(along), along

    def swing(self, along: Floats) -> Floats:
        """How far a street is off its straight line, metres."""
        swing: Floats = np.float32(self.bend) * np.sin(along / np.float32(95) + np.float32(self.phase))
        return swing

    def placed(self, across: Floats, along: Floats) -> Points:
        """The inverse of `local`."""
        straight = (across + self.swing(along)).astype(np.float64)
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return Points(self.x + cos * along - sin * straight, self.y + sin * along + cos * straight)

    def remoteness(self, across: Floats, along: Floats, ragged: Floats) -> Floats:
        """0 in the centre, 1 where the village ends."""
        inward = np.hypot(across / np.float32(self.short), along / np.float32(self.long))
        remote: Floats = (inward + np.float32(0.15) * ragged).astype(np.float32)
        return remote


def ragged_at(world: World, places: Places) -> Floats:
    """The noise by which village outlines are ragged."""
    return places.noise(world.key("village outline"), 75.0)


@functools.lru_cache(maxsize=4096)
def village_in(world: World, i: int, j: int) -> Village:
    """The village of a lattice cell: of a few random sites the one furthest from water."""
    order = np.arange(_CANDIDATES)
    sites = hashed(world.key("village site"), np.full(_CANDIDATES, i), np.full(_CANDIDATES, j) * 64 + order)
    x = (i + 0.5 + (unit(sites, 0).astype(np.float64) - 0.5) * 0.44) * VILLAGE_CELL
    y = (j + 0.5 + (unit(sites, 1).astype(np.float64) - 0.5) * 0.44) * VILLAGE_CELL
    terrain = terrain_at(world, Points(x, y))
    best = int(np.argmax(np.minimum(terrain.shore, _CLEARANCE) + 60 * np.minimum(terrain.basin, 1)))
    bits = hashed(world.key("village"), np.array([i]), np.array([j]))
    size, shape, angle, bend = (float(unit(bits, part)[0]) for part in range(4))
    radius = math.sqrt(world.mix.villages) * (128 + 70 * size)
    return Village(
        x=float(x[best]),
        y=float(y[best]),
        angle=angle * math.pi,
        long=radius * (1.0 + 0.35 * shape),
        short=radius * (1.0 - 0.2 * shape),
        bend=4 + 12 * bend,
        phase=6.28 * (1 - size),
        number=int(bits[0] >> np.uint64(40)),
    )


def villages_near(world: World, places: Places) -> list[Village]:
    """Every village that may reach one of the places."""
    if world.mix.villages == 0:
        return []
    reach = VILLAGE_REACH * math.sqrt(max(1.0, world.mix.villages))
    left, right = places.x.min() - reach, places.x.max() + reach
    low, high = places.y.min() - reach, places.y.max() + reach
    return [
        village
        for j in range(math.floor(low / VILLAGE_CELL), math.floor(high / VILLAGE_CELL) + 1)
        for i in range(math.floor(left / VILLAGE_CELL), math.floor(right / VILLAGE_CELL) + 1)
        if left <= (village := village_in(world, i, j)).x <= right and low <= village.y <= high
    ]


@functools.lru_cache(maxsize=1024)
def streets_of(world: World, village: Village) -> Doubles:
    """Street segments of a village, (n, 4): x and y of both ends, metres; none in water."""
    block = LOT * _LOTS_PER_BLOCK
    reach = math.ceil(max(village.long, village.short) / block) + 1
    steps = np.arange(-reach * _LOTS_PER_BLOCK, reach * _LOTS_PER_BLOCK + 1) * LOT
    lines = np.arange(-reach * 2, reach * 2 + 1) * STREET_SPACING
    main_across, main_along = (grid.astype(np.float32) for grid in np.meshgrid(lines, steps, indexing="ij"))
    ticks = np.arange(-reach * 4, reach * 4 + 1) * (STREET_SPACING / 2)
    side_along, side_across = (
        grid.astype(np.float32) for grid in np.meshgrid(np.arange(-reach, reach + 1) * block, ticks, indexing="ij")
    )
    parts = []
    for across, along in ((main_across, main_along), (side_across, side_along)):
        places = village.placed(across.ravel(), along.ravel())
        remote = village.remoteness(across.ravel(), along.ravel(), ragged_at(world, places))
        terrain = terrain_at(world, places)
        usable = ((remote < 1) & (terrain.shore > LOT) & (terrain.basin > 0.1)).reshape(across.shape)  # noqa: PLR2004
        x, y = places.x.reshape(across.shape), places.y.reshape(across.shape)
        both = usable[:, :-1] & usable[:, 1:]
        parts.append(np.stack([x[:, :-1], y[:, :-1], x[:, 1:], y[:, 1:]], axis=-1)[both])
    return np.concatenate(parts)


def lots_of(world: World, village: Village) -> tuple[Floats, Floats, Floats]:
    """House lots of a village on dry land: street (metres across), side (-1 or 1) and middle (metres along)."""
    reach = math.ceil(max(village.long, village.short) / LOT) + 1
    number = np.arange(-reach, reach)
    lines = np.arange(-(reach // 2), reach // 2 + 1) * STREET_SPACING
    street, side, along = (
        grid.ravel().astype(np.float32)
        for grid in np.meshgrid(lines, np.array([-1.0, 1.0]), (number + 0.5) * LOT, indexing="ij")
    )
    places = village.placed(street + side * 12, along)
    terrain = terrain_at(world, places)
    remote = village.remoteness(street + side * 12, along, ragged_at(world, places))
    dry = (terrain.shore > 12) & (terrain.basin > 0.12)  # noqa: PLR2004 - metres, relief
    keep = dry & (remote < 0.97)  # noqa: PLR2004 - a garden behind the last house
    return street[keep], side[keep], along[keep]
