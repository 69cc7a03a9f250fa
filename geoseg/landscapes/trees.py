"""Tree crowns: one candidate per cell of a jittered lattice, drawn as shaded domes. Decides no land use."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.landscapes.noise import Floats, Grid, hashed, unit
from geoseg.landscapes.spec import World

TREE_CELL = 6.4
"""Metres from tree to tree in a closed wood."""

_JITTER = np.float32(0.34)
_CLEAR = np.float32(1e9)  # inverse square radius where no tree stands


@dataclass(frozen=True, slots=True)
class Crowns:
    """The crown above each pixel, all (height, width)."""

    here: NDArray[np.bool_]
    """True = under a crown."""

    height: Floats
    """Metres; 0 outside crowns."""

    light: Floats
    """Brightness of the side that is seen, about 1."""

    bits: NDArray[np.uint64]
    """Random bits of the tree."""


def tree_sites(grid: Grid) -> Grid:
    """The lattice of sites that can reach the pixels of a grid; each place stands for one possible tree."""
    i = np.arange(math.floor(grid.xs[0] / TREE_CELL) - 1, math.floor(grid.xs[-1] / TREE_CELL) + 2)
    j = np.arange(math.floor(grid.ys[-1] / TREE_CELL) - 1, math.floor(grid.ys[0] / TREE_CELL) + 2)
    return Grid((i + 0.5) * TREE_CELL, (j + 0.5) * TREE_CELL, TREE_CELL)


def site_bits(world: World, sites: Grid) -> NDArray[np.uint64]:
    """Random bits of each site, shape of the sites."""
    i, j = (np.floor(axis / TREE_CELL).astype(np.int64) for axis in (sites.xs, sites.ys))
    return hashed(world.key("tree"), i[None, :], j[:, None])


def crowns_over(
    grid: Grid, sites: Grid, bits: NDArray[np.uint64], standing: NDArray[np.bool_], sun: tuple[float, float]
) -> Crowns:
    """Draw the crowns of the standing trees (True = a tree); the side towards the sun, (x, y), is brighter."""
    radius = np.float32(2.7) + np.float32(1.9) * unit(bits, 2)
    inverse = np.where(standing, 1 / (radius * radius), _CLEAR)
    x = (unit(bits, 0) - np.float32(0.5)) * (2 * _JITTER * np.float32(TREE_CELL))
    y = (unit(bits, 1) - np.float32(0.5)) * (2 * _JITTER * np.float32(TREE_CELL))
    col = np.floor(grid.xs / TREE_CELL).astype(np.int64) - math.floor(sites.xs[0] / TREE_CELL)
    row = np.floor(grid.ys / TREE_CELL).astype(np.int64) - math.floor(sites.ys[0] / TREE_CELL)
    best = np.zeros(grid.shape, dtype=np.float32)
    light = np.ones(grid.shape, dtype=np.float32)
    winner = np.zeros(grid.shape, dtype=np.int64)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            rows, cols = (row + down)[:, None], (col + right)[None, :]
            place = rows * len(sites.xs) + cols
            to_x = (grid.xs - sites.xs[col + right]).astype(np.float32)[None, :]
            to_y = (grid.ys - sites.ys[row + down]).astype(np.float32)[:, None]
            scale = inverse.ravel()[place]
            dx, dy = to_x - x.ravel()[place], to_y - y.ravel()[place]
            dome = 1 - (dx * dx + dy * dy) * scale
            higher = dome > best
            np.copyto(best, dome, where=higher)
            np.copyto(winner, place, where=higher)
            np.copyto(light, (dx * sun[0] + dy * sun[1]) * np.sqrt(scale), where=higher)
    here = best > 0
    tall = np.float32(7) + np.float32(9) * unit(bits, 3)
    height = tall.ravel()[winner] * (np.float32(0.45) + np.float32(0.55) * np.sqrt(best))
    shade = np.float32(0.8) + np.float32(0.3) * np.sqrt(best) + np.float32(0.3) * light
    return Crowns(here, np.where(here, height, 0).astype(np.float32), shade.astype(np.float32), bits.ravel()[winner])
