"""Loops over the pixels of a tile: blend what overlaps, decide what is finished. Each byte is touched once.

Strategy: where a tile has no neighbour its pixels are decided as they come from the network. Only what overlaps is
kept: rows shared with the tiles above and below over the width of a block, columns shared with the next tile over
the height of a tile. The last tile over a pixel adds to what is kept and decides, so nothing is ever cleared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled

_NODATA = 255
_PERCENT = np.float32(100)
_ONES = np.float32(3 * 2**22)


class Kept(NamedTuple):
    """Sums of weighted probabilities that wait for tiles to come."""

    above: NDArray[np.float32]
    """(classes, overlap, width of the block); rows shared with the tiles above."""

    below: NDArray[np.float32]
    """The same, shared with the tiles below."""

    beside: NDArray[np.float32]
    """(classes, tile, overlap); columns shared with the next tile."""


class Place(NamedTuple):
    """Where a tile lies on the lattice and on its block, all in pixels."""

    rows: tuple[int, int]
    """First row of the tile that is on the block, and one past the last."""

    cols: tuple[int, int]
    """The same for columns."""

    left: int
    """Column of the block at the tile's column 0; negative where the tile begins before the block."""

    top: int
    """Row of the finished rows at the tile's row 0."""

    overlap: int
    """Shared with each neighbour."""

    stride: int
    """From the tile's origin to the next."""

    has_above: bool
    """True where a tile lies above; and so on."""

    has_below: bool
    has_left: bool
    has_right: bool


class TilePixels(NamedTuple):
    """What is known of a tile's pixels."""

    probabilities: NDArray[np.float32]
    """(classes, height, width)."""

    wanted: NDArray[np.bool_]
    """(height, width); True = to be decided."""

    down: NDArray[np.float32]
    """Weight of each row."""

    across: NDArray[np.float32]
    """Weight of each column."""


class Bytes(NamedTuple):
    """Finished rows of a block, as they are decided."""

    class_ids: NDArray[np.uint8]
    """(height, width), 255 where nothing is decided."""

    confidence: NDArray[np.uint8]
    """(height, width), percent."""

    percents: NDArray[np.uint8]
    """(classes, height, width), percent; no classes where they are not wanted."""


class Run(NamedTuple):
    """Pixels side by side."""

    values: NDArray[np.float32]
    """(classes, rows, columns)."""

    row: int
    first: int
    last: int
    """One past the last column."""


class Choice(NamedTuple):
    """What becomes of the pixels of one row of a tile."""

    best: NDArray[np.float32]
    """Probability of the class, by column."""

    ids: NDArray[np.int32]
    """Its id."""


class Legend(NamedTuple):
    """From class indices to bytes."""

    ids: NDArray[np.uint8]
    """By index."""

    thresholds: NDArray[np.float32]
    """By index; none where every class may have any probability."""


class Sums(NamedTuple):
    """Finished rows of a block, as probabilities."""

    probabilities: NDArray[np.float32]
    """(classes, height, width)."""

    wanted: NDArray[np.bool_]
    """(height, width)."""


@compiled
def decide_tile(tile: TilePixels, place: Place, kept: Kept, legend: Legend, out: Bytes) -> None:
    """Add a tile and decide the pixels that it is the last one over."""
    classes, _, width = tile.probabilities.shape
    work = np.empty((classes, 1, width), np.float32)
    row_choice = Choice(np.empty(width, np.float32), np.empty(width, np.int32))
    first, from_left, to_right, _ = _spans(place)
    for row in range(place.rows[0], place.rows[1]):
        if place.has_below and row >= place.stride:
            _keep_below(tile, place, kept.below, row)
            continue
        if place.has_above and row < place.overlap:
            _finish_above(tile, place, kept.above, row, work)
            _choose(Run(work, 0, first, to_right), tile.wanted[row], legend, row_choice, out, _at(place, row))
        else:
            _finish_beside(tile, place, kept.beside, row, work)
            _choose(Run(work, 0, first, from_left), tile.wanted[row], legend, row_choice, out, _at(place, row))
            alone = Run(tile.probabilities, row, from_left, to_right)
            _choose(alone, tile.wanted[row], legend, row_choice, out, _at(place, row))
        _put(row_choice, (first, to_right), tile.wanted[row], out, _at(place, row))


