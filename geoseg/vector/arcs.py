"""Arcs: the boundaries between regions, each traced once. Knows region ids, no classes, no map coordinates, no files.

A crack is the side of a pixel between two regions. A vertex is a corner of pixels where cracks meet; one where three
or four meet is a node. An arc runs along cracks from one node to the next, or round and back to where it began. At the
first and the last line of a block arcs end too: such an end, where only two cracks meet, is a joint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled

SUBPIXEL = 256
"""Units of arc coordinates per pixel: whole numbers, so that comparing lines and points is exact."""

EAST, SOUTH, WEST, NORTH = range(4)
"""Headings along cracks; one more is a turn to the right. Rows grow to the south."""

BEGINS_AT_JOINT, ENDS_AT_JOINT = 1, 2
"""Bits of `Arcs.joints`."""

_OWN = 15
"""Bits of a vertex, one for each heading: a crack of this block leads that way and has not been traced from an end."""

_END = 16
"""Bit of a vertex where arcs end."""

_JOINT = 32
"""Bit of an end where only two cracks meet."""

_TOP_LEFT = (1 << EAST) | (1 << SOUTH)
"""Bits of a vertex that may be the topmost and leftmost of an arc without ends."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arcs:
    """Arcs of a block of full-width rows."""

    points: NDArray[np.int32]
    """(points, 2): column and row of corners of pixels from the raster's origin, in 1 / `SUBPIXEL` px."""

    offsets: NDArray[np.int64]
    """(arcs + 1,): arc `i` has the points from `offsets[i]` to before `offsets[i + 1]`, at least two."""

    left: NDArray[np.int32]
    """(arcs,): region to the left of the way from the first point to the last; 0 is none."""

    right: NDArray[np.int32]
    """(arcs,): region to its right."""

    first_vertex: NDArray[np.int64]
    """(arcs,): corner of pixels where it begins, row x (width + 1) + column, whatever moves its points later."""

    last_vertex: NDArray[np.int64]
    """(arcs,): where it ends; the same as the first for one that comes back."""

    first_heading: NDArray[np.uint8]
    """(arcs,): heading of its first crack."""

    last_heading: NDArray[np.uint8]
    """(arcs,): heading of its last crack."""

    joints: NDArray[np.uint8]
    """(arcs,): `BEGINS_AT_JOINT` and `ENDS_AT_JOINT`, added; 0 where both ends are nodes or there is no end."""

    def __len__(self) -> int:
        return len(self.left)


class _Room(NamedTuple):
    """Arrays for arcs while they are traced, as long as they can become; `Arcs` says what they hold."""

    points: NDArray[np.int32]
    offsets: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    first_vertex: NDArray[np.int64]
    last_vertex: NDArray[np.int64]
    first_heading: NDArray[np.uint8]
    last_heading: NDArray[np.uint8]
    joints: NDArray[np.uint8]


