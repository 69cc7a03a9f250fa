"""Footprints are right-angled, agree with the probabilities, and leave each other room."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from geoseg.vector.footprints.coverage import coverage
from geoseg.vector.footprints.evidence import evidence_of
from geoseg.vector.regularize import regularize
from geoseg.window import Window

SIDE = 48


def fractions_of(polygon: shapely.Polygon, side: int = SIDE) -> np.ndarray:
    """Area fractions by GEOS, pixel by pixel."""
    cols, rows = np.meshgrid(np.arange(side), np.arange(side))
    return shapely.area(shapely.intersection(polygon, shapely.box(cols, rows, cols + 1, rows + 1)))


def turned(shape: shapely.Polygon, degrees: float, centre: tuple[float, float] = (SIDE / 2, SIDE / 2)):
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return shapely.transform(shape, lambda points: points @ turn + centre)


def raw_of(mask: np.ndarray) -> list[shapely.Polygon]:
    found = rasterio.features.shapes(mask.astype(np.uint8), connectivity=4)
    return [shapely.geometry.shape(outline) for outline, value in found if value]


def reader(probabilities: np.ndarray):
    scene = Window.of_shape(*probabilities.shape)

    def read(window: Window) -> np.ndarray:
        found = np.zeros(window.shape)
        inside = window.intersect(scene)
        if inside is not None:
            found[inside.slices_in(window)] = probabilities[inside.slices_in(scene)]
        return found

    return read


def blurry(polygon: shapely.Polygon, blur: float = 1.0, noise: float = 0.03) -> np.ndarray:
    waves = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(SIDE, SIDE)), 1.0)
    return np.clip(ndimage.gaussian_filter(fractions_of(polygon), blur) + waves * noise / waves.std(), 0, 1)


def iou(one: shapely.Polygon, other: shapely.Polygon) -> float:
    return one.intersection(other).area / one.union(other).area


def cosines(polygon: shapely.Polygon) -> np.ndarray:
    sides = np.diff(shapely.get_coordinates(polygon.exterior), axis=0)
    sides /= np.hypot(*sides.T)[:, None]
    return np.abs(np.sum(sides * np.roll(sides, 1, axis=0), axis=1))


def shared_area(polygons: list[shapely.Polygon]) -> float:
    return max(
        (one.intersection(other).area for i, one in enumerate(polygons) for other in polygons[:i]),
        default=0.0,
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 9), st.floats(1, 9)), min_size=3, max_size=7, unique=True))
def test_coverage_is_what_geos_says(corners: list[tuple[float, float]]) -> None:
    polygon = shapely.MultiPoint(corners).convex_hull
    if isinstance(polygon, shapely.Polygon):
        points = shapely.get_coordinates(shapely.orient_polygons(polygon, exterior_cw=False))
        found = coverage(points, np.array([0, len(points)]), 10, 10)
        np.testing.assert_allclose(found, fractions_of(polygon, 10), atol=1e-9)
        np.testing.assert_allclose(coverage(points[::-1], np.array([0, len(points)]), 10, 10), -found, atol=1e-9)


@pytest.mark.parametrize("degrees", [0, 7, 23, 45, 61, 88])
def test_rectangles_are_found_to_a_fraction_of_a_pixel(degrees: float) -> None:
    truth = turned(shapely.box(-10.3, -6.2, 9.6, 7.1), degrees)
    probabilities = blurry(truth)
    (raw,) = raw_of(probabilities > 0.5)
    (found,) = regularize([raw], reader(probabilities))
    assert len(cosines(found)) == 4
    assert cosines(found).max() < np.sin(np.radians(0.01))
    assert iou(found, truth) > max(0.97, iou(raw, truth))


@pytest.mark.parametrize("degrees", [0, 17, 45, 72])
def test_l_shapes_keep_their_six_corners(degrees: float) -> None:
    truth = turned(shapely.box(-11, -8, 11, 8) - shapely.box(-12, -9, 1, 0), degrees)
    probabilities = blurry(truth)
    (raw,) = raw_of(probabilities > 0.5)
    for found in (regularize([raw], reader(probabilities))[0], regularize([raw])[0]):
        assert len(cosines(found)) == 6
        assert cosines(found).max() < np.sin(np.radians(0.01))
        assert iou(found, truth) > max(0.94, iou(raw, truth))


def test_courtyards_get_right_angles_and_small_holes_go() -> None:
    truth = turned(shapely.box(-15, -12, 15, 12) - shapely.box(-8, -5, 8, 6), 31)
    probabilities = blurry(truth, noise=0.0)
    row, col = np.argwhere(ndimage.binary_erosion(probabilities > 0.9, iterations=2))[0]
    probabilities[row, col] = 0.2
    (raw,) = raw_of(probabilities > 0.5)
    (found,) = regularize([raw], reader(probabilities))
    assert len(raw.interiors) == 2
    assert [len(ring.coords) for ring in found.interiors] == [5]
    assert iou(found, truth) > 0.97


def test_a_cut_corner_and_a_round_house_are_not_made_square() -> None:
    for truth in (
        turned(shapely.Polygon([(-12, -10), (4, -10), (12, -2), (12, 10), (-12, 10)]), 20),
        shapely.Point(SIDE / 2, SIDE / 2).buffer(11),
    ):
        probabilities = blurry(truth, noise=0.0)
        (raw,) = raw_of(probabilities > 0.5)
        (found,) = regularize([raw], reader(probabilities))
        assert iou(found, truth) > max(0.96, iou(raw, truth))
        assert len(shapely.get_coordinates(found)) < len(shapely.get_coordinates(raw)) * 0.7


@settings(max_examples=60, deadline=None)
@given(
    coarse=hnp.arrays(np.float64, (6, 7), elements=st.floats(0, 1)),
    blur=st.floats(0.8, 2.0),
    shortest=st.sampled_from([3.0, 9.0]),
    knows_probabilities=st.booleans(),
)
def test_any_buildings_get_valid_footprints_that_suit_and_leave_each_other_room(
    coarse: np.ndarray, blur: float, shortest: float, *, knows_probabilities: bool
) -> None:
    probabilities = np.clip(ndimage.gaussian_filter(np.kron(coarse, np.ones((5, 5))), blur), 0, 1)
    raw = raw_of(probabilities > 0.5)
    probability = reader(probabilities) if knows_probabilities else None
    found = regularize(raw, probability, shortest=shortest)
    assert len(found) == len(raw)
    assert all(each.geom_type == "Polygon" and each.is_valid and each.area > 0 for each in found)
    assert shared_area(found) < 1e-9
    for before, after in zip(raw, found, strict=True):
        evidence = evidence_of(before, probability)
        assert evidence is None or after.equals(before) or evidence.suits(after)


def test_houses_in_a_row_share_their_walls() -> None:
    row = [turned(shapely.box(left, -6, left + 9, 6 + left % 4), 24) for left in (-18, -9, 0, 9)]
    fractions = np.stack([fractions_of(each, SIDE) for each in row])
    owners = np.where(fractions.sum(axis=0) > 0.5, fractions.argmax(axis=0) + 1, 0)
    raw = [raw_of(owners == number)[0] for number in (1, 2, 3, 4)]
    found = regularize(raw)
    assert shared_area(found) < 1e-9
    for one, other in itertools.pairwise(found):
        assert one.buffer(1e-6).intersection(other).area > 9 * 1e-6  # beside each other, not apart
    for each, truth in zip(found, row, strict=True):
        assert iou(each, truth) > 0.85


def test_fixed_footprints_keep_their_ground() -> None:
    truth = turned(shapely.box(-10, -6, 10, 6), 15)
    probabilities = blurry(truth)
    raw = raw_of(probabilities > 0.5)
    fixed = shapely.box(0, 0, 18, SIDE)
    (found,) = regularize(raw, reader(probabilities), fixed=[fixed])
    assert found.intersection(fixed).area < 1e-9
    assert found.area > 0.6 * truth.area


def test_buildings_at_the_rim_of_the_scene_ask_for_zeros_beyond_it() -> None:
    probabilities = np.zeros((30, 30))
    probabilities[:9, :14] = 0.9
    (found,) = regularize(raw_of(probabilities > 0.5), reader(probabilities))
    assert iou(found, shapely.box(0, 0, 14, 9)) > 0.95


def test_crumbs_and_nothing_pass() -> None:
    crumb = shapely.box(3.2, 3.2, 3.6, 3.6)
    assert regularize([]) == []
    assert regularize([crumb]) == [crumb]
