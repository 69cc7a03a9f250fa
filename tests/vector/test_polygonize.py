"""Polygons cover exactly the pixels of their regions and fit together."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from geoseg.vector.geometries import to_shapely
from geoseg.vector.polygonize import Shaping, polygonize, polygons_of

NORTH_UP = Affine(3.125, 0.0, 499_500.3, 0.0, -3.125, 4_800_500.7)
ROTATED = Affine.translation(7.0, -3.0) @ Affine.rotation(25.0) @ Affine.scale(2.0, -1.5)
TRANSFORMS = [Affine.identity(), NORTH_UP, ROTATED, ROTATED @ Affine.scale(1.0, -1.0)]
RASTERS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.sampled_from([0, 1, 2, 255])
)
NODATA = 255


def canonical(values, polygons):
    return sorted(zip(map(int, values), shapely.to_wkb(shapely.normalize(polygons)), strict=True))


def gdal_polygons(class_ids, transform=TRANSFORMS[0]):
    found = list(rasterio.features.shapes(class_ids, class_ids != NODATA, connectivity=4, transform=transform))
    return [value for _, value in found], np.array([shapely.geometry.shape(shape) for shape, _ in found], dtype=object)


def region_ids_of(values: np.ndarray) -> np.ndarray:
    """Regions of equal value other than 0, numbered in any order."""
    ids = np.zeros(values.shape, dtype=np.int32)
    for value in np.unique(values[values > 0]):
        pieces, _ = ndimage.label(values == value)
        ids[pieces > 0] = pieces[pieces > 0] + ids.max()
    return ids


def outlines_of(ids: np.ndarray, block_rows: int, **options):
    bottoms = np.array([np.nonzero(ids == each)[0].max() + 1 for each in range(1, ids.max() + 1)], dtype=np.int64)
    padded = np.pad(ids, ((1, 1), (0, 0)))
    blocks = [(top, padded[top : min(top + block_rows, len(ids)) + 2]) for top in range(0, len(ids), block_rows)]
    return polygonize(blocks, bottoms, height=len(ids), workers=1, **options)


@settings(max_examples=400, deadline=None)
@given(
    class_ids=RASTERS,
    block_rows=st.integers(1, 12),
    workers=st.integers(1, 4),
    transform=st.sampled_from(TRANSFORMS),
)
def test_strict_polygons_are_gdals_to_the_byte(class_ids, block_rows, workers, transform):
    polygons = polygons_of(class_ids, transform, strict=True, workers=workers, block_rows=block_rows)
    assert canonical(*polygons) == canonical(*gdal_polygons(class_ids, transform))
    assert shapely.is_valid(polygons[1]).all()


@settings(max_examples=300, deadline=None)
@given(class_ids=RASTERS, block_rows=st.integers(1, 12), transform=st.sampled_from(TRANSFORMS))
def test_polygons_are_a_valid_coverage_and_the_same_from_any_blocks(class_ids, block_rows, transform):
    ids, polygons = polygons_of(class_ids, transform, workers=1, block_rows=block_rows)
    assert shapely.coverage_is_valid(polygons)
    whole_ids, whole = polygons_of(class_ids, transform, workers=1)
    assert shapely.to_wkb(polygons).tolist() == shapely.to_wkb(whole).tolist()
    assert ids.tolist() == whole_ids.tolist()


@settings(max_examples=100, deadline=None)
@given(class_ids=RASTERS)
def test_strict_polygons_have_the_same_points_inside(class_ids):
    polygons = polygons_of(class_ids, workers=1)[1]
    assert shapely.equals(polygons, polygons_of(class_ids, strict=True, workers=1)[1]).all()


@pytest.mark.parametrize("block_rows", [37, 64, 100, 512])
def test_a_large_noisy_raster_gives_gdals_polygons(block_rows):
    rng = np.random.default_rng(7)
    class_ids = (ndimage.uniform_filter(rng.random((300, 217)), 3) * 7).astype(np.uint8)
    polygons = polygons_of(class_ids, strict=True, workers=2, block_rows=block_rows)
    assert canonical(*polygons) == canonical(*gdal_polygons(class_ids))


@pytest.mark.parametrize("transform", TRANSFORMS, ids=["south-up", "north-up", "rotated", "rotated south-up"])
def test_outer_rings_are_anticlockwise_and_holes_clockwise_on_the_map(transform):
    class_ids = np.ones((5, 6), dtype=np.uint8)
    class_ids[1, 1] = class_ids[3, 2:4] = NODATA
    _, (polygon,) = polygons_of(class_ids, transform, block_rows=2)
    assert shapely.is_ccw(polygon.exterior)
    assert len(polygon.interiors) == 2
    assert not any(shapely.is_ccw(hole) for hole in polygon.interiors)
    assert polygon.area == pytest.approx(27 * abs(transform.determinant))


def test_rings_begin_at_their_topmost_point_and_holes_stand_in_the_order_of_theirs():
    class_ids = np.ones((7, 7), dtype=np.uint8)
    class_ids[0, 0] = class_ids[3, 1] = class_ids[1, 4] = class_ids[1:3, 2] = NODATA
    _, (polygon,) = polygons_of(class_ids, block_rows=2)
    assert [ring.coords[0] for ring in (polygon.exterior, *polygon.interiors)] == [(1, 0), (2, 1), (4, 1), (1, 3)]


def test_a_region_that_touches_itself_at_a_corner_has_a_hole_there():
    class_ids = np.array([[1, 1, 1], [1, NODATA, 1], [1, 1, NODATA]], dtype=np.uint8)
    _, (polygon,) = polygons_of(class_ids, block_rows=1)
    assert shapely.is_valid(polygon)
    assert len(polygon.interiors) == 1
    assert polygon.area == 7


def test_only_polygons_that_need_not_be_strict_share_the_point_where_three_regions_meet():
    class_ids = np.array([[1, 1], [2, 3]], dtype=np.uint8)
    assert (1.0, 1.0) in polygons_of(class_ids)[1][0].exterior.coords
    assert (1.0, 1.0) not in polygons_of(class_ids, strict=True)[1][0].exterior.coords


def test_a_raster_of_nodata_gives_no_polygons():
    ids, polygons = polygons_of(np.full((4, 3), NODATA, dtype=np.uint8), block_rows=2)
    assert len(ids) == len(polygons) == 0


@settings(max_examples=100, deadline=None)
@given(class_ids=RASTERS, block_rows=st.integers(1, 12))
def test_each_region_is_outlined_once_and_in_ascending_order(class_ids, block_rows):
    ids = region_ids_of(class_ids)
    found = []
    for outlines in outlines_of(ids, block_rows):
        assert np.all(np.diff(outlines.region_ids) > 0)
        found += outlines.region_ids.tolist()
        polygons = to_shapely(outlines, TRANSFORMS[0])
        assert shapely.area(polygons).tolist() == [np.count_nonzero(ids == each) for each in outlines.region_ids]
    assert sorted(found) == list(range(1, ids.max() + 1))


def test_arcs_are_shaped_before_they_are_linked():
    seen = []

    def shape(arcs, ids, first_row):
        seen.append((first_row, ids.shape, len(arcs)))
        return arcs

    list(outlines_of(np.ones((5, 2), dtype=np.int32), 3, shaping=Shaping(apply=shape, joints="corners")))
    assert seen == [(0, (5, 2), 1), (3, (4, 2), 1)]
