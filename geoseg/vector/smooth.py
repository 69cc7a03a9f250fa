"""Boundaries between pixels: arcs that run where the probabilities of two classes are equal.

Every crack has one point, on the line between the centres of its two pixels. Between the centres of the four pixels
round a vertex lies a square, and an arc goes straight through it from one side to another; a node lies inside. As
each square holds nothing but the lines of its own vertex, no two lines cross, and the polygons are a valid coverage.
A point is known from its pixels alone, so all blocks that see it agree. The idea for one level of one field is that
of Lorensen and Cline (1987), "Marching cubes"; here there are as many classes as a map has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.vector.arcs import BEGINS_AT_JOINT, EAST, ENDS_AT_JOINT, NORTH, SOUTH, SUBPIXEL, WEST, Arcs
from geoseg.vector.crack_points import Pixels, crack_point, is_crack, is_node, regions_round
from geoseg.vector.node_points import node_point


class _Lines(NamedTuple):
    """What the loops need of arcs."""

    points: NDArray[np.int32]
    offsets: NDArray[np.int64]
    beside_nothing: NDArray[np.bool_]
    joints: NDArray[np.uint8]
    headings: NDArray[np.uint8]
    """(arcs, 2): how an arc goes on from its first point, and back from its last."""


def smooth_arcs(
    arcs: Arcs,
    ids: NDArray[np.int32],
    probabilities: NDArray[np.uint8],
    bands: NDArray[np.int16],
    *,
    first_row: int,
) -> Arcs:
    """Move arcs to where the probabilities of the classes on both sides are equal.

    Between the centres of two pixels the difference of the two probabilities changes evenly. Where both pixels speak
    for the same side, as after regions were merged, the point stays close to the pixel on the other; where both speak
    against their own, or do not differ, it stays midway. A node lies where the planes through the probabilities of its
    classes come nearest to each other. Arcs against no region stay as they are, but nodes may move along them.

    Args:
        arcs: as they were traced; every crack becomes a point, but those on straight lines.
        ids: (rows + 2, width) region ids that the arcs were traced from.
        probabilities: (bands, rows + 2, width) of the same pixels, in per cent.
        bands: (regions + 1,) by region id: the band of its class; -1 where there is none, and the arc stays midway.
        first_row: row of the raster where the block begins, that of `ids[1]`.

    Returns:
        The same arcs with other points. Joints lie on the line that goes through them, as exactly as whole numbers
        allow, and can be left out.
    """
    lines = _Lines(
        points=arcs.points,
        offsets=arcs.offsets,
        beside_nothing=(arcs.left == 0) | (arcs.right == 0),
        joints=arcs.joints,
        headings=np.stack([arcs.first_heading, arcs.last_heading ^ WEST], axis=1),
    )
    pixels = Pixels(np.ascontiguousarray(ids), probabilities, bands, first_row)
    points = np.empty((_room(lines), 2), dtype=np.int32)
    offsets = np.zeros_like(arcs.offsets)
    _smooth(pixels, lines, points, offsets)
    return replace(arcs, points=points[: offsets[-1]].copy(), offsets=offsets)


@compiled
def _room(lines: _Lines) -> int:
    """Count the points that all arcs have at most: cracks and ends."""
    room = 0
    for arc in range(len(lines.joints)):
        first, last = lines.offsets[arc], lines.offsets[arc + 1]
        if lines.beside_nothing[arc]:
            room += last - first
            continue
        room += 2
        for point in range(first + 1, last):
            room += _length(lines.points, point)
    return room


@compiled
def _length(points: NDArray[np.int32], point: int) -> int:
    """Count the cracks from the point before to this one."""
    return int(
        (abs(points[point, 0] - points[point - 1, 0]) + abs(points[point, 1] - points[point - 1, 1])) // SUBPIXEL
    )


@compiled
def _smooth(pixels: Pixels, lines: _Lines, points: NDArray[np.int32], offsets: NDArray[np.int64]) -> None:
    for arc in range(len(lines.joints)):
        if lines.beside_nothing[arc]:
            offsets[arc + 1] = _copy(pixels, lines, arc, points, offsets[arc])
        else:
            offsets[arc + 1] = _smooth_arc(pixels, lines, arc, points, offsets[arc])


@compiled
def _copy(pixels: Pixels, lines: _Lines, arc: int, points: NDArray[np.int32], at: int) -> int:
    """Take an arc against no region as it is, but for its nodes."""
    first, last = int(lines.offsets[arc]), int(lines.offsets[arc + 1] - 1)
    end = at + last - first
    points[at : end + 1] = lines.points[first : last + 1]
    if not lines.joints[arc] & BEGINS_AT_JOINT and is_node(pixels, lines.points, first):
        points[at, 0], points[at, 1] = node_point(pixels, lines.points, first)
    if not lines.joints[arc] & ENDS_AT_JOINT and is_node(pixels, lines.points, last):
        points[end, 0], points[end, 1] = node_point(pixels, lines.points, last)
    return end + 1


@compiled
def _smooth_arc(pixels: Pixels, lines: _Lines, arc: int, points: NDArray[np.int32], at: int) -> int:
    """Write the points of one arc; returns where the next begins."""
    first, last = lines.offsets[arc], lines.offsets[arc + 1] - 1
    end = _add_cracks(pixels, lines.points, (first, last), points, at + 1)
    joints = lines.joints[arc]
    if joints == 0 and not is_node(pixels, lines.points, first):
        before, after = (points[end - 1, 0], points[end - 1, 1]), (points[at + 1, 0], points[at + 1, 1])
        return _close(points, at, _drop_straight(points, (at + 1, end), before, after, at))
    before = _beyond(pixels, lines.points, first, lines.headings[arc, 0], joints & BEGINS_AT_JOINT)
    after = _beyond(pixels, lines.points, last, lines.headings[arc, 1], joints & ENDS_AT_JOINT)
    begin, stop = before, after
    if joints & BEGINS_AT_JOINT:
        begin = (before[0] + points[at + 1, 0]) // 2, (before[1] + points[at + 1, 1]) // 2
    if joints & ENDS_AT_JOINT:
        stop = (after[0] + points[end - 1, 0]) // 2, (after[1] + points[end - 1, 1]) // 2
    points[at, 0], points[at, 1] = begin
    end = _drop_straight(points, (at + 1, end), before, after, at + 1)
    points[end, 0], points[end, 1] = stop
    return end + 1


@compiled
def _add_cracks(
    pixels: Pixels, corners: NDArray[np.int32], arc: tuple[int, int], points: NDArray[np.int32], at: int
) -> int:
    """Write a point for each crack of an arc, one after the other."""
    first, last = arc
    for corner in range(first + 1, last + 1):
        col, row = corners[corner - 1, 0] // SUBPIXEL, corners[corner - 1, 1] // SUBPIXEL
        along, down = (
            np.sign(corners[corner, 0] - corners[corner - 1, 0]),
            np.sign(corners[corner, 1] - corners[corner - 1, 1]),
        )
        heading = _heading(along, down)
        for _ in range(_length(corners, corner)):
            points[at, 0], points[at, 1] = crack_point(pixels, row, col, heading)
            at += 1
            row, col = row + down, col + along
    return at


@compiled
def _heading(along: int, down: int) -> int:
    if along:
        return EAST if along > 0 else WEST
    return SOUTH if down > 0 else NORTH


@compiled
def _drop_straight(
    points: NDArray[np.int32],
    cracks: tuple[int, int],
    before: tuple[int, int],
    after: tuple[int, int],
    at: int,
) -> int:
    """Move points of cracks to a place before them, but those on the line from the crack before to the one after."""
    first, last = cracks
    column, row = before
    for point in range(first, last):
        here, there = points[point, 0], points[point, 1]
        ahead, below = (points[point + 1, 0], points[point + 1, 1]) if point + 1 < last else after
        if (here - column) * (below - there) != (there - row) * (ahead - here):
            points[at, 0], points[at, 1] = here, there
            at += 1
        column, row = here, there
    return at


@compiled
def _close(points: NDArray[np.int32], first: int, end: int) -> int:
    points[end, 0], points[end, 1] = points[first, 0], points[first, 1]
    return end + 1


@compiled
def _beyond(pixels: Pixels, corners: NDArray[np.int32], corner: int, heading: int, joint: int) -> tuple[int, int]:
    """Give the point that an arc runs to: its node, or where the next arc has its first crack.

    Args:
        pixels: what is under the arcs.
        corners: points of the arcs as they were traced.
        corner: an end of the arc.
        heading: how the arc leads from there.
        joint: 0 where the end is a node.
    """
    if not joint:
        return node_point(pixels, corners, corner)
    row, col = corners[corner, 1] // SUBPIXEL, corners[corner, 0] // SUBPIXEL
    for other in range(4):
        if other != heading and is_crack(regions_round(pixels, row, col), other):
            return crack_point(pixels, row, col, other)
    return corners[corner, 0], corners[corner, 1]
