"""Outlines of complete regions, whatever the bands and whatever was taken before."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoseg.vector.arcs import SUBPIXEL, Arcs, trace_arcs
from geoseg.vector.outlines import Outlines
from geoseg.vector.rings import Outliner

CROSSING_A_SEAM = np.array([[1, 1, 2], [1, 1, 2], [1, 3, 3], [3, 3, 3]], dtype=np.int32)
SEAM = 2


def traced(ids: np.ndarray, rows: int) -> list[Arcs]:
    padded, height = np.pad(ids, ((1, 1), (0, 0))), len(ids)
    tops = range(0, height, rows)
    return [trace_arcs(padded[top : min(top + rows, height) + 2], first_row=top, height=height) for top in tops]


def outlines_of(ids: np.ndarray, rows: int, **options) -> Outlines:
    """All at the end."""
    outliner = Outliner(**options)
    for arcs in traced(ids, rows):
        outliner.add(arcs)
    return outliner.take(np.ones(ids.max() + 1, dtype=np.bool_))


def rings_of(outlines: Outlines) -> dict[int, list[list[tuple[float, float]]]]:
    """Points (column, row) of the rings by region."""
    rings = [(part / SUBPIXEL).tolist() for part in np.split(outlines.points, outlines.rings[1:-1])]
    rings = [[tuple(point) for point in ring] for ring in rings]
    spans = zip(outlines.polygons[:-1], outlines.polygons[1:], strict=True)
    return {int(region): rings[begin:end] for region, (begin, end) in zip(outlines.region_ids, spans, strict=True)}


def test_a_region_lies_to_the_right_of_its_rings_which_end_where_they_begin():
    ids = np.ones((3, 3), dtype=np.int32)
    ids[1, 1] = 2
    assert rings_of(outlines_of(ids, 3)) == {
        1: [[(0, 0), (3, 0), (3, 3), (0, 3), (0, 0)], [(1, 1), (1, 2), (2, 2), (2, 1), (1, 1)]],
        2: [[(1, 1), (2, 1), (2, 2), (1, 2), (1, 1)]],
    }


def test_only_complete_regions_are_taken_and_each_once():
    first, second = traced(CROSSING_A_SEAM, SEAM)
    outliner = Outliner()
    outliner.add(first)
    assert len(outliner.take(np.array([True, False, False, False]))) == 0
    outliner.add(second)
    assert outliner.take(np.array([False, False, True, False])).region_ids.tolist() == [2]
    assert outliner.take(np.array([False, True, True, False])).region_ids.tolist() == [1]
    assert outliner.take(np.ones(4, dtype=np.bool_)).region_ids.tolist() == [3]
    assert len(outliner.take(np.ones(4, dtype=np.bool_))) == 0


def test_arcs_are_forgotten_when_both_regions_were_taken():
    outliner = Outliner()
    for arcs in traced(CROSSING_A_SEAM, SEAM):
        outliner.add(arcs)
    outliner.take(np.array([True, True, True, False]))
    (held,) = outliner._parts
    assert 3 in held.left or 3 in held.right
    assert all(3 in pair for pair in zip(held.left, held.right, strict=True))
    outliner.take(np.ones(4, dtype=np.bool_))
    assert len(outliner._parts[0]) == len(outliner._parts[0].points) == 0


@settings(max_examples=100, deadline=None)
@given(
    ids=hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.integers(0, 3)),
    rows=st.integers(1, 7),
    keep_nodes=st.booleans(),
    data=st.data(),
)
def test_outlines_do_not_depend_on_when_they_are_taken(ids, rows, keep_nodes, data):
    outliner = Outliner(keep_nodes=keep_nodes)
    for arcs in traced(ids, rows):
        outliner.add(arcs)
    found: dict[int, list[list[tuple[float, float]]]] = {}
    order = data.draw(st.permutations(range(int(ids.max()) + 1)))
    complete = np.zeros(len(order), dtype=np.bool_)
    for region in order:
        complete[region] = True
        found |= rings_of(outliner.take(complete))
    assert found == rings_of(outlines_of(ids, len(ids), keep_nodes=keep_nodes))


def test_a_joint_stays_a_point_where_the_outline_turns():
    ids = np.array([[1, 1, 2], [1, 2, 2]], dtype=np.int32)
    ring = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2), (0, 0)]
    assert rings_of(outlines_of(ids, 1))[1] == [ring]


@pytest.mark.parametrize(
    ("joints", "points"), [("corners", []), ("none", []), ("all", [(2, SEAM)])], ids=["corners", "none", "all"]
)
def test_a_joint_between_regions_on_a_straight_line_stays_a_point_only_where_all_do(joints, points):
    ids = np.array([[1, 1, 2]] * 4, dtype=np.int32)
    for (ring,) in rings_of(outlines_of(ids, SEAM, joints=joints)).values():
        assert [point for point in ring if point[1] == SEAM] == points


@pytest.mark.parametrize("joints", ["corners", "none", "all"])
def test_the_frame_has_no_points_but_corners_and_nodes(joints):
    ids = np.array([[1, 1], [1, 1], [1, 1], [0, 1]], dtype=np.int32)
    (ring,) = rings_of(outlines_of(ids, 1, joints=joints))[1]
    assert ring == [(0, 0), (2, 0), (2, 4), (1, 4), (1, 3), (0, 3), (0, 0)]


def test_smoothed_outlines_leave_joints_out_even_where_cracks_turn_there():
    ids = np.array([[1, 1, 2], [1, 2, 2]], dtype=np.int32)
    assert (2, 1) not in rings_of(outlines_of(ids, 1, joints="none"))[1][0]


def test_points_may_have_been_moved_and_left_out():
    (arcs,) = traced(np.array([[1, 1, 2], [1, 2, 2]], dtype=np.int32), 2)
    between = int(np.flatnonzero((arcs.left > 0) & (arcs.right > 0))[0])
    begin, end = arcs.offsets[between], arcs.offsets[between + 1]
    keep = np.ones(len(arcs.points), dtype=np.bool_)
    keep[begin + 1 : end - 1] = False
    offsets = np.append(0, np.cumsum(keep))[arcs.offsets]
    straight = dataclasses.replace(arcs, points=arcs.points[keep], offsets=offsets)
    outliner = Outliner()
    outliner.add(straight)
    rings = rings_of(outliner.take(np.ones(3, dtype=np.bool_)))
    assert rings[1] == [[(0, 0), (2, 0), (1, 2), (0, 2), (0, 0)]]
    assert rings[2] == [[(2, 0), (3, 0), (3, 2), (1, 2), (2, 0)]]


def test_the_shell_comes_first_though_a_hole_was_moved_to_its_topmost_point():
    ids = np.ones((3, 3), dtype=np.int32)
    ids[1, 1] = 0
    (arcs,) = traced(ids, 3)
    shell, hole = np.split(arcs.points, arcs.offsets[1:-1])
    hole[[0, -1]] = shell[0]
    lengths = [0, len(hole), len(hole) + len(shell)]
    swapped = {
        field.name: getattr(arcs, field.name)[::-1]
        for field in dataclasses.fields(arcs)
        if field.name not in ("points", "offsets")
    }
    outliner = Outliner()
    outliner.add(Arcs(points=np.concatenate([hole, shell]), offsets=np.array(lengths), **swapped))
    first, second = rings_of(outliner.take(np.ones(2, dtype=np.bool_)))[1]
    assert first == [(0, 0), (3, 0), (3, 3), (0, 3), (0, 0)]
    assert second[0] == (0, 0)


@pytest.mark.parametrize("most_points", [1, 6, 11, 1000])
def test_parts_hold_the_same_polygons_and_no_more_points_than_allowed(most_points):
    ids = np.arange(1, 8, dtype=np.int32)[:, None].repeat(3, axis=1)
    ids[2, 1] = 8
    outlines = outlines_of(ids, 7)
    parts = list(outlines.parts(most_points))
    together: dict[int, list[list[tuple[float, float]]]] = {}
    for part in parts:
        assert len(part) == 1 or len(part.points) <= most_points
        together |= rings_of(part)
    assert together == rings_of(outlines)
    assert sum(map(len, parts)) == len(outlines)