def trace_arcs(ids: NDArray[np.int32], *, first_row: int, height: int) -> Arcs:
    """Trace the arcs of a block of full-width rows of a raster.

    The block has the cracks above and left of each of its pixels and those on the right side of the raster, the last
    block also those below it: every crack of a raster stands in one arc of one block. Points are where an arc begins,
    ends or turns. An arc begins at the smaller of its ends (vertex, then heading); one without ends at its topmost
    vertex, of those the leftmost, to the east. So an arc that meets no seam is the same whatever the blocks are.

    Args:
        ids: (rows + 2, width) region ids of the block with the row above and the row below; 0 is no region, as
            everything outside of the raster is.
        first_row: row of the raster where the block begins, that of `ids[1]`.
        height: rows of the raster.
    """
    rows, width = len(ids) - 2, ids.shape[1]
    ids = np.ascontiguousarray(ids)
    vertices = np.empty((rows + 1, width + 1), dtype=np.uint8)
    _find_vertices(ids, vertices)
    _end_at_seam(vertices[0], _OWN & ~(1 << NORTH))
    if first_row + rows < height:
        _end_at_seam(vertices[rows], 1 << NORTH)
    corners, ends = _count(vertices.reshape(-1))
    room = _room(ends // 2 + corners // 4, ends + corners + corners // 4)
    begins = _find(vertices.reshape(-1), _END, _END + _JOINT + _OWN, ends)
    count = _trace(ids, vertices, begins, room, 0)
    begins = _find(vertices.reshape(-1), _TOP_LEFT, _TOP_LEFT, corners)
    count = _trace(ids, vertices, begins, room, count)
    points = room.points[: room.offsets[count]]
    points[:, 1] += first_row * SUBPIXEL
    return Arcs(
        points=points,
        offsets=room.offsets[: count + 1],
        left=room.left[:count],
        right=room.right[:count],
        first_vertex=room.first_vertex[:count] + first_row * (width + 1),
        last_vertex=room.last_vertex[:count] + first_row * (width + 1),
        first_heading=room.first_heading[:count],
        last_heading=room.last_heading[:count],
        joints=room.joints[:count],
    )


def _room(arcs: int, points: int) -> _Room:
    return _Room(
        points=np.empty((points, 2), dtype=np.int32),
        offsets=np.zeros(arcs + 1, dtype=np.int64),
        left=np.empty(arcs, dtype=np.int32),
        right=np.empty(arcs, dtype=np.int32),
        first_vertex=np.empty(arcs, dtype=np.int64),
        last_vertex=np.empty(arcs, dtype=np.int64),
        first_heading=np.empty(arcs, dtype=np.uint8),
        last_heading=np.empty(arcs, dtype=np.uint8),
        joints=np.empty(arcs, dtype=np.uint8),
    )


@compiled
def _find_vertices(ids: NDArray[np.int32], vertices: NDArray[np.uint8]) -> None:
    """Bits of each vertex, of which the first line lies between `ids[0]` and `ids[1]`."""
    width = ids.shape[1]
    along = np.zeros(width + 2, dtype=np.uint8)  # whether a crack leads east from the vertex one to the left
    above, below = np.zeros(width + 1, dtype=np.uint8), np.zeros(width + 1, dtype=np.uint8)
    _cracks_beside(ids[0], above)
    for line in range(len(vertices)):
        _cracks_between(ids[line], ids[line + 1], along)
        _cracks_beside(ids[line + 1], below)
        _vertices_of_line(along, above, below, vertices[line])
        above, below = below, above


@compiled
def _cracks_between(above: NDArray[np.int32], below: NDArray[np.int32], along: NDArray[np.uint8]) -> None:
    for col in range(len(above)):
        along[col + 1] = above[col] != below[col]


@compiled
def _cracks_beside(ids: NDArray[np.int32], beside: NDArray[np.uint8]) -> None:
    beside[0] = ids[0] != 0
    for col in range(1, len(ids)):
        beside[col] = ids[col] != ids[col - 1]
    beside[len(ids)] = ids[len(ids) - 1] != 0


@compiled
def _vertices_of_line(
    along: NDArray[np.uint8], above: NDArray[np.uint8], below: NDArray[np.uint8], vertices: NDArray[np.uint8]
) -> None:
    for col in range(len(vertices)):
        east, south, west, north = along[col + 1], below[col], along[col], above[col]
        end = ((east & west) & (south | north)) | ((south & north) & (east | west))
        vertices[col] = (east << EAST) | (south << SOUTH) | (west << WEST) | (north << NORTH) | (end * _END)


@compiled
def _end_at_seam(vertices: NDArray[np.uint8], own: int) -> None:
    """End the arcs where the next crack is another block's, and leave the others' cracks away.

    Args:
        vertices: bits of the vertices along the seam.
        own: headings whose cracks are this block's.
    """
    for col in range(len(vertices)):
        bits = vertices[col]
        if bits & _OWN & ~own:
            joint = 0 if bits & _END else _JOINT
            vertices[col] = (bits & own) | _END | joint if bits & own else 0


@compiled
def _count(vertices: NDArray[np.uint8]) -> tuple[int, int]:
    """How many corners there are between ends, and how many times an arc begins or ends."""
    corners, ends = 0, 0
    for vertex in range(len(vertices)):
        bits = vertices[vertex]
        if bits & _END:
            ends += (bits & 1) + (bits >> 1 & 1) + (bits >> 2 & 1) + (bits >> 3 & 1)
        elif bits:
            corners += (bits ^ (bits >> 2)) & 1
    return corners, ends


@compiled
def _find(vertices: NDArray[np.uint8], least: int, most: int, at_most: int) -> NDArray[np.int64]:
    """Vertices, by number, whose bits are between two numbers; there must not be more than `at_most`."""
    found = np.empty(at_most, dtype=np.int64)
    count = 0
    for vertex in range(len(vertices)):
        if least <= vertices[vertex] <= most:
            found[count] = vertex
            count += 1
    return found[:count]


@compiled
def _trace(
    ids: NDArray[np.int32], vertices: NDArray[np.uint8], begins: NDArray[np.int64], room: _Room, count: int
) -> int:
    """Trace arcs from each of some vertices, along every crack that was not traced from its other end.

    Rows and vertices are counted from the first line of the block.

    Args:
        ids: (rows + 2, width), as for `trace_arcs`.
        vertices: (rows + 1, width + 1) bits.
        begins: numbers of vertices from the first to the last, of arcs with ends or of arcs without.
        room: for the arcs.
        count: how many arcs it holds.

    Returns:
        How many arcs it holds afterwards.
    """
    line = vertices.shape[1]
    for begin in begins:
        row, col = begin // line, begin % line
        if vertices[row, col] == _TOP_LEFT:
            vertices[row, col] |= _END
        bits = vertices[row, col]
        for heading in range(4):
            if vertices[row, col] >> heading & 1:
                vertices[row, col] &= ~(1 << heading)
                at, last, last_heading = _follow(vertices, room.points, room.offsets[count], (row, col, heading))
                room.offsets[count + 1] = at
                room.left[count], room.right[count] = _beside(ids, row, col, heading)
                room.first_vertex[count], room.last_vertex[count] = begin, last
                room.first_heading[count], room.last_heading[count] = heading, last_heading
                ends = BEGINS_AT_JOINT if bits & _JOINT else 0
                if vertices[last // line, last % line] & _JOINT:
                    ends += ENDS_AT_JOINT
                room.joints[count] = ends
                count += 1
    return count


@compiled
def _follow(
    vertices: NDArray[np.uint8], points: NDArray[np.int32], at: int, begin: tuple[int, int, int]
) -> tuple[int, int, int]:
    """Follow an arc to its end.

    Args:
        vertices: bits; those of the cracks on the way vanish.
        points: takes the points.
        at: where the first goes.
        begin: row, column and heading.

    Returns:
        Where the next point after the last goes, the vertex where the arc ends, its last heading.
    """
    row, col, heading = begin
    points[at, 0], points[at, 1] = col * SUBPIXEL, row * SUBPIXEL
    turned = True
    while True:
        at += turned
        row, col = _ahead(row, col, heading)
        bits = vertices[row, col]
        points[at, 0], points[at, 1] = col * SUBPIXEL, row * SUBPIXEL
        if bits & _END:
            break
        vertices[row, col] = 0
        following = _only_heading(bits & ~(1 << _back(heading)))
        turned = following != heading
        heading = following
    vertices[row, col] = bits & ~(1 << _back(heading))
    return at + 1, row * vertices.shape[1] + col, heading


@compiled
def _ahead(row: int, col: int, heading: int) -> tuple[int, int]:
    """The next vertex."""
    along, down = 1 - (heading & WEST), heading & 1
    return row + down * along, col + (1 - down) * along


@compiled
def _back(heading: int) -> int:
    return heading ^ WEST


@compiled
def _only_heading(bit: int) -> int:
    """The heading of the only bit."""
    return (bit >> 1) - (bit >> 3)


@compiled
def _beside(ids: NDArray[np.int32], row: int, col: int, heading: int) -> tuple[int, int]:
    """Regions left and right of the crack that leads from a vertex."""
    above, left = row, col - 1
    if heading == EAST:
        return _at(ids, above, col), _at(ids, above + 1, col)
    if heading == SOUTH:
        return _at(ids, above + 1, col), _at(ids, above + 1, left)
    if heading == WEST:
        return _at(ids, above + 1, left), _at(ids, above, left)
    return _at(ids, above, left), _at(ids, above, col)


@compiled
def _at(ids: NDArray[np.int32], row: int, col: int) -> int:
    return ids[row, col] if 0 <= col < ids.shape[1] else 0
