"""Relief and water: valleys with a meandering river in each, lakes in the hollows, woods on the heights.

Fields over places only; knows nothing of pixels, parcels or villages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from geoseg.landscapes.noise import Floats, Places, hashed, unit
from geoseg.landscapes.spec import World

_VALLEY = 760.0  # metres from one river to the next
_MEANDERS = ((0.42, 2600.0), (0.22, 1000.0), (0.1, 390.0), (0.018, 120.0))  # valleys, metres
_STEP = 4.0  # metres over which slopes are measured
_DRY = 1e4


@dataclass(frozen=True, slots=True)
class Terrain:
    """Height and water at places."""

    shore: Floats
    """Metres to the bank of the nearest river, negative in the water."""

    basin: Floats
    """How far above the lake level, in units of the relief (about 1 per 150 m of shore); negative in a lake."""

    elevation: Floats
    """Relative height: about 0 in valleys, 1 and more on heights."""


def terrain_at(world: World, places: Places) -> Terrain:
    """Water and relief of places; all fields have the shape to which x and y broadcast."""
    shore, valley_side = _rivers(world, places)
    basin = basin_at(world, places)
    side = np.clip(valley_side, 0, 1)
    swell = places.noise(world.key("swell"), 420.0)
    return Terrain(shore, basin, side * side * (np.float32(2.1) - np.float32(1.4) * side) + np.float32(0.3) * swell)


def basin_at(world: World, places: Places) -> Floats:
    """The field `Terrain.basin` alone."""
    if world.mix.water == 0:
        return np.full(np.broadcast_shapes(places.x.shape, places.y.shape), _DRY, dtype=np.float32)
    hollow = places.noise(world.key("hollow"), 250.0)
    ripple = places.noise(world.key("lake shore"), 70.0)
    return hollow + np.float32(0.12) * ripple + np.float32(2.12 / world.mix.water**0.35)


def _rivers(world: World, places: Places) -> tuple[Floats, Floats]:
    """Metres to the bank, and the way from the river (0) towards the watershed (2)."""
    phase = _phase(world, places)
    slope_x = (_phase(world, places.moved(_STEP, 0)) - phase) / _STEP
    slope_y = (_phase(world, places.moved(0, _STEP)) - phase) / _STEP
    river = np.floor(phase)
    middle = np.abs(phase - river - 0.5).astype(np.float32)
    steepness = np.maximum(np.hypot(slope_x, slope_y), 0.3 / _VALLEY).astype(np.float32)
    size = unit(hashed(world.key("river size"), river.astype(np.int64), np.zeros_like(river, dtype=np.int64)))
    pools = 1 + np.float32(0.16) * places.noise(world.key("river pools"), 140.0)
    half_width = world.mix.water * (12.2 + 7.0 * size) * pools
    if world.mix.water == 0:
        half_width = np.full_like(half_width, -_DRY)
    return (middle / steepness - half_width).astype(np.float32), middle * np.float32(_VALLEY / 240)


def _phase(world: World, places: Places) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """A field that grows by 1 from valley to valley; a river runs where its fraction is a half."""
    course = float(unit(hashed(world.key("course"), np.array([0]), np.array([0])))[0]) * math.pi
    phase = (places.x * math.cos(course) + places.y * math.sin(course)) / _VALLEY
    for number, (reach, period) in enumerate(_MEANDERS):
        phase = phase + reach * places.noise(world.key(f"meander {number}"), period)
    return np.asarray(phase, dtype=np.float64)


def forest_rank(world: World, places: Places, terrain: Terrain) -> Floats:
    """How much a place inclines to woodland; a wood where it is above 0."""
    rank = np.float32(0.4) * (terrain.elevation - np.float32(0.45))
    for period, weight in ((900.0, 0.16), (330.0, 0.5), (140.0, 0.36), (52.0, 0.2), (19.0, 0.1)):
        rank = rank + np.float32(weight) * places.noise(world.key(f"wood {period}"), period)
    least = 0.62 - 0.72 * math.log2(world.mix.forest) if world.mix.forest > 0 else _DRY
    return rank - np.float32(least)
