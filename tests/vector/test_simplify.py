"""Simplified polygons are a valid coverage at any tolerance, with the neighbours and holes that they had."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from geoseg.vector.arcs import SUBPIXEL, Arcs, trace_arcs
from geoseg.vector.buckets import sort_into_buckets, sweeps_over_points, triangle_holds_points
from geoseg.vector.components import label_components
from geoseg.vector.douglas_peucker import keep_far
from geoseg.vector.outlines import Outlines
from geoseg.vector.polygonize import Shaping, polygonize, to_shapely
from geoseg.vector.simplify import Seams, simplify_arcs
from geoseg.vector.visvalingam import keep_large

RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=16),
    elements=st.sampled_from([0, 1, 1, 2, 255]),
)
TOLERANCES = st.sampled_from([0.3, 1.0, 1.5, 2.0, 5.0, 50.0, 1e9])
METHODS = st.sampled_from(["dp", "vw"])


def ids_of(class_ids: np.ndarray) -> np.ndarray:
    return label_components(class_ids)[0]


def blocks_of(ids: np.ndarray, block_rows: int) -> list[tuple[int, np.ndarray]]:
    padded = np.pad(ids, ((1, 1), (0, 0)))
    return [(row, padded[row : row + block_rows + 2].copy()) for row in range(0, len(ids), block_rows)]


def outlines_of(
    ids: np.ndarray, tolerance: float, method: str, *, block_rows: int = 1024, workers: int = 1
) -> list[Outlines]:
    def apply(arcs: Arcs, rows: np.ndarray, first_row: int) -> Arcs:
        return simplify_arcs(arcs, tolerance, method, Seams(first_row, first_row + len(rows) - 2, len(ids)))

    bottoms = np.array([where[0].stop for where in ndimage.find_objects(ids)], dtype=np.int64)
    shaping = Shaping(apply=apply, joints="all" if tolerance else "corners")
    blocks = blocks_of(ids, block_rows)
    return list(polygonize(blocks, bottoms, height=len(ids), workers=workers, shaping=shaping))


def polygons_of(
    ids: np.ndarray, tolerance: float = 0.0, method: str = "dp", *, block_rows: int = 1024, workers: int = 1
) -> np.ndarray:
    polygons = np.empty(ids.max(initial=0), dtype=object)
    for outlines in outlines_of(ids, tolerance, method, block_rows=block_rows, workers=workers):
        polygons[outlines.region_ids - 1] = to_shapely(outlines, Affine.identity())
    return polygons


def neighbours_of(polygons: np.ndarray) -> set[frozenset[int]]:
    """Pairs of polygons that have an edge in common."""
    edges: dict[frozenset[tuple[float, float]], list[int]] = {}
    for number, polygon in enumerate(polygons):
        for ring in [polygon.exterior, *polygon.interiors]:
            for ends in pairwise(ring.coords):
                edges.setdefault(frozenset(ends), []).append(number)
    return {frozenset(sharing) for sharing in edges.values() if len(sharing) == 2}


def check_coverage(ids: np.ndarray, polygons: np.ndarray) -> None:
    before = polygons_of(ids)
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == np.count_nonzero(ids)
    assert np.array_equal(shapely.get_num_interior_rings(polygons), shapely.get_num_interior_rings(before))
    assert neighbours_of(polygons) == neighbours_of(before)


def blobs(side: int, width: float, classes: int = 4) -> np.ndarray:
    fields = np.random.default_rng(3).standard_normal((classes, side, side))
    return ndimage.gaussian_filter(fields, (0, width, width)).argmax(0).astype(np.uint8)


@settings(max_examples=100)
@given(RASTERS, TOLERANCES, METHODS, st.integers(1, 17))
def test_any_raster_stays_a_valid_coverage(
    class_ids: np.ndarray, tolerance: float, method: str, block_rows: int
) -> None:
    ids = ids_of(class_ids)
    check_coverage(ids, polygons_of(ids, tolerance, method, block_rows=block_rows))


@pytest.mark.parametrize("method", ["dp", "vw"])
@pytest.mark.parametrize("tolerance", [0.3, 1, 2, 5, 50])
@pytest.mark.parametrize("width", [0, 1.5, 6])
def test_noise_and_blobs_stay_valid_coverages(width: float, tolerance: float, method: str) -> None:
    ids = ids_of(blobs(24 if width == 0 else 80, width))
    for block_rows in (7, 37, 80):
        check_coverage(ids, polygons_of(ids, tolerance, method, block_rows=block_rows))


@pytest.mark.parametrize("tolerance", [1.0, 2.0, 5.0, 50.0])
def test_no_boundary_moves_farther_than_the_tolerance(tolerance: float) -> None:
    ids = ids_of(blobs(100, 4))
    pairs = zip(polygons_of(ids), polygons_of(ids, tolerance, block_rows=64), strict=True)
    farthest = [shapely.hausdorff_distance(one.boundary, other.boundary) for one, other in pairs]
    assert max(farthest) <= tolerance + 1e-9
    assert max(farthest) > min(tolerance, 5) / 2


def test_smooth_boundaries_lose_most_of_their_points() -> None:
    ids = ids_of(blobs(150, 8))
    counts = {method: shapely.get_num_coordinates(polygons_of(ids, 1.0, method)).sum() for method in ("dp", "vw")}
    before = shapely.get_num_coordinates(polygons_of(ids)).sum()
    assert counts["dp"] < before / 3
    assert counts["vw"] < before / 1.8


@pytest.mark.parametrize("method", ["dp", "vw"])
def test_as_few_points_are_left_as_geos_leaves(method: str) -> None:
    ids = ids_of(blobs(150, 5))
    points = shapely.get_num_coordinates(polygons_of(ids, 1.5, method)).sum()
    assert points <= 1.03 * shapely.get_num_coordinates(shapely.coverage_simplify(polygons_of(ids), 1.5)).sum()


@pytest.mark.parametrize("method", ["dp", "vw"])
def test_threads_do_not_change_the_outlines(method: str) -> None:
    ids = ids_of(blobs(120, 2))
    one = outlines_of(ids, 1.5, method, block_rows=20, workers=1)
    three = outlines_of(ids, 1.5, method, block_rows=20, workers=3)
    assert [part.points.tobytes() for part in one] == [part.points.tobytes() for part in three]


@pytest.mark.parametrize("method", ["dp", "vw"])
def test_regions_cut_at_seams_fit_together(method: str) -> None:
    class_ids = blobs(60, 3, classes=2)
    ids = np.concatenate([ids_of(class_ids[row : row + 20]) + 100 * row for row in range(0, 60, 20)])
    ids = np.unique(ids, return_inverse=True)[1].reshape(ids.shape).astype(np.int32) + 1
    check_coverage(ids, polygons_of(ids, 3.0, method, block_rows=20))


def lens() -> np.ndarray:
    """Two regions of one row's height between the same two nodes, in a third and a fourth."""
    ids = np.ones((9, 12), dtype=np.int32)
    ids[5:] = 2
    ids[4, 2:10] = 3
    return ids


