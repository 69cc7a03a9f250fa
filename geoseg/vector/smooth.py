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

from geoseg.vector.arcs import BEGINS_AT_JOINT, EAST, ENDS_AT_JOINT, NORTH, SOUTH, SUBPIXEL, WEST, Arcs
from geoseg.vector.compiled import compiled

_HALF = SUBPIXEL // 2

_LEAST = 5
"""How near a point may come to the centre of a pixel, in 1 / `SUBPIXEL` px: 2 % of the way."""

_PULL = 10.0
"""How far probabilities are trusted at nodes: planes that differ less over a pixel than this, in per cent, say little
of where they meet, and the node lies amid the cracks."""


class _Ground(NamedTuple):
    """What is under the arcs of a block."""

    ids: NDArray[np.int32]
    probabilities: NDArray[np.uint8]
    bands: NDArray[np.int16]
    first_row: int


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
    ground = _Ground(np.ascontiguousarray(ids), probabilities, bands, first_row)
    points = np.empty((_room(lines), 2), dtype=np.int32)
    offsets = np.zeros_like(arcs.offsets)
    _smooth(ground, lines, points, offsets)
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
def _smooth(ground: _Ground, lines: _Lines, points: NDArray[np.int32], offsets: NDArray[np.int64]) -> None:
    for arc in range(len(lines.joints)):
        if lines.beside_nothing[arc]:
            offsets[arc + 1] = _copy(ground, lines, arc, points, offsets[arc])
        else:
            offsets[arc + 1] = _smooth_arc(ground, lines, arc, points, offsets[arc])


@compiled
def _copy(ground: _Ground, lines: _Lines, arc: int, points: NDArray[np.int32], at: int) -> int:
    """Take an arc against no region as it is, but for its nodes."""
    first, last = int(lines.offsets[arc]), int(lines.offsets[arc + 1] - 1)
    end = at + last - first
    points[at : end + 1] = lines.points[first : last + 1]
    if not lines.joints[arc] & BEGINS_AT_JOINT and _is_node(ground, lines.points, first):
        points[at, 0], points[at, 1] = _node(ground, lines.points, first)
    if not lines.joints[arc] & ENDS_AT_JOINT and _is_node(ground, lines.points, last):
        points[end, 0], points[end, 1] = _node(ground, lines.points, last)
    return end + 1


@compiled
def _smooth_arc(ground: _Ground, lines: _Lines, arc: int, points: NDArray[np.int32], at: int) -> int:
    """Write the points of one arc; returns where the next begins."""
    first, last = lines.offsets[arc], lines.offsets[arc + 1] - 1
    end = _add_cracks(ground, lines.points, (first, last), points, at + 1)
    joints = lines.joints[arc]
    if joints == 0 and not _is_node(ground, lines.points, first):
        before, after = (points[end - 1, 0], points[end - 1, 1]), (points[at + 1, 0], points[at + 1, 1])
        return _close(points, at, _drop_straight(points, (at + 1, end), before, after, at))
    before = _beyond(ground, lines.points, first, lines.headings[arc, 0], joints & BEGINS_AT_JOINT)
    after = _beyond(ground, lines.points, last, lines.headings[arc, 1], joints & ENDS_AT_JOINT)
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
    ground: _Ground, corners: NDArray[np.int32], arc: tuple[int, int], points: NDArray[np.int32], at: int
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
            points[at, 0], points[at, 1] = _crack(ground, row, col, heading)
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
def _beyond(ground: _Ground, corners: NDArray[np.int32], corner: int, heading: int, joint: int) -> tuple[int, int]:
    """Give the point that an arc runs to: its node, or where the next arc has its first crack.

    Args:
        ground: what is under the arcs.
        corners: points of the arcs as they were traced.
        corner: an end of the arc.
        heading: how the arc leads from there.
        joint: 0 where the end is a node.
    """
    if not joint:
        return _node(ground, corners, corner)
    row, col = corners[corner, 1] // SUBPIXEL, corners[corner, 0] // SUBPIXEL
    for other in range(4):
        if other != heading and _is_crack(_corner_ids(ground, row, col), other):
            return _crack(ground, row, col, other)
    return corners[corner, 0], corners[corner, 1]


@compiled
def _corner_ids(ground: _Ground, row: int, col: int) -> tuple[int, int, int, int]:
    """Give the regions round a vertex: north-west, north-east, south-east, south-west."""
    above = row - ground.first_row
    return (
        _id(ground, above, col - 1),
        _id(ground, above, col),
        _id(ground, above + 1, col),
        _id(ground, above + 1, col - 1),
    )


@compiled
def _id(ground: _Ground, line: int, col: int) -> int:
    return int(ground.ids[line, col]) if 0 <= col < ground.ids.shape[1] else 0


@compiled
def _is_crack(ids: tuple[int, int, int, int], heading: int) -> bool:
    return bool(ids[(heading + 1) & 3] != ids[(heading + 2) & 3])


