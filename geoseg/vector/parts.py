"""What one block says of the regions of a raster: its components, measured. Blocks are measured side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.borders import Borders
from geoseg.vector.components import label_components
from geoseg.vector.table import RegionTable
from geoseg.window import Window

Areas = Callable[[Window], NDArray[np.int64] | None]
"""Ground area of each pixel of a window, in a unit so small that rounding does not matter; None without a CRS.

Whole numbers, because their sums do not depend on the order of the terms. Threads call it side by side.
"""

_ROWS_AT_ONCE = 64  # of areas, which take eight bytes a pixel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RegionBlock:
    """The classes of a block of full-width rows."""

    window: Window
    """Where they lie."""

    class_ids: NDArray[np.uint8]
    """(height, width); 255 where not valid."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """The components of a block, labelled 1 to their count."""

    table: RegionTable
    """What is known of each, as if there were nothing around the block; only the sides of the raster are its frame."""

    borders: Borders | None
    """Who touches whom; None where nobody asked."""

    first_row: NDArray[np.int32]
    """(width,): labels of the first row; 0 is none."""

    last_row: NDArray[np.int32]
    """(width,): labels of the last row."""


def measure(block: RegionBlock, *, areas: Areas | None, with_borders: bool) -> Part:
    """Find and measure the components of a block.

    Args:
        block: some rows of the raster.
        areas: is asked for a few rows at a time; None where only pixels count.
        with_borders: True where `Part.borders` is wanted.
    """
    labels, count = label_components(block.class_ids)
    return Part(
        table=_table(block, labels, count, areas),
        borders=Borders.within(labels) if with_borders else None,
        first_row=labels[0].copy(),
        last_row=labels[-1].copy(),
    )


def _table(block: RegionBlock, labels: NDArray[np.int32], count: int, areas: Areas | None) -> RegionTable:
    found = _Found(
        class_ids=np.zeros(count + 1, dtype=np.uint8),
        pixels=np.zeros(count + 1, dtype=np.int64),
        tops=np.zeros(count + 1, dtype=np.int64),
        bottoms=np.zeros(count + 1, dtype=np.int64),
        sides=np.zeros(count + 1, dtype=np.int64),
    )
    _measure_runs(labels, np.ascontiguousarray(block.class_ids), found)
    touches_edge = np.zeros(count + 1, dtype=np.bool_)
    touches_edge[labels[:, 0]] = True
    touches_edge[labels[:, -1]] = True
    return RegionTable(
        class_ids=found.class_ids[1:],
        pixels=found.pixels[1:],
        areas=None if areas is None else _summed_areas(block.window, labels, count, areas),
        tops=found.tops[1:] + block.window.row,
        bottoms=found.bottoms[1:] + block.window.row,
        sides=found.sides[1:],
        touches_edge=touches_edge[1:],
        region_ids=np.arange(1, count + 1, dtype=np.int64),
    )


def _summed_areas(window: Window, labels: NDArray[np.int32], count: int, areas: Areas) -> NDArray[np.int64] | None:
    sums = np.zeros(count + 1, dtype=np.int64)
    for top in range(0, window.height, _ROWS_AT_ONCE):
        rows = labels[top : top + _ROWS_AT_ONCE]
        first = window.row + top
        known = areas(Window.between(first, first + len(rows), window.col, window.right))
        if known is None:
            return None
        _add_areas(rows, np.ascontiguousarray(known), sums)
    return sums[1:]


class _Found(NamedTuple):
    """Columns of the table, with a place for label 0 in front."""

    class_ids: NDArray[np.uint8]
    pixels: NDArray[np.int64]
    tops: NDArray[np.int64]
    bottoms: NDArray[np.int64]
    sides: NDArray[np.int64]


@compiled
def _measure_runs(labels: NDArray[np.int32], class_ids: NDArray[np.uint8], found: _Found) -> None:
    """Measure each label by its runs, the pixels of a row that follow each other."""
    for row in range(len(labels)):
        here = labels[row]
        above = labels[row - 1] if row > 0 else np.full_like(here, -1)
        begin = 0
        touching = 0
        for col in range(len(here)):
            touching += here[col] == above[col]
            if col + 1 == len(here) or here[col + 1] != here[col]:
                found.class_ids[here[col]] = class_ids[row, col]
                _add_run(found, here[col], row, col + 1 - begin, touching)
                begin, touching = col + 1, 0


@compiled
def _add_run(found: _Found, label: int, row: int, length: int, touching: int) -> None:
    """Measure a run, of which some pixels touch their like in the row above: there the outline loses two sides."""
    if found.pixels[label] == 0:
        found.tops[label] = row
    found.bottoms[label] = row + 1
    found.pixels[label] += length
    found.sides[label] += 2 + 2 * length - 2 * touching


@compiled
def _add_areas(labels: NDArray[np.int32], areas: NDArray[np.int64], sums: NDArray[np.int64]) -> None:
    """Add the areas of pixels to the sums of their labels."""
    for row in range(len(labels)):
        total = 0
        for col in range(labels.shape[1]):
            total += areas[row, col]
            if col + 1 == labels.shape[1] or labels[row, col + 1] != labels[row, col]:
                sums[labels[row, col]] += total
                total = 0