@pytest.mark.parametrize("method", ["dp", "vw"])
def test_two_arcs_between_the_same_ends_do_not_become_one_line(method: str) -> None:
    polygons = polygons_of(lens(), 50.0, method)
    assert shapely.is_valid(polygons).all()
    assert polygons[2].area > 0
    check_coverage(lens(), polygons)


def test_without_a_tolerance_nothing_changes() -> None:
    arcs = trace_arcs(np.pad(lens(), ((1, 1), (0, 0))), first_row=0, height=9)
    assert simplify_arcs(arcs, 0.0, "dp", Seams(0, 9, 9)) is arcs


@pytest.mark.parametrize("method", ["dp", "vw"])
def test_arcs_against_no_region_keep_their_points(method: str) -> None:
    class_ids = blobs(40, 2)
    class_ids[class_ids == 3] = 255
    rows = np.pad(ids_of(class_ids), ((1, 1), (0, 0)))
    arcs = trace_arcs(rows, first_row=0, height=40)
    simple = simplify_arcs(arcs, 9.0, method, Seams(0, 40, 40))
    rim = np.flatnonzero((arcs.left == 0) | (arcs.right == 0))
    assert len(simple.points) < len(arcs.points)
    for arc in rim:
        old, new = (part.points[part.offsets[arc] : part.offsets[arc + 1]] for part in (arcs, simple))
        assert np.array_equal(old, new)


@pytest.mark.parametrize("method", ["dp", "vw"])
def test_points_near_seams_stay_with_their_neighbours(method: str) -> None:
    ids = ids_of(blobs(60, 4))
    first_row, rows = blocks_of(ids, 20)[1]
    arcs = trace_arcs(rows, first_row=first_row, height=60)
    simple = simplify_arcs(arcs, 9.0, method, Seams(20, 40, 60))
    kept = {tuple(point) for point in simple.points.tolist()}
    assert len(simple.points) < len(arcs.points)
    for arc in range(len(arcs)):
        points = arcs.points[arcs.offsets[arc] : arcs.offsets[arc + 1]]
        near = np.abs(points[:, 1, None] - [20 * SUBPIXEL, 40 * SUBPIXEL]).min(axis=1) <= SUBPIXEL
        beside = ndimage.binary_dilation(near, [1, 1, 1])
        assert {tuple(point) for point in points[beside].tolist()} <= kept


def side_of(first: np.ndarray, last: np.ndarray, point: np.ndarray) -> int:
    (along, down), (right, below) = (last - first).tolist(), (point - first).tolist()
    return along * below - down * right


def is_swept(chain: np.ndarray, point: np.ndarray) -> bool:
    """Add up the angles by which the way round turns as seen from the point."""
    if any(np.array_equal(point, end) for end in (chain[0], chain[-1])):
        return False
    if shapely.LineString(chain[[0, -1]]).distance(shapely.Point(point)) == 0:
        return True
    seen = np.append(chain, chain[:1], axis=0) - point
    turns = np.diff(np.arctan2(seen[:, 1], seen[:, 0]))
    return bool(round(((turns + np.pi) % (2 * np.pi) - np.pi).sum() / (2 * np.pi)))