@compiled
def _is_node(ground: _Ground, corners: NDArray[np.int32], corner: int) -> bool:
    ids = _corner_ids(ground, corners[corner, 1] // SUBPIXEL, corners[corner, 0] // SUBPIXEL)
    cracks = 0
    for heading in range(4):
        cracks += _is_crack(ids, heading)
    return cracks > 2  # noqa: PLR2004 - an arc that passes has two


@compiled
def _crack(ground: _Ground, row: int, col: int, heading: int) -> tuple[int, int]:
    """Give the column and row of the point of the crack that leads from a vertex, in 1 / `SUBPIXEL` px."""
    if heading == WEST:
        col -= 1
    elif heading == NORTH:
        row -= 1
    line = row - ground.first_row + 1
    if heading in (EAST, WEST):
        share = _share(ground, (line - 1, col), (line, col))
        return col * SUBPIXEL + _HALF, row * SUBPIXEL - _HALF + share
    share = _share(ground, (line, col - 1), (line, col))
    return col * SUBPIXEL - _HALF + share, row * SUBPIXEL + _HALF


@compiled
def _share(ground: _Ground, one: tuple[int, int], other: tuple[int, int]) -> int:
    """Say how far the boundary is from the centre of one pixel to that of another, in 1 / `SUBPIXEL` px."""
    own, next_own = ground.bands[ground.ids[one]], ground.bands[ground.ids[other]]
    if own == next_own or own < 0 or next_own < 0:
        return _HALF
    here, there = ground.probabilities[own], ground.probabilities[next_own]
    lead, lag = np.int64(here[one]) - there[one], np.int64(there[other]) - here[other]
    if lead <= 0 and lag <= 0:
        return _HALF
    if lead <= 0 or lag <= 0:
        return _LEAST if lead <= 0 else SUBPIXEL - _LEAST
    share = (2 * SUBPIXEL * lead + lead + lag) // (2 * (lead + lag))
    return int(min(max(share, _LEAST), SUBPIXEL - _LEAST))


@compiled
def _node(ground: _Ground, corners: NDArray[np.int32], corner: int) -> tuple[int, int]:
    """Give the column and row of the point of a node."""
    row, col = corners[corner, 1] // SUBPIXEL, corners[corner, 0] // SUBPIXEL
    ids = _corner_ids(ground, row, col)
    if ids[0] == 0 or ids[1] == 0 or ids[2] == 0 or ids[3] == 0:
        return _node_beside_nothing(ground, ids, row, col)
    return _junction(ground, ids, row, col)


@compiled
def _node_beside_nothing(ground: _Ground, ids: tuple[int, int, int, int], row: int, col: int) -> tuple[int, int]:
    """Move a node along a straight line against no region to where the arc from the other side meets it."""
    for heading in range(4):
        if ids[heading] == 0 and ids[(heading + 3) & 3] == 0 and _is_crack(ids, heading):
            column, line = _crack(ground, row, col, heading)
            return (col * SUBPIXEL, line) if heading in (EAST, WEST) else (column, row * SUBPIXEL)
    return col * SUBPIXEL, row * SUBPIXEL


@compiled
def _junction(ground: _Ground, ids: tuple[int, int, int, int], row: int, col: int) -> tuple[int, int]:
    """Put a node where the planes of its classes come nearest to each other.

    Sums of squares of the differences of all pairs are least there; the mean of the cracks adds to them a little, so
    that planes which are nearly the same do not throw the node about.
    """
    right, below = _amid(ground, ids, row, col)
    count, high, east, south = 0, 0, 0, 0
    for corner in range(4):
        if _is_first(ground, ids, corner):
            plane = _plane(ground, ground.bands[ids[corner]], row, col)
            count, high, east, south = count + 1, high + plane[0], east + plane[1], south + plane[2]
    pull = (2.0 * _PULL * max(count, 1)) ** 2
    along, across, down, pull_x, pull_y = pull, 0.0, pull, pull * right, pull * below
    for corner in range(4):
        if _is_first(ground, ids, corner):
            plane = _plane(ground, ground.bands[ids[corner]], row, col)
            level, x, y = count * plane[0] - high, count * plane[1] - east, count * plane[2] - south
            along, across, down = along + x * x, across + x * y, down + y * y
            pull_x, pull_y = pull_x - x * level, pull_y - y * level
    area = along * down - across * across
    column = _offset((pull_x * down - pull_y * across) / area)
    line = _offset((pull_y * along - pull_x * across) / area)
    return col * SUBPIXEL + column, row * SUBPIXEL + line


@compiled
def _offset(halves: float) -> int:
    """Turn half pixels from a vertex to 1 / `SUBPIXEL` px, inside of the square."""
    least = _HALF - _LEAST
    return int(np.rint(min(max(halves * _HALF, -least), least)))


@compiled
def _amid(ground: _Ground, ids: tuple[int, int, int, int], row: int, col: int) -> tuple[float, float]:
    """Give the mean of the cracks round a node, in half pixels from the vertex: across from those to both sides."""
    right, below, across, along = 0.0, 0.0, 0, 0
    for heading in range(4):
        if _is_crack(ids, heading):
            column, line = _crack(ground, row, col, heading)
            if heading in (EAST, WEST):
                below, along = below + (line - row * SUBPIXEL) / _HALF, along + 1
            else:
                right, across = right + (column - col * SUBPIXEL) / _HALF, across + 1
    return right / across, below / along


@compiled
def _is_first(ground: _Ground, ids: tuple[int, int, int, int], corner: int) -> bool:
    """Tell whether a pixel has a band, and no pixel before it the same."""
    band = ground.bands[ids[corner]]
    for before in range(corner):
        if ground.bands[ids[before]] == band:
            return False
    return bool(band >= 0)


@compiled
def _plane(ground: _Ground, band: int, row: int, col: int) -> tuple[int, int, int]:
    """Fit a plane to the probabilities of the four pixels round a vertex.

    Returns:
        Four times its height at the vertex, and how much four times its height grows by half a pixel to the east and
        to the south.
    """
    line = row - ground.first_row
    field = ground.probabilities[band]
    west, north_east = np.int64(field[line, col - 1]), np.int64(field[line, col])
    south_west, south_east = np.int64(field[line + 1, col - 1]), np.int64(field[line + 1, col])
    total = west + north_east + south_west + south_east
    east = north_east + south_east - west - south_west
    return int(total), int(east), int(south_west + south_east - west - north_east)
