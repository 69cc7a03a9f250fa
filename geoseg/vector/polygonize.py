"""Traces regions into polygons that fit together without gaps, overlaps or missing corners.

The outline of a region turns at corners of pixels. Every such passage of a corner, and every passage of a corner
where three regions meet, becomes a vertex, for all regions that meet there: so neighbours share all their vertices
and the polygons are a valid coverage. Outlines are linked once their region is complete; what is kept meanwhile are
the outlines of the regions that reach further down. Knows arrays of region ids, no classes and no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, depth_first_order

_HEADINGS = 4
"""East, south, west and north, in this order: one more is a turn to the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polygons:
    """Some of the polygons of a raster."""

    region_ids: NDArray[np.int32]
    """Which region each is; ascending."""

    geometries: NDArray[np.object_]
    """One valid shapely polygon for each region, outer rings anticlockwise on the map."""


def polygonize(
    blocks: Iterable[NDArray[np.int32]], bottoms: NDArray[np.int64], transform: Affine
) -> Iterator[Polygons]:
    """Trace 4-connected regions.

    Args:
        blocks: region ids (height, width) of full-width rows, from the top of the raster to its bottom; 0 is no
            region.
        bottoms: first row below region `i + 1` at position `i`.
        transform: from (column, row) to map (x, y).

    Yields:
        Polygons of the regions that ended in a block, at most once for each block and once at the end.
    """
    open_passes = _Passes.none()
    above: NDArray[np.int32] | None = None
    row = 0
    for ids in blocks:
        rows = np.concatenate([np.zeros((1, ids.shape[1]), np.int32) if above is None else above, ids])
        open_passes = _Passes.of_both(open_passes, _passes(rows, row))
        row += len(ids)
        above = ids[-1:].copy()
        complete = bottoms[open_passes.region - 1] < row
        yield from _polygons(open_passes.at(np.flatnonzero(complete)), transform)
        open_passes = open_passes.at(np.flatnonzero(~complete))
    if above is not None:
        last = _passes(np.concatenate([above, np.zeros_like(above)]), row)
        yield from _polygons(_Passes.of_both(open_passes, last), transform)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passes:
    """Passages of outlines through corners of pixels, row by row; a region lies to the right of its outline."""

    row: NDArray[np.int32]
    col: NDArray[np.int32]
    region: NDArray[np.int32]
    arriving: NDArray[np.uint8]
    """Heading before the corner."""
    leaving: NDArray[np.uint8]
    """Heading after it."""

    @classmethod
    def none(cls) -> _Passes:
        position, heading = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.uint8)
        return cls(row=position, col=position, region=position, arriving=heading, leaving=heading)

    @classmethod
    def of_both(cls, first: _Passes, second: _Passes) -> _Passes:
        return cls(
            row=np.concatenate([first.row, second.row]),
            col=np.concatenate([first.col, second.col]),
            region=np.concatenate([first.region, second.region]),
            arriving=np.concatenate([first.arriving, second.arriving]),
            leaving=np.concatenate([first.leaving, second.leaving]),
        )

    def __len__(self) -> int:
        return len(self.row)

    def at(self, index: NDArray[np.intp]) -> _Passes:
        return _Passes(
            row=self.row[index],
            col=self.col[index],
            region=self.region[index],
            arriving=self.arriving[index],
            leaving=self.leaving[index],
        )