PLACES = st.tuples(st.integers(-9000, 9000), st.integers(-9000, 9000))


@settings(max_examples=200)
@given(st.lists(PLACES, min_size=3, max_size=9, unique=True), st.lists(PLACES, min_size=1, max_size=40))
def test_points_between_a_chain_and_its_chord_are_found(
    chain: list[tuple[int, int]], others: list[tuple[int, int]]
) -> None:
    points = np.array(chain + others, dtype=np.int32)
    last = len(chain) - 1
    places = points[: last + 1].astype(np.int64)
    on_chain = shapely.LineString(places).distance(shapely.points(others)) < 1
    assume(not on_chain.any())
    reach = max(shapely.LineString(places[[0, -1]]).distance(shapely.Point(place)) for place in places)
    found = sweeps_over_points(points, sort_into_buckets(points), 0, last, reach)
    assert found == any(is_swept(places, np.array(other)) for other in others)


@settings(max_examples=200)
@given(st.lists(PLACES, min_size=3, max_size=3, unique=True), st.lists(PLACES, min_size=1, max_size=10))
def test_points_in_a_triangle_are_found(corners: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    triangle = shapely.Polygon(corners)
    assume(triangle.area > 0)
    points = np.array(corners + others, dtype=np.int32)
    found = triangle_holds_points(points, sort_into_buckets(points), 0, 1, 2)
    ends = (corners[0], corners[2])
    assert found == any(triangle.intersects(shapely.Point(other)) and other not in ends for other in others)


def arcs_of(class_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of all arcs of a raster, and which of them each arc has, as first and last."""
    rows = np.pad(ids_of(class_ids), ((1, 1), (0, 0)))
    arcs = trace_arcs(rows, first_row=0, height=len(class_ids))
    return arcs.points, np.stack([arcs.offsets[:-1], arcs.offsets[1:] - 1], axis=1)


def far_oracle(points: np.ndarray, first: int, last: int, tolerance: float) -> set[int]:
    if last - first < 2:
        return set()
    chain = points[first : last + 1].astype(np.int64)
    line = shapely.LineString(chain[[0, -1]]) if np.any(chain[0] != chain[-1]) else shapely.Point(chain[0])
    away = shapely.distance(line, shapely.points(chain[1:-1]))
    middle = first + 1 + int(np.argmax(np.round(away, 6)))
    others = np.delete(points, np.s_[first : last + 1], axis=0)
    if away.max() <= tolerance and not any(is_swept(chain, other) for other in others):
        return set()
    return {middle} | far_oracle(points, first, middle, tolerance) | far_oracle(points, middle, last, tolerance)


@settings(max_examples=60)
@given(RASTERS, st.sampled_from([0.9, 1.3, 2.1, 7.0]))
def test_points_are_kept_by_distance_as_the_slow_way_keeps_them(class_ids: np.ndarray, tolerance: float) -> None:
    points, chains = arcs_of(class_ids)
    assume(len(points) > 0)
    kept = np.zeros(len(points), dtype=np.bool_)
    keep_far(points, sort_into_buckets(points), chains, tolerance * SUBPIXEL, kept)
    expected = set[int]().union(*(far_oracle(points, *chain, tolerance * SUBPIXEL) for chain in chains.tolist()))
    assert set(np.flatnonzero(kept).tolist()) == expected


def large_oracle(points: np.ndarray, first: int, last: int, tolerance: float) -> set[int]:
    line = list(range(first, last + 1))
    blocked: set[tuple[int, int, int]] = set()
    places = points.astype(np.int64)
    while True:
        triangles = [
            (abs(side_of(places[before], places[after], places[point])), point, (before, point, after))
            for before, point, after in zip(line, line[1:], line[2:], strict=False)
            if (before, point, after) not in blocked
        ]
        if not triangles or min(triangles)[0] > 2 * tolerance**2:
            return set(line[1:-1])
        area, point, corners = min(triangles)
        others = np.delete(points, np.s_[corners[0] : corners[2] + 1], axis=0)
        if area and any(is_swept(places[list(corners)], other) or on_rim(places, corners, other) for other in others):
            blocked.add(corners)
        else:
            line.remove(point)


def on_rim(places: np.ndarray, corners: tuple[int, int, int], point: np.ndarray) -> bool:
    at_end = any(np.array_equal(point, places[corner]) for corner in (corners[0], corners[2]))
    return not at_end and shapely.Polygon(places[list(corners)]).intersects(shapely.Point(point))


@settings(max_examples=60)
@given(RASTERS, st.sampled_from([0.6, 0.9, 1.3, 2.1, 7.0]))
def test_points_are_kept_by_area_as_the_slow_way_keeps_them(class_ids: np.ndarray, tolerance: float) -> None:
    points, chains = arcs_of(class_ids)
    assume(len(points) > 0)
    kept = np.zeros(len(points), dtype=np.bool_)
    keep_large(points, sort_into_buckets(points), chains, tolerance * SUBPIXEL, kept)
    expected = set[int]().union(*(large_oracle(points, *chain, tolerance * SUBPIXEL) for chain in chains.tolist()))
    assert set(np.flatnonzero(kept).tolist()) == expected
