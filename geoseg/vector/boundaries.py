"""Lines between two classes, from arcs. Knows the columns of their layer, no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import shapely
from affine import Affine
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.vector.arcs import BEGINS_AT_JOINT, ENDS_AT_JOINT, SUBPIXEL, Arcs
from geoseg.vector.columns import BOUNDARIES, GEOMETRY, batch_of, class_names
from geoseg.vector.perimeter import GroundMetric, lengths
from geoseg.vector.rings import Joints
from geoseg.vector.table import RegionTable

_END = -1
"""Instead of the vertex of a joint where a line ends for good."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """Where lines are on the map, and how long they are."""

    transform: Affine
    """From (column, row) to map (x, y)."""

    metric: GroundMetric | None
    """For lengths; None without a CRS."""


class _Chain(NamedTuple):
    """Arcs that meet at joints, one after the other, all in the same way."""

    pieces: Sequence[NDArray[np.int32]]
    """Points (points, 2) of each; the last of one is the first of the next."""

    left: int
    """Class id to the left."""

    right: int
    """Class id to the right."""

    begin: int
    """Vertex of the joint where it begins, or `_END`."""

    end: int
    """Vertex of the joint where it ends, or `_END`."""


class BoundaryLines:
    """Takes arcs from the top of a raster to its bottom and gives the lines between two classes that are complete.

    What it holds are the lines that end at a joint so far. Boundaries against nodata are no lines between classes.
    """

    def __init__(self, table: RegionTable, classes: ClassMap, ground: Ground, *, joints: Joints = "corners") -> None:
        """Know the regions.

        Args:
            table: of the regions whose ids the arcs have.
            classes: the legend.
            ground: where lines are on the map.
            joints: which joints stay points of a line, as for outlines.
        """
        self._class_of = np.append(np.uint8(NODATA_ID), table.class_ids)
        self._names = class_names(classes)
        self._ground = ground
        self._joints = joints
        self._open: dict[int, _Chain] = {}

    def add(self, arcs: Arcs) -> pa.RecordBatch:
        """Take the arcs of the next block.

        Returns:
            Rows of the layer `boundaries`: the lines that are complete now and were not before.
        """
        left, right = self._class_of[arcs.left], self._class_of[arcs.right]
        wanted = (left != right) & (left != NODATA_ID) & (right != NODATA_ID)
        whole = np.flatnonzero(wanted & (arcs.joints == 0))
        parts = np.flatnonzero(wanted & (arcs.joints != 0))
        points, offsets = _chosen(arcs, whole)
        sides = np.stack([left[whole], right[whole]], axis=1)
        chains = self._chains(arcs, parts, left, right)
        if chains:
            lines = [_points_of(chain, self._joints) for chain in chains]
            ends = offsets[-1] + np.cumsum([len(line) for line in lines])
            points, offsets = np.concatenate([points, *lines]), np.concatenate([offsets, ends])
            sides = np.concatenate([sides, [(chain.left, chain.right) for chain in chains]]).astype(np.uint8)
        return self._rows(points, offsets, sides)

    def _chains(
        self, arcs: Arcs, parts: NDArray[np.int64], left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> list[_Chain]:
        """Join arcs that end at joints; gives the chains that are complete."""
        complete = []
        for arc in parts.tolist():
            chain = _Chain(
                pieces=[arcs.points[arcs.offsets[arc] : arcs.offsets[arc + 1]].copy()],
                left=int(left[arc]),
                right=int(right[arc]),
                begin=int(arcs.first_vertex[arc]) if arcs.joints[arc] & BEGINS_AT_JOINT else _END,
                end=int(arcs.last_vertex[arc]) if arcs.joints[arc] & ENDS_AT_JOINT else _END,
            )
            chain = self._lengthened(chain)
            if chain.begin == chain.end:
                complete.append(chain)
            else:
                self._open.update({vertex: chain for vertex in (chain.begin, chain.end) if vertex != _END})
        return complete

    def _lengthened(self, chain: _Chain) -> _Chain:
        """Join a chain to those that wait at its ends."""
        if chain.begin != chain.end and chain.begin in self._open:
            before = self._take(chain.begin)
            chain = _joined(before if before.end == chain.begin else _turned(before), chain)
        if chain.begin != chain.end and chain.end in self._open:
            after = self._take(chain.end)
            chain = _joined(chain, after if after.begin == chain.end else _turned(after))
        return chain

    def _take(self, vertex: int) -> _Chain:
        chain = self._open[vertex]
        for end in (chain.begin, chain.end):
            self._open.pop(end, None)
        return chain

    def _rows(self, points: NDArray[np.int32], offsets: NDArray[np.int64], sides: NDArray[np.uint8]) -> pa.RecordBatch:
        transform, metric = self._ground.transform, self._ground.metric
        if transform.determinant > 0:  # the map is the mirror image of the raster
            sides = sides[:, ::-1]
        a, b, c, d, e, f = tuple(transform)[:6]
        cols, rows = points[:, 0] / SUBPIXEL, points[:, 1] / SUBPIXEL
        xy = np.stack([c + cols * a + rows * b, f + cols * d + rows * e], axis=1)
        lines = shapely.from_ragged_array(shapely.GeometryType.LINESTRING, xy, (offsets,))
        columns = {
            "left_class": sides[:, 0],
            "left_class_name": self._names[sides[:, 0]],
            "right_class": sides[:, 1],
            "right_class_name": self._names[sides[:, 1]],
            "length_m": None if metric is None else lengths(points, offsets, metric),
            GEOMETRY: pa.array(shapely.to_wkb(lines, flavor="iso"), pa.binary()),
        }
        return batch_of(BOUNDARIES, columns, len(sides))


def _chosen(arcs: Arcs, which: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Points and offsets of some arcs."""
    counts = arcs.offsets[which + 1] - arcs.offsets[which]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    at = np.arange(offsets[-1]) + np.repeat(arcs.offsets[which] - offsets[:-1], counts)
    return arcs.points[at], offsets


def _turned(chain: _Chain) -> _Chain:
    """The same, gone along the other way."""
    return _Chain([piece[::-1] for piece in reversed(chain.pieces)], chain.right, chain.left, chain.end, chain.begin)


def _joined(first: _Chain, second: _Chain) -> _Chain:
    return _Chain([*first.pieces, *second.pieces], first.left, first.right, first.begin, second.end)


def _points_of(chain: _Chain, joints: Joints) -> NDArray[np.int32]:
    """The points of a chain, with those joints that stay."""
    points = np.concatenate([chain.pieces[0], *(piece[1:] for piece in chain.pieces[1:])])
    at = np.cumsum([len(piece) - 1 for piece in chain.pieces])[:-1]
    if joints == "all" or len(at) == 0:
        return points
    before, after = (points[at] - points[at - 1]).astype(np.int64), (points[at + 1] - points[at]).astype(np.int64)
    straight = before[:, 0] * after[:, 1] == before[:, 1] * after[:, 0]
    return np.delete(points, at if joints == "none" else at[straight], axis=0)
