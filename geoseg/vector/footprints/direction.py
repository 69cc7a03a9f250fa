"""The direction of a building: most of its walls run along it or across it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled

_BINS = 90
"""Degrees of a quarter turn."""

_CHORD = 4
"""Points of a contour from one end of a chord to the other: long enough that pixels do not tell in its angle."""

_SPREAD = 8
"""How far from the most frequent angle others count for the direction, degrees."""


@compiled
def main_direction(points: NDArray[np.float64], rings: NDArray[np.int64]) -> float:
    """The angle of walls to the columns' axis, from 0 to a quarter turn, radians.

    Chords of the contour vote with their lengths for their angle modulo a quarter turn. The direction is the mean of
    the votes near the most frequent angle.

    Args:
        points: contour, as from `trace_contour`.
        rings: its rings.
    """
    votes = np.zeros(_BINS)
    for ring in range(len(rings) - 1):
        _vote(points[rings[ring] : rings[ring + 1]], votes)
    peak = _peak(votes)
    east, south = 0.0, 0.0
    for step in range(-_SPREAD, _SPREAD + 1):
        weight = votes[(peak + step) % _BINS]
        angle = (peak + step + 0.5) * 2 * np.pi / _BINS
        east += weight * np.cos(angle)
        south += weight * np.sin(angle)
    return float(np.arctan2(south, east) / 4 % (np.pi / 2))


@compiled
def _vote(ring: NDArray[np.float64], votes: NDArray[np.float64]) -> None:
    count = len(ring)
    for begin in range(count):
        end = (begin + _CHORD) % count
        x, y = ring[end, 0] - ring[begin, 0], ring[end, 1] - ring[begin, 1]
        angle = np.arctan2(y, x) / (np.pi / 2) % 1.0
        votes[int(angle * _BINS) % _BINS] += np.sqrt(x * x + y * y)


@compiled
def _peak(votes: NDArray[np.float64]) -> int:
    """The bin with most votes within half the spread."""
    best, most = 0, -1.0
    for middle in range(_BINS):
        total = 0.0
        for step in range(-_SPREAD // 2, _SPREAD // 2 + 1):
            total += votes[(middle + step) % _BINS] * (1 - abs(step) / _SPREAD)
        if total > most:
            best, most = middle, total
    return best
