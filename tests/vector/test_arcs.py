"""Arcs are the cracks between regions, each once, from node to node."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoseg.vector.arcs import BEGINS_AT_JOINT, ENDS_AT_JOINT, SUBPIXEL, Arcs, trace_arcs

IDS = hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 3))
HEADING_OF_STEP = {(0, 1): 0, (1, 0): 1, (0, -1): 2, (-1, 0): 3}


def traced(ids: np.ndarray, rows: int) -> list[Arcs]:
    """The arcs of bands of so many rows."""
    padded, height = np.pad(ids, ((1, 1), (0, 0))), len(ids)
    tops = range(0, height, rows)
    return [trace_arcs(padded[top : min(top + rows, height) + 2], first_row=top, height=height) for top in tops]


def lines(arcs: Arcs) -> list[np.ndarray]:
    """Points (row, column) of each arc in pixels."""
    return [part[:, ::-1] // SUBPIXEL for part in np.split(arcs.points, arcs.offsets[1:-1])] if len(arcs) else []


def steps(line: np.ndarray) -> list[tuple[tuple[int, int], int]]:
    """Vertex and heading of each crack along a line."""
    found = []
    for begin, end in itertools.pairwise(line):
        length = int(np.abs(end - begin).sum())
        row, col = ((end - begin) // length).tolist()
        assert (end - begin).tolist() == [row * length, col * length]
        found += [((begin[0] + i * row, begin[1] + i * col), HEADING_OF_STEP[row, col]) for i in range(length)]
    return found


def beside(ids: np.ndarray, vertex: tuple[int, int], heading: int) -> tuple[int, int]:
    """Regions left and right of a crack."""
    padded = np.pad(ids, 1)
    row, col = vertex
    around = [padded[row, col + 1], padded[row + 1, col + 1], padded[row + 1, col], padded[row, col]]  # clockwise
    return int(around[heading]), int(around[(heading + 1) % 4])


def cracks_of(ids: np.ndarray) -> Counter[frozenset[tuple[int, int]]]:
    """Both ends of every crack of a raster."""
    padded = np.pad(ids, 1)
    upright = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1]).tolist()
    level = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1]).tolist()
    ends = [((row, col), (row + 1, col)) for row, col in upright] + [((row, col), (row, col + 1)) for row, col in level]
    return Counter(frozenset(pair) for pair in ends)


def degrees(ids: np.ndarray) -> Counter[tuple[int, int]]:
    return Counter(end for crack in cracks_of(ids) for end in crack)


@settings(max_examples=100, deadline=None)
@given(ids=IDS, rows=st.integers(1, 9))
def test_every_crack_stands_in_one_arc_between_the_regions_beside_it(ids, rows):
    seen: Counter[frozenset[tuple[int, int]]] = Counter()
    for arcs in traced(ids, rows):
        for line, left, right in zip(lines(arcs), arcs.left, arcs.right, strict=True):
            for (row, col), heading in steps(line):
                assert beside(ids, (row, col), heading) == (left, right)
                ahead = next(step for step, each in HEADING_OF_STEP.items() if each == heading)
                seen[frozenset([(row, col), (row + ahead[0], col + ahead[1])])] += 1
    assert seen == cracks_of(ids)


@settings(max_examples=100, deadline=None)
@given(ids=IDS, rows=st.integers(1, 9))
def test_an_arc_ends_where_three_cracks_meet_or_at_a_joint_and_nowhere_else(ids, rows):
    meeting = degrees(ids)
    for arcs in traced(ids, rows):
        for line, joints in zip(lines(arcs), arcs.joints, strict=True):
            first, last = tuple(line[0]), tuple(line[-1])
            assert all(meeting[vertex] == 2 for vertex, _ in steps(line)[1:])
            for end, joint in ((first, joints & BEGINS_AT_JOINT), (last, joints & ENDS_AT_JOINT)):
                if joint:
                    assert meeting[end] == 2
                    assert end[0] % rows == 0
                else:
                    assert meeting[end] > 2 or first == last


@settings(max_examples=100, deadline=None)
@given(ids=IDS, rows=st.integers(1, 9))
def test_ends_and_headings_are_those_of_the_points(ids, rows):
    for arcs in traced(ids, rows):
        for at, line in enumerate(lines(arcs)):
            headings = [heading for _, heading in steps(line)]
            assert (arcs.first_heading[at], arcs.last_heading[at]) == (headings[0], headings[-1])
            for vertex, (row, col) in ((arcs.first_vertex[at], line[0]), (arcs.last_vertex[at], line[-1])):
                assert vertex == row * (ids.shape[1] + 1) + col
            corners = [steps(line[i : i + 2])[0][1] for i in range(len(line) - 1)]
            assert all(one != other for one, other in itertools.pairwise(corners))


@settings(max_examples=100, deadline=None)
@given(ids=IDS)
def test_an_arc_begins_at_its_smaller_end_and_a_closed_one_at_its_topmost_vertex(ids):
    (arcs,) = traced(ids, len(ids))
    meeting = degrees(ids)
    for at, line in enumerate(lines(arcs)):
        first, last = tuple(line[0]), tuple(line[-1])
        if meeting[first] > 2:
            back = (int(arcs.last_heading[at]) + 2) % 4
            assert (first, int(arcs.first_heading[at])) < (last, back)
        else:
            assert first == last == min(tuple(point) for point in line)
            assert arcs.first_heading[at] == 0


@settings(max_examples=100, deadline=None)
@given(ids=IDS, rows=st.integers(1, 9))
def test_arcs_that_touch_no_seam_do_not_depend_on_the_bands(ids, rows):
    def inner(bands: list[Arcs]) -> Counter:
        found: Counter = Counter()
        for arcs in bands:
            for at, line in enumerate(lines(arcs)):
                if (
                    not np.isin(line[:, 0], range(rows, len(ids), rows)).any()
                    and len(np.unique(line[:, 0] // rows)) == 1
                ):
                    found[line.tobytes(), int(arcs.left[at]), int(arcs.right[at])] += 1
        return found

    assert inner(traced(ids, rows)) == inner(traced(ids, len(ids)))


def test_ids_need_not_lie_together_in_memory():
    ids = np.arange(24, dtype=np.int32).reshape(4, 6)
    (expected,) = traced(ids, 4)
    (found,) = traced(np.asfortranarray(ids), 4)
    assert found.points.tolist() == expected.points.tolist()