def _passes(ids: NDArray[np.int32], first_row: int) -> _Passes:
    """Passages through the corners between each row of `ids` and the next; the first of them lie on `first_row`."""
    padded = np.pad(ids, ((0, 0), (1, 1)))
    beside = padded[:, 1:] != padded[:, :-1]
    below = padded[1:] != padded[:-1]
    north, south, west, east = beside[:-1], beside[1:], below[:, :-1], below[:, 1:]
    row, col = np.nonzero((north ^ south) | (west ^ east) | (north & west))
    # Clockwise from the upper left: for heading h the pixel ahead on the right is h + 2, ahead on the left h + 1,
    # behind on the left h, behind on the right h + 3.
    corners = np.stack([padded[row, col], padded[row, col + 1], padded[row + 1, col + 1], padded[row + 1, col]], axis=1)
    right_ahead = np.roll(corners, -2, axis=1)
    leaves = (right_ahead > 0) & (right_ahead != np.roll(corners, -1, axis=1))
    corner, heading = np.nonzero(leaves)
    region = right_ahead[corner, heading]
    straight = np.roll(corners, -3, axis=1)[corner, heading] == region
    # Where a region touches itself at a corner only, turning left keeps its outer ring and its hole apart.
    left = corners[corner, heading] == region
    turn = np.where(left, 1, np.where(straight, 0, _HEADINGS - 1))
    return _Passes(
        row=(row[corner] + first_row).astype(np.int32),
        col=col[corner].astype(np.int32),
        region=region,
        arriving=((heading + turn) % _HEADINGS).astype(np.uint8),
        leaving=heading.astype(np.uint8),
    )


def _polygons(passes: _Passes, transform: Affine) -> Iterator[Polygons]:
    """Polygons of complete outlines; none where there are no passes."""
    if not len(passes):
        return
    following = _following(passes)
    if transform.determinant < 0:
        backwards = np.empty_like(following)
        backwards[following] = np.arange(len(following), dtype=np.int32)
        following = backwards
    walk, ring_sizes, ring_regions = _walk(following, passes.region)
    ends = np.cumsum(ring_sizes)
    closed = np.insert(walk, ends, walk[ends - ring_sizes])
    row, col = passes.row[closed], passes.col[closed]
    x = transform.a * col + transform.b * row + transform.c
    y = transform.d * col + transform.e * row + transform.f
    region_ids, first_ring = np.unique(ring_regions, return_index=True)
    geometries = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON,
        np.column_stack([x, y]),
        (
            np.concatenate([[0], ends + np.arange(1, len(ends) + 1)]),
            np.append(first_ring, len(ring_regions)),
        ),
    )
    yield Polygons(region_ids=region_ids, geometries=geometries)


def _following(passes: _Passes) -> NDArray[np.int32]:
    """The pass after each: along a line of the grid outlines of one heading leave and arrive in turns."""
    following = np.empty(len(passes), dtype=np.int32)
    for heading in range(_HEADINGS):
        leaving = np.flatnonzero(passes.leaving == heading)
        arriving = np.flatnonzero(passes.arriving == heading)
        if heading % 2:
            leaving = leaving[np.argsort(passes.col[leaving], kind="stable")]
            arriving = arriving[np.argsort(passes.col[arriving], kind="stable")]
        following[leaving] = arriving
    return following


def _walk(
    following: NDArray[np.int32], region: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    """All rings one after the other: order of the passes, size of each ring, region of each ring.

    Rings stand by region; the ring with the first pass of a region is its outer one and comes first.
    """
    count = len(following)
    ring = _graph(following)
    number, ring_of_pass = connected_components(ring, directed=True, connection="strong")
    first = np.empty(number, dtype=np.int64)
    first[ring_of_pass[::-1]] = np.arange(count)[::-1]
    order = np.lexsort((first, region[first]))
    starts = first[order]
    before = np.empty(count, dtype=np.int32)
    before[following] = np.arange(count, dtype=np.int32)
    chain = following.copy()
    chain[before[starts[:-1]]] = starts[1:]
    walk = depth_first_order(_graph(chain), starts[0], return_predecessors=False)
    return walk, np.bincount(ring_of_pass, minlength=number)[order], region[starts]


def _graph(following: NDArray[np.int32]) -> csr_array:
    count = len(following)
    return csr_array((np.ones(count), following, np.arange(count + 1, dtype=np.int32)), shape=(count, count))
