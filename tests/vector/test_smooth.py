"""Boundaries follow probabilities below the size of a pixel, and the polygons stay a valid coverage."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from geoseg.vector.arcs import Arcs
from geoseg.vector.components import label_components
from geoseg.vector.polygonize import Shaping, polygonize, to_shapely
from geoseg.vector.simplify import Seams, simplify_arcs
from geoseg.vector.smooth import smooth_arcs

CLASSES = 3
RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
    elements=st.sampled_from([0, 1, 1, 2, 255]),
)


def smoothed(
    class_ids: np.ndarray,
    probabilities: np.ndarray,
    *,
    block_rows: int = 1024,
    tolerance: float = 0.0,
    method: str = "dp",
    bands: np.ndarray | None = None,
) -> np.ndarray:
    """Polygons of the regions of a map whose class ids are the bands of its probabilities."""
    height = len(class_ids)
    ids, count = label_components(class_ids)
    padded = np.pad(ids, ((1, 1), (0, 0)))
    below = np.pad(probabilities, ((0, 0), (1, 1), (0, 0)), constant_values=255)
    of_region = np.full(count + 1, -1, dtype=np.int16)
    of_region[ids] = class_ids if bands is None else bands[class_ids]
    of_region[0] = -1

    def apply(arcs: Arcs, rows: np.ndarray, first_row: int) -> Arcs:
        under = below[:, first_row : first_row + len(rows)]
        arcs = smooth_arcs(arcs, rows, under, of_region, first_row=first_row)
        return simplify_arcs(arcs, tolerance, method, Seams(first_row, first_row + len(rows) - 2, height))

    blocks = [(row, padded[row : row + block_rows + 2].copy()) for row in range(0, height, block_rows)]
    bottoms = np.array([where[0].stop for where in ndimage.find_objects(ids)], dtype=np.int64)
    shaping = Shaping(apply=apply, joints="all" if tolerance else "none")
    polygons = np.empty(count, dtype=object)
    for outlines in polygonize(blocks, bottoms, height=height, workers=1, shaping=shaping):
        polygons[outlines.region_ids - 1] = to_shapely(outlines, Affine.identity())
    return polygons


def check_coverage(class_ids: np.ndarray, polygons: np.ndarray) -> None:
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == np.count_nonzero(class_ids != 255)


def percent(shares: np.ndarray) -> np.ndarray:
    return np.rint(shares * 100).astype(np.uint8)


def soft_map(side: int, width: float, classes: int = CLASSES) -> tuple[np.ndarray, np.ndarray]:
    logits = np.random.default_rng(5).standard_normal((classes, side, side))
    logits = ndimage.gaussian_filter(logits, (0, width, width))
    shares = np.exp(3 * logits / logits.std())
    shares /= shares.sum(axis=0)
    return shares.argmax(axis=0).astype(np.uint8), percent(shares)


@settings(max_examples=100)
@given(RASTERS, st.integers(0, 2**32 - 1), st.integers(1, 14), st.sampled_from(["any", "sure"]))
def test_any_map_becomes_the_same_valid_coverage_in_any_blocks(
    class_ids: np.ndarray, seed: int, block_rows: int, kind: str
) -> None:
    probabilities = np.random.default_rng(seed).integers(0, 101, (CLASSES, *class_ids.shape), dtype=np.uint8)
    if kind == "sure":
        probabilities = np.where(np.arange(CLASSES)[:, None, None] == class_ids, 100, probabilities // 2)
    whole = smoothed(class_ids, probabilities.astype(np.uint8))
    check_coverage(class_ids, whole)
    parts = smoothed(class_ids, probabilities.astype(np.uint8), block_rows=block_rows)
    assert [polygon.wkb for polygon in parts] == [polygon.wkb for polygon in whole]


@pytest.mark.parametrize("width", [0, 1, 4])
def test_blocks_of_any_height_give_the_same_polygons(width: float) -> None:
    class_ids, probabilities = soft_map(110, width)
    whole = [polygon.wkb for polygon in smoothed(class_ids, probabilities)]
    for block_rows in (37, 64, 100):
        assert [polygon.wkb for polygon in smoothed(class_ids, probabilities, block_rows=block_rows)] == whole


@settings(max_examples=80)
@given(RASTERS, st.integers(0, 2**32 - 1))
def test_every_region_holds_the_centres_of_its_pixels_and_no_others(class_ids: np.ndarray, seed: int) -> None:
    probabilities = np.random.default_rng(seed).integers(0, 101, (CLASSES, *class_ids.shape), dtype=np.uint8)
    polygons = smoothed(class_ids, probabilities)
    ids, _ = label_components(class_ids)
    rows, cols = np.indices(ids.shape) + 0.5
    for number, polygon in enumerate(polygons, start=1):
        inside = shapely.contains_properly(polygon, shapely.points(cols, rows))
        assert np.array_equal(inside, ids == number)


@settings(max_examples=100)
@given(
    RASTERS,
    st.integers(0, 2**32 - 1),
    st.integers(1, 14),
    st.sampled_from([0.2, 0.5, 1.0, 3.0, 50.0]),
    st.sampled_from(["dp", "vw"]),
)
def test_smoothed_and_simplified_polygons_are_a_valid_coverage(
    class_ids: np.ndarray, seed: int, block_rows: int, tolerance: float, method: str
) -> None:
    probabilities = np.random.default_rng(seed).integers(0, 101, (CLASSES, *class_ids.shape), dtype=np.uint8)
    polygons = smoothed(class_ids, probabilities, block_rows=block_rows, tolerance=tolerance, method=method)
    check_coverage(class_ids, polygons)
    before = smoothed(class_ids, probabilities)
    assert np.array_equal(shapely.get_num_interior_rings(polygons), shapely.get_num_interior_rings(before))


@pytest.mark.parametrize("method", ["dp", "vw"])
def test_soft_maps_are_smoothed_and_simplified_to_fewer_points_than_pixels_gave(method: str) -> None:
    class_ids, probabilities = soft_map(100, 4)
    smooth = smoothed(class_ids, probabilities)
    simple = smoothed(class_ids, probabilities, block_rows=64, tolerance=0.3, method=method)
    check_coverage(class_ids, simple)
    assert shapely.get_num_coordinates(simple).sum() < shapely.get_num_coordinates(smooth).sum() / 1.8


def test_merged_regions_have_boundaries_near_those_of_their_pixels() -> None:
    class_ids, probabilities = soft_map(80, 1)
    merged = ndimage.median_filter(class_ids, 5)
    polygons = smoothed(merged, probabilities)
    check_coverage(merged, polygons)
    pixels = smoothed(merged, probabilities, bands=np.full(256, -1))
    assert max(shapely.hausdorff_distance(polygons, pixels)) < 1


@pytest.mark.parametrize(("west", "column"), [(100, 3.5 + 2 / 3), (75, 4.0), (55, 3.5 + 1 / 6), (50, 3.52), (20, 3.52)])
def test_a_boundary_runs_where_two_probabilities_are_equal(west: int, column: float) -> None:
    """West of it the first class leads by twice `west` - 100, east of it the second by 50."""
    class_ids = np.repeat([[0] * 4 + [1] * 4], 6, axis=0).astype(np.uint8)
    first = np.where(class_ids == 0, west, 25).astype(np.uint8)
    left, right = smoothed(class_ids, np.stack([first, 100 - first]))
    assert left.bounds[2] == pytest.approx(column, abs=1 / 256)
    assert left.equals(shapely.box(0, 0, left.bounds[2], 6))
    assert right.equals(shapely.box(left.bounds[2], 0, 8, 6))
    assert shapely.get_num_coordinates(left) == 5


@pytest.mark.parametrize("block_rows", [1, 2, 3, 8])
def test_a_slanting_boundary_is_one_line_in_any_blocks(block_rows: int) -> None:
    class_ids = np.array([[0, 0, 1, 1]] * 8, dtype=np.uint8)
    lead = np.arange(10, 18)[:, None]
    first = np.where(class_ids == 0, 90, 0)
    second = np.where(class_ids == 0, 90 - lead, 85 - lead)
    left, _ = smoothed(class_ids, np.stack([first, second]).astype(np.uint8), block_rows=block_rows)
    slope = [place for place in left.exterior.coords if place[0] > 0]
    assert sorted(y for _, y in slope) == [0, 0.5, 7.5, 8]


def test_a_boundary_stays_clear_of_the_centres_of_pixels() -> None:
    class_ids = np.array([[0, 0, 1, 1]] * 2, dtype=np.uint8)
    probabilities = np.stack([np.where(class_ids == 0, 51, 0), np.where(class_ids == 0, 50, 100)]).astype(np.uint8)
    left, _ = smoothed(class_ids, probabilities)
    assert left.bounds[2] == 1.5 + 5 / 256


def test_without_probabilities_three_regions_meet_at_the_corner_of_their_pixels() -> None:
    class_ids = np.array([[0, 0, 0, 0]] * 2 + [[1, 1, 2, 2]] * 2, dtype=np.uint8)
    polygons = smoothed(class_ids, np.full((CLASSES, 4, 4), 30, dtype=np.uint8), bands=np.full(256, -1))
    assert set.intersection(*(set(polygon.exterior.coords) for polygon in polygons)) == {(2, 2)}


def test_where_both_pixels_speak_for_the_other_side_the_boundary_is_midway() -> None:
    class_ids = np.array([[0, 0, 1, 1]] * 3, dtype=np.uint8)
    left, right = smoothed(class_ids, np.stack([class_ids * 100, 100 - class_ids * 100]).astype(np.uint8))
    assert left.equals(shapely.box(0, 0, 2, 3))
    assert right.equals(shapely.box(2, 0, 4, 3))


def test_without_probabilities_of_a_class_its_boundaries_are_midway() -> None:
    class_ids = np.array([[0, 0, 1, 1], [0, 2, 2, 1], [0, 2, 2, 1], [0, 0, 1, 1]], dtype=np.uint8)
    probabilities = np.stack([class_ids * 30] * 3).astype(np.uint8)
    polygons = smoothed(class_ids, probabilities, bands=np.full(256, -1))
    check_coverage(class_ids, polygons)
    cut = [(1.5, 1), (2, 1), (2.5, 1), (3, 1.5), (3, 2.5), (2.5, 3), (2, 3), (1.5, 3), (1, 2.5), (1, 1.5)]
    assert polygons[2].equals(shapely.Polygon(cut))


def test_boundaries_against_nothing_stay() -> None:
    class_ids, probabilities = soft_map(40, 3)
    class_ids[10:20, 5:30] = 255
    class_ids[30:, 35:] = 255
    polygons = smoothed(class_ids, probabilities)
    squares = shapely.box(*np.nonzero(class_ids != 255)[::-1], *(np.array(np.nonzero(class_ids != 255)[::-1]) + 1))
    assert shapely.union_all(polygons).symmetric_difference(shapely.union_all(squares)).area == 0


def test_a_boundary_meets_the_frame_at_a_right_angle() -> None:
    class_ids = np.array([[0, 0, 1, 1]] * 3, dtype=np.uint8)
    first = np.where(class_ids == 0, 80, 10).astype(np.uint8)
    left, _ = smoothed(class_ids, np.stack([first, 100 - first]))
    assert {x for x, y in left.exterior.coords if y in {0.0, 3.0}} == {0.0, left.bounds[2]}


def shares_of(inside: np.ndarray, steps: int) -> np.ndarray:
    """Shares of pixels from points that lie `steps` x `steps` in each."""
    height, width = inside.shape
    return inside.reshape(height // steps, steps, width // steps, steps).mean(axis=(1, 3))


def grid(side: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    places = (np.arange(side * steps) + 0.5) / steps
    x, y = np.meshgrid(places, places)
    return x, y


def test_three_classes_meet_where_they_do_on_the_ground() -> None:
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(12):
        x, y = grid(12, 10)
        centre = rng.uniform(5, 7, 2)
        turn = (np.arctan2(y - centre[1], x - centre[0]) + rng.uniform(0, 2 * np.pi)) % (2 * np.pi)
        shares = np.stack([shares_of(turn // (2 * np.pi / 3) == sector, 10) for sector in range(3)])
        polygons = smoothed(shares.argmax(axis=0).astype(np.uint8), percent(shares))
        corners = [set(polygon.exterior.coords) for polygon in polygons]
        (node,) = set.intersection(*corners)
        errors.append(np.hypot(*(np.array(node) - centre)))
    assert np.sqrt(np.mean(np.square(errors))) < 0.2


def discs(side: int, count: int) -> np.ndarray:
    """Column, row and radius of discs that lie apart."""
    rng = np.random.default_rng(1)
    found = np.empty((0, 3))
    while len(found) < count:
        radius = rng.uniform(4, 12)
        disc = np.array([*rng.uniform(radius + 4, side - radius - 4, 2), radius])
        if (np.hypot(*(found[:, :2] - disc[:2]).T) > found[:, 2] + radius + 4).all():
            found = np.vstack([found, disc])
    return found


@pytest.mark.parametrize(("blur", "noise", "most_error"), [(0.0, 0.0, 0.06), (0.8, 0.03, 0.09)])
def test_discs_have_their_outlines_and_perimeters(blur: float, noise: float, most_error: float) -> None:
    side, steps, known = 180, 10, discs(180, 20)
    x, y = grid(side, steps)
    inside = np.zeros(x.shape, dtype=np.bool_)
    for column, row, radius in known:
        inside |= (x - column) ** 2 + (y - row) ** 2 <= radius**2
    share = ndimage.gaussian_filter(shares_of(inside, steps), blur) if blur else shares_of(inside, steps)
    share = np.clip(share + np.random.default_rng(2).normal(0, noise, share.shape), 0, 1)
    polygons = smoothed((share > 0.5).astype(np.uint8), percent(np.stack([1 - share, share])))
    errors, lengths = [], 0.0
    for column, row, radius in known:
        (outline,) = [each.exterior for each in polygons[1:] if each.contains(shapely.Point(column, row))]
        places = shapely.get_coordinates(shapely.segmentize(outline, 0.05)) - [column, row]
        errors.append(np.hypot(*places.T) - radius)
        lengths += outline.length
    assert np.sqrt(np.mean(np.square(np.concatenate(errors)))) <= most_error
    assert lengths == pytest.approx(2 * np.pi * known[:, 2].sum(), rel=0.01)
