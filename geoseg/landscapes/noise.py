"""Counter-based randomness: hashes of lattice points and smooth noise over places. Knows nothing of land.

A value depends on its key and its place in metres alone, never on what else is asked for.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_TO_UNIT_VARIANCE = 3.6  # of a cubic B-spline through uniform numbers in -1..1
_ONE_THREAD = 200_000  # multiplications up to which OpenBLAS starts no threads: they cost more than they save
_WORD = 0xFFFF_FFFF_FFFF_FFFF


def key_of(seed: int, name: str) -> np.uint64:
    """The key of one stream of random numbers of a world."""
    return np.uint64((seed * 0x9E37_79B9_7F4A_7C15 + zlib.crc32(name.encode()) * 0xD1B5_4A32_D192_ED03) & _WORD)


def hashed(key: np.uint64, i: NDArray[np.int64], j: NDArray[np.int64]) -> NDArray[np.uint64]:
    """64 random bits for each lattice point (i, j), by SplitMix64 (Steele et al., 2014) of a mixed index."""
    bits = np.asarray(i).astype(np.uint64) * np.uint64(0x9FB2_1C65_1E98_DF25)
    bits = np.atleast_1d(bits + np.asarray(j).astype(np.uint64) * np.uint64(0xC2B2_AE3D_27D4_EB4F) + key)
    for shift, factor in ((30, 0xBF58_476D_1CE4_E5B9), (27, 0x94D0_49BB_1331_11EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return bits ^ (bits >> np.uint64(31))


def unit(bits: NDArray[np.uint64], part: int = 0) -> Floats:
    """One of the four independent uniform numbers in [0, 1) inside 64 random bits."""
    return ((bits >> np.uint64(16 * part)) & np.uint64(0xFFFF)).astype(np.float32) / np.float32(65536)


def spline_weights(fraction: Doubles) -> Doubles:
    """Weights (4, ...) of the nodes -1, 0, 1, 2 of a uniform cubic B-spline at a fraction of a cell."""
    f = fraction
    return np.stack(
        [(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3],
    ) / 6  # fmt: skip


class Places(Protocol):
    """Where something is asked for: a grid of pixels or scattered points."""

    @property
    def x(self) -> Doubles:
        """Map x, metres; broadcasts with `y`."""

    @property
    def y(self) -> Doubles:
        """Map y, metres."""

    def moved(self, dx: float, dy: float) -> Places:
        """The same places some metres further."""

    def noise(self, key: np.uint64, period: float) -> Floats:
        """Smooth noise of mean 0 and variance near 1, with one random value per `period` metres."""


@dataclass(frozen=True, slots=True)
class Points:
    """Scattered places, both arrays of one shape (n,)."""

    x: Doubles
    y: Doubles

    def moved(self, dx: float, dy: float) -> Points:
        """As `Places.moved`."""
        return Points(self.x + dx, self.y + dy)

    def noise(self, key: np.uint64, period: float) -> Floats:
        """As `Places.noise`, shape (n,)."""
        i, j = np.floor(self.x / period).astype(np.int64), np.floor(self.y / period).astype(np.int64)
        across, down = spline_weights(self.x / period - i), spline_weights(self.y / period - j)
        steps = np.arange(-1, 3)
        bits = hashed(key, i + steps[:, None, None], j + steps[None, :, None])
        values = (unit(bits) * 2 - 1) * across[:, None] * down[None, :]
        total: Floats = (values.sum(axis=(0, 1)) * _TO_UNIT_VARIANCE).astype(np.float32)
        return total


@dataclass(frozen=True, slots=True)
class Grid:
    """Centres of the pixels of a north-up grid."""

    xs: Doubles
    """(width,) map x of the columns, metres."""

    ys: Doubles
    """(height,) map y of the rows, metres."""

    gsd: float
    """Distance between neighbours, metres."""

    @property
    def x(self) -> Doubles:
        """Of shape (1, width)."""
        return self.xs[None, :]

    @property
    def y(self) -> Doubles:
        """Of shape (height, 1)."""
        return self.ys[:, None]

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return len(self.ys), len(self.xs)

    def around(self, left: float, right: float, low: float, high: float, reach: float) -> tuple[slice, slice]:
        """The rows and columns within `reach` metres of a rectangle of map coordinates; may be empty."""
        first_col = math.floor((left - reach - self.xs[0]) / self.gsd)
        last_col = math.ceil((right + reach - self.xs[0]) / self.gsd) + 1
        first_row = math.floor((self.ys[0] - high - reach) / self.gsd)
        last_row = math.ceil((self.ys[0] - low + reach) / self.gsd) + 1
        return slice(max(0, first_row), max(0, last_row)), slice(max(0, first_col), max(0, last_col))

    def moved(self, dx: float, dy: float) -> Grid:
        """As `Places.moved`."""
        return Grid(self.xs + dx, self.ys + dy, self.gsd)

    def noise(self, key: np.uint64, period: float) -> Floats:
        """As `Places.noise`, shape (height, width); fades out where the grid is too coarse to show it."""
        fade = min(1.0, period / self.gsd - 1)
        if fade <= 0:
            return np.zeros(self.shape, dtype=np.float32)
        left, across = _axis_weights(self.xs, period)
        top, down = _axis_weights(self.ys, period)
        i = left + np.arange(across.shape[1])
        j = top + np.arange(down.shape[1])
        values: Floats = unit(hashed(key, i[None, :], j[:, None])) * np.float32(2) - np.float32(1)
        values *= np.float32(_TO_UNIT_VARIANCE * fade)
        return _blended(down, _blended(across, values.T).T)


def _axis_weights(at: Doubles, period: float) -> tuple[int, Floats]:
    """The first lattice node of an axis and the weights (len(at), nodes) of the nodes from there on."""
    node = np.floor(at / period).astype(np.int64)
    weights = spline_weights(at / period - node)
    first = int(node.min()) - 1
    matrix = np.zeros((len(at), int(node.max()) + 3 - first), dtype=np.float32)
    for step in range(4):
        matrix[np.arange(len(at)), node - 1 + step - first] = weights[step]
    return first, matrix


def _blended(weights: Floats, values: Floats) -> Floats:
    """`weights @ values` for weights that are zero off a band, in products too small for BLAS to use threads."""
    length, nodes = weights.shape
    density = nodes / length
    budget = _ONE_THREAD / values.shape[1]
    rows = max(1, int((math.sqrt(16 + 4 * density * budget) - 4) / (2 * density)))
    result = np.empty((length, values.shape[1]), dtype=np.float32)
    for start in range(0, length, rows):
        part = weights[start : start + rows]
        used = np.flatnonzero(part.any(axis=0))
        band = slice(used[0], used[-1] + 1)
        np.matmul(part[:, band], values[band], out=result[start : start + rows])
    return result
