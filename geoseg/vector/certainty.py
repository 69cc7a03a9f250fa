"""The compiled loop that adds up confidences and probabilities of the regions of a block, row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled

Pixels = tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.uint8]]
"""Region ids (rows + 2, width), confidence (rows, width), probabilities (classes, rows + 2, width).

The last two are empty where there are none.
"""

Known = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]
"""First row, first row below and class index of each region."""

Slots = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]
"""Slot + 1 by region id or 0; region id by slot or 0; the free slots; how many are free (1,)."""

Sums = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Pixels by slot and confidence (slots, 101); sums of probabilities by slot and class (slots, classes)."""

Found = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]
"""Of each region: sum of confidences, pixels that have one, 10th percentile, index of the second class."""

_NODATA = 255
_TENTH = 10


@compiled
def sweep(pixels: Pixels, first_row: int, known: Known, slots: Slots, sums: Sums, found: Found) -> None:
    """Add up the regions of a block; those that begin and end in it are written to `found` at once.

    All others keep their slots. Only regions of the present row and those from above have one, so twice the width is
    enough.
    """
    ids = pixels[0]
    for row in range(1, ids.shape[0] - 1):
        _add_row(pixels, row, slots, sums)
        _close_row(ids[row], (first_row, first_row + row), known, slots, sums, found)


@compiled
def _add_row(pixels: Pixels, row: int, slots: Slots, sums: Sums) -> None:
    ids, slot_of = pixels[0][row], slots[0]
    percents = pixels[1][min(row - 1, len(pixels[1])) :]
    col = 0
    while col < len(ids):
        region, begin = ids[col], col
        while col < len(ids) and ids[col] == region:
            col += 1
        if region == 0:
            continue
        if slot_of[region] == 0:
            _take_slot(region, slots)
        slot = slot_of[region] - 1
        if len(percents) > 0:
            _count(percents[0], begin, col, sums[0], slot)
        if pixels[2].shape[0] > 0:
            _sum(pixels[2], row, (begin, col), sums[1][slot])


@compiled
def _take_slot(region: int, slots: Slots) -> None:
    slot_of, held, free, left = slots
    left[0] -= 1
    slot = free[left[0]]
    slot_of[region] = slot + 1
    held[slot] = region


@compiled
def _count(percents: NDArray[np.uint8], begin: int, end: int, histograms: NDArray[np.int64], slot: int) -> None:
    for col in range(begin, end):
        percent = percents[col]
        if percent < histograms.shape[1]:
            histograms[slot, percent] += 1


@compiled
def _sum(probabilities: NDArray[np.uint8], row: int, cols: tuple[int, int], sums: NDArray[np.int64]) -> None:
    for index in range(probabilities.shape[0]):
        total = 0
        for col in range(cols[0], cols[1]):
            percent = probabilities[index, row, col]
            if percent != _NODATA:
                total += percent
        sums[index] += total


@compiled
def _close_row(
    ids: NDArray[np.int32], rows: tuple[int, int], known: Known, slots: Slots, sums: Sums, found: Found
) -> None:
    """Write down the regions that end in a row and did not begin above `rows[0]`, and free their slots."""
    tops, bottoms = known[0], known[1]
    before = np.int32(0)
    for region in ids:
        if region == before:
            continue
        before = region
        at = region - 1
        if region > 0 and bottoms[at] == rows[1] and tops[at] >= rows[0] and slots[0][region] > 0:
            _close(region, known, slots, sums, found)


@compiled
def _close(region: int, known: Known, slots: Slots, sums: Sums, found: Found) -> None:
    slot_of, held, free, left = slots
    slot = slot_of[region] - 1
    finish(region - 1, known[2][region - 1], sums[0][slot], sums[1][slot], found)
    sums[0][slot] = 0
    sums[1][slot] = 0
    slot_of[region] = 0
    held[slot] = 0
    free[left[0]] = slot
    left[0] += 1


@compiled
def finish(at: int, own: int, histogram: NDArray[np.int64], class_sums: NDArray[np.int64], found: Found) -> None:
    """Write what is known of one complete region, that of the class with index `own`, to position `at`."""
    count, total = 0, 0
    for percent in range(len(histogram)):
        count += histogram[percent]
        total += percent * histogram[percent]
    found[0][at] = total
    found[1][at] = count
    below, tenth = 0, 0
    for percent in range(len(histogram)):
        below += histogram[percent]
        tenth = percent
        if below * _TENTH >= count:
            break
    found[2][at] = tenth
    second, most = -1, 0
    for index in range(len(class_sums)):
        if index != own and class_sums[index] > most:
            second, most = index, class_sums[index]
    if second >= 0:
        found[3][at] = second
