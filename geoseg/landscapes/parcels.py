"""The field pattern: systems of parallel parcels, each system with its own direction and sizes.

Systems are the Voronoi cells of a jittered lattice; inside one, rows of parcels are laid like bricks.
Knows geometry only: what grows in a parcel is read from its random bits elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.landscapes.noise import Doubles, Floats, Places, hashed, unit
from geoseg.landscapes.spec import World

_SYSTEM = 430.0  # metres from one system of parcels to the next
_JITTER = 0.36  # of a system, to each side
_RAGGED = np.float32(0.3)  # of a parcel's width, how far its sides move


@dataclass(frozen=True, slots=True)
class Parcels:
    """The parcel at each place."""

    bits: NDArray[np.uint64]
    """Random bits, the same in the whole parcel."""

    edge: Floats
    """Metres to the nearest side of the parcel."""

    system_edge: Floats
    """Metres to the nearest neighbouring system."""

    across: Floats
    """Metres across the direction of its rows."""


@dataclass(frozen=True, slots=True)
class _Systems:
    x: Doubles
    y: Doubles
    bits: NDArray[np.uint64]
    cos: Floats
    sin: Floats
    width: Floats
    length: Floats


def parcels_at(world: World, places: Places) -> Parcels:
    """The parcels of places; all fields have the shape to which x and y broadcast."""
    systems = _systems_near(world, places)
    system, system_edge = _nearest(systems, places)
    dx = (places.x - systems.x[system]).astype(np.float32)
    dy = (places.y - systems.y[system]).astype(np.float32)
    cos, sin = systems.cos[system], systems.sin[system]
    u, v = cos * dx + sin * dy, cos * dy - sin * dx
    width, length = systems.width[system], systems.length[system]
    key = systems.bits[system]
    row = np.floor(v / length)
    rows = row.astype(np.int64)
    shift = unit(hashed(world.key("brick"), key.astype(np.int64), rows))
    place = u / width + shift
    left = np.floor(place).astype(np.int64)
    inside = place - left
    lines = hashed(world.key("line"), key.astype(np.int64) ^ (rows << 20), left)
    following = hashed(world.key("line"), key.astype(np.int64) ^ (rows << 20), left + 1)
    near = (unit(lines) - np.float32(0.5)) * _RAGGED
    far = 1 + (unit(following) - np.float32(0.5)) * _RAGGED
    before, after = inside < near, inside >= far
    column = left - before + after
    bits = hashed(world.key("parcel"), key.astype(np.int64) ^ (rows << 20), column)
    to_side = np.minimum(np.abs(inside - near), np.abs(inside - far)) * width
    to_end = np.minimum(v - row * length, (row + 1) * length - v)
    edge = np.minimum(np.minimum(to_side, to_end), system_edge)
    return Parcels(bits, edge.astype(np.float32), system_edge, u)


def _systems_near(world: World, places: Places) -> _Systems:
    i = np.arange(math.floor(places.x.min() / _SYSTEM) - 2, math.floor(places.x.max() / _SYSTEM) + 3)
    j = np.arange(math.floor(places.y.min() / _SYSTEM) - 2, math.floor(places.y.max() / _SYSTEM) + 3)
    i, j = (index.ravel() for index in np.meshgrid(i, j))
    where, kind = hashed(world.key("system"), i, j), hashed(world.key("system kind"), i, j)
    angle = unit(kind, 0) * np.float32(math.pi)
    return _Systems(
        x=(i + 0.5 + (unit(where, 0) * 2 - 1) * _JITTER) * _SYSTEM,
        y=(j + 0.5 + (unit(where, 1) * 2 - 1) * _JITTER) * _SYSTEM,
        bits=kind,
        cos=np.cos(angle),
        sin=np.sin(angle),
        width=38 + 62 * unit(kind, 1) ** 2,
        length=130 + 150 * unit(kind, 2),
    )


def _nearest(systems: _Systems, places: Places) -> tuple[NDArray[np.intp], Floats]:
    """The index of the system of each place, and metres to the border with the next one."""
    shape = np.broadcast_shapes(places.x.shape, places.y.shape)
    nearest = np.full(shape, np.inf, dtype=np.float32)
    second = nearest.copy()
    first_index = np.zeros(shape, dtype=np.intp)
    second_index = first_index.copy()
    for index in range(len(systems.x)):
        dx = (places.x - systems.x[index]).astype(np.float32)
        dy = (places.y - systems.y[index]).astype(np.float32)
        distance = dx * dx + dy * dy
        closest, closer = distance < nearest, distance < second
        np.copyto(second_index, np.where(closest, first_index, index), where=closer)
        np.copyto(second, np.where(closest, nearest, distance), where=closer)
        np.copyto(first_index, index, where=closest)
        np.copyto(nearest, distance, where=closest)
    apart = np.hypot(systems.x[first_index] - systems.x[second_index], systems.y[first_index] - systems.y[second_index])
    return first_index, ((second - nearest) / (2 * apart)).astype(np.float32)
