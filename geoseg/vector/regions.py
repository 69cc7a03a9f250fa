"""Connected regions of equal class, found block by block.

A block is cut into runs, the pixels of one row that are equal. Runs that touch from one row to the next belong
together: within a block a graph of runs, between blocks a graph of what their seam joins. So only the table of
regions grows with the scene. Knows arrays, no files and no geometry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from geoseg.classes import NODATA_ID
from geoseg.errors import GridError
from geoseg.window import Window

_MOST_LABELS = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionBlock:
    """What is known of the pixels of a band of full-width rows."""

    window: Window
    """Where they lie."""

    class_ids: NDArray[np.uint8]
    """(height, width); 255 where not valid."""

    confidence: NDArray[np.uint8]
    """(height, width), percent; anything where not valid."""

    areas: NDArray[np.int64] | None
    """(height, width), ground area in a unit so small that rounding does not matter; None without a CRS.

    Whole numbers, because their sums do not depend on the order of the terms.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionTable:
    """Regions in the order of their first pixel, row by row; region `i + 1` stands at position `i`."""

    class_ids: NDArray[np.uint8]
    """Class of each."""

    pixels: NDArray[np.int64]
    """Pixels of each."""

    areas: NDArray[np.int64] | None
    """Sum of the areas of its pixels, in the unit of the blocks; None without a CRS."""

    confidence_sums: NDArray[np.int64]
    """Sum of the confidence of its pixels, percent."""

    bottoms: NDArray[np.int64]
    """First row below each."""

    def __len__(self) -> int:
        return len(self.class_ids)

    def merged(self, new_ids: NDArray[np.int32], class_ids: NDArray[np.uint8]) -> RegionTable:
        """The table after regions were put together.

        Args:
            new_ids: for each region the id it now has, 1 to the length of `class_ids`.
            class_ids: the classes of the new regions.
        """
        at = new_ids - 1
        bottoms = np.zeros(len(class_ids), dtype=np.int64)
        np.maximum.at(bottoms, at, self.bottoms)
        return RegionTable(
            class_ids=class_ids,
            pixels=_sums(at, self.pixels, len(class_ids)),
            areas=None if self.areas is None else _sums(at, self.areas, len(class_ids)),
            confidence_sums=_sums(at, self.confidence_sums, len(class_ids)),
            bottoms=bottoms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Borders:
    """How many pixel sides regions share: one entry for each pair of neighbours."""

    left: NDArray[np.int32]
    """Lower id of the two."""

    right: NDArray[np.int32]
    """Higher id of the two."""

    sides: NDArray[np.int64]
    """Pixel sides between them."""

    @classmethod
    def of_pairs(cls, one: NDArray[np.int32], other: NDArray[np.int32], sides: NDArray[np.int64]) -> Borders:
        """Sum up sides that are given in pieces; pieces of a region with itself or with no region are left out."""
        between = (one != other) & (one > 0) & (other > 0)
        one, other, sides = one[between], other[between], sides[between]
        if not len(sides):
            return cls(left=one, right=other, sides=sides)
        first = min(one.min(), other.min())
        count = int(max(one.max(), other.max()) - first) + 1
        pairs = coo_array(
            (sides, (np.minimum(one, other) - first, np.maximum(one, other) - first)), shape=(count, count)
        )
        summed = pairs.tocsr().tocoo()
        return cls(
            left=summed.row.astype(np.int32) + first,
            right=summed.col.astype(np.int32) + first,
            sides=summed.data,
        )

    @classmethod
    def together(cls, parts: Sequence[Borders]) -> Borders:
        """All borders of several parts; a pair that stands in two of them stays twice."""
        return cls(
            left=np.concatenate([part.left for part in parts]),
            right=np.concatenate([part.right for part in parts]),
            sides=np.concatenate([part.sides for part in parts]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """All regions of a raster."""

    table: RegionTable
    """What is known of each."""

    borders: Borders
    """Who touches whom."""

    ids: NDArray[np.int32]
    """Region id by label as `keep_labels` got it; no region is 0 in both."""


def find_regions(blocks: Iterable[RegionBlock], keep_labels: Callable[[Window, NDArray[np.int32]], None]) -> Regions:
    """Find the 4-connected regions of equal class of a raster. The result does not depend on its blocks.

    Args:
        blocks: the raster from top to bottom.
        keep_labels: takes the labels (height, width) of each block; `Regions.ids` tells later which region
            each label belongs to. Label 0 is no region.

    Raises:
        GridError: if the raster has more pieces than fit into 32 bits.
    """
    tables: list[RegionTable] = []
    borders: list[Borders] = []
    seams: list[_Pairs] = []
    found = 0
    above: _Labelled | None = None
    for block in blocks:
        labelled = _label(block.class_ids, after=found)
        tables.append(_table_of(block, labelled))
        borders.append(_borders_within(labelled))
        if above is not None:
            joined, between = _across_seam(above, labelled)
            seams.append(joined)
            borders.append(between)
        keep_labels(block.window, labelled.labels)
        found += len(tables[-1])
        above = labelled.last_row()
    return _joined(tables, Borders.together(borders), seams)


_Pairs = tuple[NDArray[np.int32], NDArray[np.int32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Labelled:
    """A block in which every pixel knows its region."""

    class_ids: NDArray[np.uint8]
    labels: NDArray[np.int32]
    run_begins: NDArray[np.bool_]
    """(height, width); True where a run begins."""

    label_of_run: NDArray[np.int32]
    after: int
    count: int

    def last_row(self) -> _Labelled:
        return _Labelled(
            class_ids=self.class_ids[-1:].copy(),
            labels=self.labels[-1:].copy(),
            run_begins=self.run_begins[-1:].copy(),
            label_of_run=self.label_of_run[:0],
            after=self.after,
            count=self.count,
        )


def _label(class_ids: NDArray[np.uint8], *, after: int) -> _Labelled:
    """Label the regions of a block from `after + 1` in the order of their first pixel."""
    run_begins = np.ones(class_ids.shape, dtype=np.bool_)
    np.not_equal(class_ids[:, 1:], class_ids[:, :-1], out=run_begins[:, 1:])
    first = np.flatnonzero(run_begins)
    run_of_pixel = np.cumsum(run_begins, dtype=np.int32) - np.int32(1)
    touching, _ = _touching(run_begins[:-1], run_begins[1:])
    flat, width = class_ids.ravel(), class_ids.shape[1]
    touching = touching[flat[touching] == flat[touching + width]]
    component = _components(len(first), (run_of_pixel[touching], run_of_pixel[touching + width]))
    label_of_component, count = _labels_by_first(component, flat[first] != NODATA_ID, after=after)
    label_of_run = label_of_component[component]
    return _Labelled(
        class_ids=class_ids,
        labels=np.repeat(label_of_run, np.diff(first, append=class_ids.size)).reshape(class_ids.shape),
        run_begins=run_begins,
        label_of_run=label_of_run,
        after=after,
        count=count,
    )


def _touching(above: NDArray[np.bool_], below: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where runs of rows touch runs of the rows below: flat index of the first common pixel, and how many."""
    position = np.flatnonzero(above | below)
    return position, np.diff(position, append=above.size)


def _components(count: int, pairs: _Pairs) -> NDArray[np.int32]:
    """Connected component of each of `count` nodes."""
    graph = coo_array((np.ones(len(pairs[0]), dtype=np.int8), pairs), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def _labels_by_first(
    component: NDArray[np.int32], counts: NDArray[np.bool_], *, after: int
) -> tuple[NDArray[np.int32], int]:
    """Label (components,) in the order of the first member that counts, 0 where none does; and how many count."""
    members = np.flatnonzero(counts)
    first = np.full(component.max() + 1, len(component))
    first[component[members[::-1]]] = members[::-1]
    order = np.argsort(first, kind="stable")
    count = int(np.count_nonzero(first < len(component)))
    if after + count > _MOST_LABELS:
        raise GridError(f"more than {_MOST_LABELS} regions: cut the scene or smooth it first")
    labels = np.zeros(len(first), dtype=np.int32)
    labels[order[:count]] = np.arange(after + 1, after + count + 1, dtype=np.int32)
    return labels, count


def _table_of(block: RegionBlock, labelled: _Labelled) -> RegionTable:
    first = np.flatnonzero(labelled.run_begins)
    valid = labelled.label_of_run > 0
    at = labelled.label_of_run[valid] - (labelled.after + 1)
    rows = first[valid] // block.window.width
    class_ids = np.zeros(labelled.count, dtype=np.uint8)
    class_ids[at] = block.class_ids.ravel()[first[valid]]
    bottoms = np.zeros(labelled.count, dtype=np.int64)
    bottoms[at] = block.window.row + rows + 1

    def summed(pixels: NDArray[np.uint8] | NDArray[np.int64]) -> NDArray[np.int64]:
        of_runs = np.add.reduceat(pixels.ravel(), first, dtype=np.int64)
        return _sums(at, of_runs[valid], labelled.count)

    return RegionTable(
        class_ids=class_ids,
        pixels=_sums(at, np.diff(first, append=block.class_ids.size)[valid], labelled.count),
        areas=None if block.areas is None else summed(block.areas),
        confidence_sums=summed(block.confidence),
        bottoms=bottoms,
    )


def _borders_within(labelled: _Labelled) -> Borders:
    labels, width = labelled.labels.ravel(), labelled.labels.shape[1]
    begins = np.flatnonzero(labelled.run_begins)
    begins = begins[begins % width > 0]
    position, length = _touching(labelled.run_begins[:-1], labelled.run_begins[1:])
    return Borders.of_pairs(
        np.concatenate([labels[begins - 1], labels[position]]),
        np.concatenate([labels[begins], labels[position + width]]),
        np.concatenate([np.ones(len(begins), dtype=np.int64), length]),
    )


def _across_seam(above: _Labelled, below: _Labelled) -> tuple[_Pairs, Borders]:
    """Labels on the two sides of a seam that are one region, and the borders along the seam."""
    position, length = _touching(above.run_begins[0], below.run_begins[0])
    upper, lower = above.labels[0, position], below.labels[0, position]
    same = (above.class_ids[0, position] == below.class_ids[0, position]) & (upper > 0)
    return (upper[same], lower[same]), Borders.of_pairs(upper[~same], lower[~same], length[~same])


def _joined(tables: Sequence[RegionTable], borders: Borders, seams: Sequence[_Pairs]) -> Regions:
    """Put together what the seams join."""
    pieces = RegionTable(
        class_ids=np.concatenate([table.class_ids for table in tables]),
        pixels=np.concatenate([table.pixels for table in tables]),
        areas=_concatenated([table.areas for table in tables]),
        confidence_sums=np.concatenate([table.confidence_sums for table in tables]),
        bottoms=np.concatenate([table.bottoms for table in tables]),
    )
    ids = np.zeros(len(pieces) + 1, dtype=np.int32)
    class_ids = pieces.class_ids
    if len(pieces):
        joins = [np.concatenate([pair[side] for pair in seams] or [ids[:0]]) - 1 for side in (0, 1)]
        component = _components(len(pieces), (joins[0], joins[1]))
        labels, count = _labels_by_first(component, np.ones(len(pieces), dtype=np.bool_), after=0)
        ids[1:] = labels[component]
        class_ids = np.zeros(count, dtype=np.uint8)
        class_ids[ids[1:] - 1] = pieces.class_ids
    return Regions(
        table=pieces.merged(ids[1:], class_ids),
        borders=Borders.of_pairs(ids[borders.left], ids[borders.right], borders.sides),
        ids=ids,
    )


def _concatenated(parts: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


def _sums(at: NDArray[np.integer], values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Sum of the values at each of `count` positions."""
    sums = np.zeros(count, dtype=np.int64)
    np.add.at(sums, at, values)
    return sums