@compiled
def sum_tile(tile: TilePixels, place: Place, kept: Kept, out: Sums) -> None:
    """Add a tile and give out the probabilities of the pixels that it is the last one over."""
    work = np.empty((tile.probabilities.shape[0], 1, tile.probabilities.shape[2]), np.float32)
    first, from_left, to_right, _ = _spans(place)
    for row in range(place.rows[0], place.rows[1]):
        if place.has_below and row >= place.stride:
            _keep_below(tile, place, kept.below, row)
            continue
        if place.has_above and row < place.overlap:
            _finish_above(tile, place, kept.above, row, work)
        else:
            _finish_beside(tile, place, kept.beside, row, work)
            work[:, 0, from_left:to_right] = tile.probabilities[:, row, from_left:to_right]
        line, left = _at(place, row)
        out.probabilities[:, line, left + first : left + to_right] = work[:, 0, first:to_right]
        out.wanted[line, left + first : left + to_right] = tile.wanted[row, first:to_right]


@compiled
def _spans(place: Place) -> tuple[int, int, int, int]:
    """Columns of the tile on its block: first, end of what the left neighbour shares, begin of the right's, end."""
    first, last = place.cols
    from_left = min(max(place.overlap, first), last) if place.has_left else first
    to_right = max(min(place.stride, last), first) if place.has_right else last
    return first, from_left, to_right, last


@compiled
def _at(place: Place, row: int) -> tuple[int, int]:
    """Where the first pixel of a row of the tile is among the finished rows."""
    return place.top + row, place.left


@compiled
def _keep_below(tile: TilePixels, place: Place, below: NDArray[np.float32], row: int) -> None:
    first, from_left, _, last = _spans(place)
    down, begun = tile.down[row], from_left - first
    across = tile.across[first:last]
    for index in range(tile.probabilities.shape[0]):
        values = tile.probabilities[index, row][first:last]
        sums = below[index, row - place.stride][place.left + first : place.left + last]
        for col in range(begun):
            sums[col] += values[col] * (down * across[col])
        for col in range(begun, len(values)):
            sums[col] = values[col] * (down * across[col])


@compiled
def _finish_above(
    tile: TilePixels, place: Place, above: NDArray[np.float32], row: int, work: NDArray[np.float32]
) -> None:
    first, _, to_right, last = _spans(place)
    down, ended = tile.down[row], to_right - first
    across = tile.across[first:last]
    for index in range(tile.probabilities.shape[0]):
        values = tile.probabilities[index, row][first:last]
        sums = above[index, row][place.left + first : place.left + last]
        finished = work[index, 0][first:to_right]
        for col in range(ended):
            finished[col] = sums[col] + values[col] * (down * across[col])
        for col in range(ended, len(values)):
            sums[col] += values[col] * (down * across[col])


@compiled
def _finish_beside(
    tile: TilePixels, place: Place, beside: NDArray[np.float32], row: int, work: NDArray[np.float32]
) -> None:
    first, from_left, to_right, last = _spans(place)
    for index in range(tile.probabilities.shape[0]):
        values, sums = tile.probabilities[index, row], beside[index, row]
        before, finished = values[first:from_left], work[index, 0][first:from_left]
        waiting = sums[first:from_left]
        for col in range(len(before)):
            finished[col] = waiting[col] + before[col] * tile.across[first + col]
        after, kept = values[to_right:last], sums[to_right - place.stride :]
        for col in range(len(after)):
            kept[col] = after[col] * tile.across[to_right + col]


