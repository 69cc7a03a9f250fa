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

from geoseg.vector.polygonize import polygonize

RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=11),
    elements=st.integers(0, 2),
)
TRANSFORMS = [
    Affine.identity(),
    Affine(3.125, 0.0, 499_500.0, 0.0, -3.125, 4_800_500.0),
    Affine.translation(7.0, -3.0) @ Affine.rotation(25.0) @ Affine.scale(2.0, -1.5),
]


def region_ids_of(values: np.ndarray) -> np.ndarray:
    """Regions of equal value other than 0, numbered in any order."""
    ids = np.zeros(values.shape, dtype=np.int32)
    for value in np.unique(values[values > 0]):
        pieces, _ = ndimage.label(values == value)
        ids[pieces > 0] = pieces[pieces > 0] + ids.max()
    return ids


def polygons_of(ids: np.ndarray, block_rows: int, transform: Affine = TRANSFORMS[0]) -> dict[int, shapely.Polygon]:
    bottoms = np.array([np.nonzero(ids == each)[0].max() + 1 for each in range(1, ids.max() + 1)], dtype=np.int64)
    blocks = (ids[top : top + block_rows] for top in range(0, len(ids), block_rows))
    found: dict[int, shapely.Polygon] = {}
    for polygons in polygonize(blocks, bottoms, transform):
        assert np.all(np.diff(polygons.region_ids) > 0)
        for region, geometry in zip(polygons.region_ids.tolist(), polygons.geometries, strict=True):
            assert region not in found
            found[region] = geometry
    return found


@settings(max_examples=200, deadline=None)
@given(values=RASTERS, block_rows=st.integers(1, 11))
def test_each_region_is_one_polygon_as_gdal_traces_it(values, block_rows):
    ids = region_ids_of(values)
    polygons = polygons_of(ids, block_rows)
    expected = {
        int(value): shapely.geometry.shape(geometry)
        for geometry, value in rasterio.features.shapes(ids, mask=ids > 0, connectivity=4)
    }
    assert polygons.keys() == expected.keys()
    for region, polygon in polygons.items():
        assert shapely.is_valid(polygon)
        assert polygon.area == np.count_nonzero(ids == region)
        assert shapely.equals(polygon, expected[region])


@settings(max_examples=100, deadline=None)
@given(values=RASTERS, block_rows=st.integers(1, 11), transform=st.sampled_from(TRANSFORMS))
def test_polygons_are_a_valid_coverage_in_every_block_size(values, block_rows, transform):
    ids = region_ids_of(values)
    polygons = polygons_of(ids, block_rows, transform)
    assert polygons == polygons_of(ids, len(ids), transform)
    assert shapely.coverage_is_valid(list(polygons.values()))


@pytest.mark.parametrize("transform", TRANSFORMS, ids=["south-up", "north-up", "rotated"])
def test_outer_rings_are_anticlockwise_and_holes_clockwise_on_the_map(transform):
    ids = np.ones((5, 6), dtype=np.int32)
    ids[1, 1] = ids[3, 2:4] = 0
    (polygon,) = polygons_of(ids, 2, transform).values()
    assert shapely.is_ccw(polygon.exterior)
    assert len(polygon.interiors) == 2
    assert not any(shapely.is_ccw(hole) for hole in polygon.interiors)
    assert polygon.area == pytest.approx(27 * abs(transform.determinant))


def test_a_region_that_touches_itself_at_a_corner_has_a_hole_there():
    ids = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=np.int32)
    (polygon,) = polygons_of(ids, 1).values()
    assert shapely.is_valid(polygon)
    assert len(polygon.interiors) == 1
    assert polygon.area == 7


def test_neighbours_share_the_corner_where_three_regions_meet():
    ids = np.array([[1, 1], [2, 3]], dtype=np.int32)
    assert (1.0, 1.0) in polygons_of(ids, 2)[1].exterior.coords


def test_a_raster_without_regions_gives_no_polygons():
    assert polygons_of(np.zeros((4, 3), dtype=np.int32), 2) == {}
