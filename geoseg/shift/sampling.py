"""Which windows of scenes stand for all of them, and which of those are held out. Knows nothing of networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import SceneError
from geoseg.raster.patch import Patch, SceneReader
from geoseg.shift.windows import Place, WindowSample
from geoseg.window import Window

Size = tuple[int, int]
"""Rows and columns."""

_LEAST_VALID = 0.05
_ENOUGH = 0.75
_MOST_FINER = 8
_LARGEST_CLUSTER = 0.25
_RUNS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampledScene:
    """A scene on the grid that a model sees."""

    reader: SceneReader
    """Of its pixels."""

    scale: float
    """From its numbers to the unit of the model's normaliser."""

    present: tuple[int, ...]
    """For each band of the reader its position among the model's, from 0."""

    bands: int
    """How many the model has."""


def sample_windows(
    scenes: Sequence[SampledScene], *, side: int, count: int, seed: int, stored: Size = (1, 1)
) -> WindowSample:
    """Windows spread evenly over scenes, each with as many as its area deserves; no two share a pixel.

    A scene is cut into cells of equal area, and each cell has one window at a random place. Windows that are nearly all
    nodata are left out; where that costs too many, the cells are made smaller once.

    Args:
        scenes: open scenes; each is read from top to bottom.
        side: of a window, px; what lies outside the scene is not valid.
        count: windows at most; small scenes and nodata give fewer.
        seed: of the places.
        stored: rows and columns of a storage block, px; a window that fits one lies in one where it can.

    Returns:
        By scene, then row-major. The same arguments give the same bytes.

    Raises:
        SceneError: if no window has a valid pixel, or a scene cannot be read.
    """
    lattice = _Lattice(side=side, stored=stored)
    places = _places(scenes, count, lattice, seed)
    found = _read(scenes, places)
    if len(found) < _ENOUGH * len(places):
        finer = _places(scenes, min(_MOST_FINER * count, count * count // max(len(found), 1)), lattice, seed)
        again = _read(scenes, finer) if len(finer) > len(places) else []
        found = [again[number] for number in _evenly(len(again), count)] if len(again) > len(found) else found
    if not found:
        raise SceneError(f"no valid pixel in {len(scenes)} scenes: check their nodata value and the bands")
    return WindowSample(
        images=np.stack([_image(scenes[place.scene], patch) for place, patch in found]),
        valid=np.stack([patch.valid for _, patch in found]),
        places=tuple(place for place, _ in found),
    )


def split_sample(sample: WindowSample, *, held_out: float) -> tuple[WindowSample, WindowSample]:
    """Windows to learn from and windows held out, spread alike over the ground.

    Windows that touch stay together where that leaves enough apart; else the ground is cut along lines. A single
    window is cut in two by its valid pixels.

    Args:
        sample: windows that share no pixel.
        held_out: share of the windows to hold out, above 0 and below 1.

    Returns:
        To learn from, held out; neither is empty, no pixel is valid in both.
    """
    if len(sample) == 1:
        return _halves(sample, held_out)
    held = _held_out(sample.places, held_out)
    return sample.part(np.flatnonzero(~held)), sample.part(np.flatnonzero(held))


def clusters(places: Sequence[Place]) -> NDArray[np.intp]:
    """Numbers of the groups of windows that touch one another: (n,), from 0, in the order of their first window."""
    numbers = np.arange(len(places))
    scene, top, left, bottom, right = np.array(
        [(p.scene, p.window.row, p.window.col, p.window.bottom, p.window.right) for p in places]
    ).T
    for first in range(len(places)):
        touching = (scene == scene[first]) & (top <= bottom[first]) & (bottom >= top[first])
        touching &= (left <= right[first]) & (right >= left[first])
        joined = np.unique(numbers[touching])
        numbers[np.isin(numbers, joined)] = joined[0]
    return np.unique(numbers, return_inverse=True)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lattice:
    side: int
    stored: Size


def _places(scenes: Sequence[SampledScene], count: int, lattice: _Lattice, seed: int) -> list[Place]:
    """At most `count` places: equal steps through the area of all scenes say how many each scene has."""
    areas = np.array([scene.reader.georef.height * scene.reader.georef.width for scene in scenes], dtype=np.float64)
    steps = (np.arange(count) + 0.5) / count * areas.sum()
    owners = np.minimum(np.searchsorted(np.cumsum(areas), steps, side="right"), len(areas) - 1)
    found = []
    for number, share in enumerate(np.bincount(owners, minlength=len(areas)).tolist()):
        rng = np.random.default_rng((seed, number))
        windows = _spread(scenes[number].reader.georef.window, lattice, share, rng)
        found += [Place(scene=number, window=window) for window in windows]
    return found


def _read(scenes: Sequence[SampledScene], places: Sequence[Place]) -> list[tuple[Place, Patch]]:
    """Places with their pixels, without those that are nearly all nodata unless all are."""
    found, poor = [], []
    for place in places:
        reader = scenes[place.scene].reader
        patch = reader.read(place.window)
        inside = place.window.intersect(reader.georef.window)
        pixels = int(patch.valid.sum())
        if inside is not None and pixels >= _LEAST_VALID * inside.height * inside.width:
            found.append((place, patch))
        elif pixels and not found:
            poor.append((place, patch))
    return found or poor


def _spread(scene: Window, lattice: _Lattice, count: int, rng: np.random.Generator) -> Iterator[Window]:
    """At most `count` windows, one in each of as many cells, row-major; those of a row start on the same row."""
    side, (stored_rows, stored_cols) = lattice.side, lattice.stored
    most_rows, most_cols = (max(1, round(size / side)) for size in (scene.height, scene.width))
    count = min(count, most_rows * most_cols)
    if count == 0:
        return
    fewest = -(-count // most_cols)
    rows = min(max(round((count * scene.height / scene.width) ** 0.5), fewest, 1), most_rows, count)
    tops = _starts(scene.height, side, rows, rng, stored_rows)
    ends = np.linspace(0, count, rows + 1).round().astype(int)
    for top, cols in zip(tops, np.diff(ends).tolist(), strict=True):
        for left in _starts(scene.width, side, cols, rng, stored_cols):
            yield Window(row=top, col=left, height=side, width=side)


def _starts(size: int, side: int, count: int, rng: np.random.Generator, stored: int) -> list[int]:
    """Where `count` windows start, each at random in its part of `size` px; side by side where there is no room."""
    if size < count * side:
        first = (size - count * side) // 2
        return [first + number * side for number in range(count)]
    edges = np.linspace(0, size, count + 1).astype(int)
    lows, highs = edges[:-1], np.maximum(edges[1:] - side, edges[:-1])
    places = zip(lows.tolist(), highs.tolist(), strict=True)
    return [_within(int(rng.integers(low, high + 1)), low, high, side, stored) for low, high in places]


def _within(start: int, low: int, high: int, side: int, stored: int) -> int:
    """The nearest start from `low` to `high` of a window in one storage block; the same start where there is none."""
    first = start // stored * stored
    if side > stored or start + side <= first + stored:
        return start
    near = sorted((first + stored - side, first + stored), key=lambda other: abs(other - start))
    return next((other for other in near if low <= other <= high), start)


def _evenly(length: int, count: int) -> list[int]:
    """At most `count` numbers below `length`, in equal steps."""
    if length <= count:
        return list(range(length))
    return [int((number + 0.5) * length / count) for number in range(count)]


def _image(scene: SampledScene, patch: Patch) -> NDArray[np.float32]:
    image = np.full((scene.bands, *patch.valid.shape), np.nan, dtype=np.float32)
    image[list(scene.present)] = patch.image.astype(np.float32) * np.float32(scene.scale)
    return image


def _held_out(places: Sequence[Place], share: float) -> NDArray[np.bool_]:
    """(n,), True for those to hold out."""
    groups = clusters(places)
    sizes = np.bincount(groups)
    if sizes.max() <= max(1, _LARGEST_CLUSTER * len(places)):
        middles = (np.cumsum(sizes) - sizes / 2) / len(places)
        held = _in_turn(middles, share, turns=max(1, round(len(sizes) * share)))[groups]
    else:
        ranks = np.empty(len(places))
        ranks[_along(places)] = (np.arange(len(places)) + 0.5) / len(places)
        held = _in_turn(ranks, share, turns=_RUNS)
    if held.all() or not held.any():
        held = np.arange(len(places)) >= min(max(round(len(places) * (1 - share)), 1), len(places) - 1)
    return held


def _in_turn(ranks: NDArray[np.float64], share: float, *, turns: int) -> NDArray[np.bool_]:
    """True in the last part of each of as many turns through 0 to 1."""
    return np.asarray(np.modf(ranks * turns)[0] >= 1 - share)


def _along(places: Sequence[Place]) -> list[int]:
    """The numbers of windows along the longer side of each scene."""
    corners: dict[int, list[tuple[int, int]]] = {}
    for place in places:
        corners.setdefault(place.scene, []).append((place.window.row, place.window.col))
    tall = {scene: bool(np.ptp(found, axis=0).argmax() == 0) for scene, found in corners.items()}

    def order(number: int) -> tuple[int, int, int]:
        window, scene = places[number].window, places[number].scene
        return (scene, window.row, window.col) if tall[scene] else (scene, window.col, window.row)

    return sorted(range(len(places)), key=order)


def _halves(sample: WindowSample, held_out: float) -> tuple[WindowSample, WindowSample]:
    """One window twice: its upper valid pixels and its lower ones."""
    below = np.cumsum(sample.valid.sum(axis=(0, 2)))
    cut = int(np.searchsorted(below, (1 - held_out) * below[-1], side="left")) + 1
    upper, lower = sample.valid.copy(), sample.valid.copy()
    upper[:, cut:], lower[:, :cut] = False, False
    return replace(sample, valid=upper), replace(sample, valid=lower)