@compiled
def _choose(
    run: Run, wanted: NDArray[np.bool_], legend: Legend, choice: Choice, out: Bytes, at: tuple[int, int]
) -> None:
    """Find the class of a run of pixels of one row, and put down their percents where these are wanted."""
    if len(legend.thresholds) > 0:
        _best_reaching(run, legend, choice)
    else:
        _best(run, legend, choice)
    line, left = at
    for index in range(out.percents.shape[0]):
        values, percents = run.values[index, run.row], out.percents[index, line]
        for col in range(run.first, run.last):
            percents[left + col] = _percent(values[col]) if wanted[col] else np.uint8(_NODATA)


@compiled
def _put(choice: Choice, cols: tuple[int, int], wanted: NDArray[np.bool_], out: Bytes, at: tuple[int, int]) -> None:
    """Put down the classes of some columns of one row, and how probable they are."""
    (first, last), (line, left) = cols, at
    count = last - first
    best, chosen, needed = choice.best[first:last], choice.ids[first:last], wanted[first:last]
    confidence = out.confidence[line][left + first : left + last]
    class_ids = out.class_ids[line][left + first : left + last]
    for col in range(count):
        percent = _percent(best[col])
        confidence[col] = percent if needed[col] and best[col] >= 0 else np.uint8(_NODATA)
    for col in range(count):
        class_ids[col] = np.uint8(chosen[col]) if needed[col] and best[col] >= 0 else np.uint8(_NODATA)


@compiled
def _best(run: Run, legend: Legend, choice: Choice) -> None:
    """The most probable class, of equals the first."""
    count = run.last - run.first
    best, chosen = choice.best[run.first : run.last], choice.ids[run.first : run.last]
    values, this = run.values[0, run.row][run.first : run.last], np.int32(legend.ids[0])
    for col in range(count):
        best[col] = values[col]
        chosen[col] = this
    for index in range(1, run.values.shape[0]):
        values, this = run.values[index, run.row][run.first : run.last], np.int32(legend.ids[index])
        for col in range(count):
            value, before, was = values[col], best[col], chosen[col]
            larger = value > before
            best[col] = value if larger else before
            chosen[col] = this if larger else was


@compiled
def _best_reaching(run: Run, legend: Legend, choice: Choice) -> None:
    """The most probable of the classes that reach their threshold; -1 where none does."""
    count = run.last - run.first
    best, chosen = choice.best[run.first : run.last], choice.ids[run.first : run.last]
    for col in range(count):
        best[col] = -1
        chosen[col] = _NODATA
    for index in range(run.values.shape[0]):
        values, this = run.values[index, run.row][run.first : run.last], np.int32(legend.ids[index])
        least = legend.thresholds[index]
        for col in range(count):
            value, before, was = values[col], best[col], chosen[col]
            larger = value >= least and value > before
            best[col] = value if larger else before
            chosen[col] = this if larger else was


@compiled
def _percent(probability: np.float32) -> np.uint8:
    """Rounded half to even by adding and taking away a number whose last bit is 1: that is done for many at once."""
    rounded = np.int32((probability * _PERCENT + _ONES) - _ONES)
    return np.uint8(min(max(rounded, np.int32(0)), np.int32(_PERCENT)))


@compiled
def look_up(
    image: NDArray[np.generic],
    usable: NDArray[np.bool_],
    table: NDArray[np.float32],
    places: NDArray[np.int64],
    out: NDArray[np.float32],
) -> None:
    """Put the inputs of a network for an image into `out`, which holds zeros.

    Args:
        image: (bands there are, height, width), whole numbers.
        usable: (height, width).
        table: (bands there are, numbers); negative numbers count from the end.
        places: for each band its position among the bands of the model.
        out: (height, width, bands of the model).
    """
    for band in range(image.shape[0]):
        place, inputs = places[band], table[band]
        for row in range(image.shape[1]):
            for col in range(image.shape[2]):
                if usable[row, col]:
                    out[row, col, place] = inputs[image[band, row, col]]
