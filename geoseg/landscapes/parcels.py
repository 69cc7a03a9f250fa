"""The field pattern: systems of parallel parcels, each system with its own direction and sizes.

Systems are the Voronoi cells of a jittered lattice; inside one, rows of parcels are laid like bricks.
Knows geometry only: what grows in a parcel is read from its random bits elsewhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.landscapes.noise import Doubles, Floats, Grid, hashed, unit
from geoseg.landscapes.spec import World

_SYSTEM = 430.0  # metres from one system of parcels to the next
_JITTER = 0.36  # of a system, to each side
_BLOCK = 128  # px
_RAGGED = np.float32(0.3)  # of a parcel's width, how far its sides move


@dataclass(frozen=True, slots=True)
class Parcels:
    """The parcel at each pixel."""

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


def parcels_over(world: World, grid: Grid) -> Parcels:
    """The parcels of the pixels of a grid; all fields have its shape."""
    systems = _systems_near(world, grid)
    system, system_edge = _nearest(systems, grid)
    dx = (grid.x - systems.x[system]).astype(np.float32)
    dy = (grid.y - systems.y[system]).astype(np.float32)
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


def _systems_near(world: World, grid: Grid) -> _Systems:
    i = np.arange(math.floor(grid.x.min() / _SYSTEM) - 2, math.floor(grid.x.max() / _SYSTEM) + 3)
    j = np.arange(math.floor(grid.y.min() / _SYSTEM) - 2, math.floor(grid.y.max() / _SYSTEM) + 3)
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


def _nearest(systems: _Systems, grid: Grid) -> tuple[NDArray[np.intp], Floats]:
    """The index of the system of each pixel, and metres to the border with the next one."""
    index = np.empty(grid.shape, dtype=np.intp)
    border = np.empty(grid.shape, dtype=np.float32)
    for top in range(0, grid.shape[0], _BLOCK):
        for left in range(0, grid.shape[1], _BLOCK):
            part = slice(top, top + _BLOCK), slice(left, left + _BLOCK)
            index[part], border[part] = _nearest_in(systems, grid.xs[part[1]], grid.ys[part[0]])
    return index, border


def _nearest_in(systems: _Systems, xs: Doubles, ys: Doubles) -> tuple[NDArray[np.intp], Floats]:
    """As `_nearest`, for a block small enough that few systems come into question."""
    nearest = np.full((len(ys), len(xs)), np.inf, dtype=np.float32)
    second = nearest.copy()
    first_index = np.zeros(nearest.shape, dtype=np.intp)
    second_index = first_index.copy()
    for index in _candidates(systems, xs, ys):
        dx = (xs - systems.x[index]).astype(np.float32)[None, :]
        dy = (ys - systems.y[index]).astype(np.float32)[:, None]
        distance = dx * dx + dy * dy
        closest, closer = distance < nearest, distance < second
        np.copyto(second_index, np.where(closest, first_index, index), where=closer)
        np.copyto(second, np.where(closest, nearest, distance), where=closer)
        np.copyto(first_index, index, where=closest)
        np.copyto(nearest, distance, where=closest)
    apart = np.hypot(systems.x[first_index] - systems.x[second_index], systems.y[first_index] - systems.y[second_index])
    return first_index, ((second - nearest) / (2 * apart)).astype(np.float32)


def _candidates(systems: _Systems, xs: Doubles, ys: Doubles) -> NDArray[np.intp]:
    """Systems that can be nearest or second nearest somewhere in a block.

    Those that are nowhere closer than two others are everywhere cannot.
    """
    beside = np.maximum(0, np.maximum(xs.min() - systems.x, systems.x - xs.max()))
    above = np.maximum(0, np.maximum(ys.min() - systems.y, systems.y - ys.max()))
    across = np.maximum(xs.max() - systems.x, systems.x - xs.min())
    down = np.maximum(ys.max() - systems.y, systems.y - ys.min())
    enough = np.partition(np.hypot(across, down), 1)[1]
    return np.flatnonzero(np.hypot(beside, above) <= enough)
