"""Geometries are the same polygons in shapely and in well-known binary."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

import geoseg.vector.geometries
from geoseg.errors import OutputError
from geoseg.vector.arcs import trace_arcs
from geoseg.vector.geometries import to_shapely, to_wkb
from geoseg.vector.outlines import Outlines
from geoseg.vector.rings import Outliner

TRANSFORMS = [
    Affine.identity(),
    Affine(0.1, 0.0, 499_500.3, 0.0, -0.1, 4_800_500.7),
    Affine.translation(7.0, -3.0) @ Affine.rotation(25.0) @ Affine.scale(2.0, -1.5),
]
IDS = hnp.arrays(np.int32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 3))


def outlines_of(ids: np.ndarray) -> Outlines:
    outliner = Outliner()
    outliner.add(trace_arcs(np.pad(ids, ((1, 1), (0, 0))), first_row=0, height=len(ids)))
    return outliner.take(np.ones(ids.max() + 1, dtype=np.bool_))


def _pieces(where: np.ndarray) -> np.ndarray:
    return ndimage.label(where)[0].astype(np.int32)


@settings(max_examples=100, deadline=None)
@given(ids=IDS, transform=st.sampled_from(TRANSFORMS))
def test_well_known_binary_is_shapelys_to_the_byte(ids, transform):
    outlines = outlines_of(sum(np.where(ids == each, _pieces(ids == each) * 4 + each, 0) for each in (1, 2, 3)))
    found = to_wkb(outlines, transform)
    assert found.type == pa.binary()
    found.validate(full=True)
    expected = shapely.to_wkb(to_shapely(outlines, transform), flavor="iso", byte_order=1)
    assert found.to_pylist() == expected.tolist()


def test_coordinates_are_the_sums_that_gdal_makes():
    transform = TRANSFORMS[1]
    (polygon,) = to_shapely(outlines_of(np.ones((37, 53), dtype=np.int32)), transform)
    assert polygon.bounds == (
        transform.c,
        transform.f + 0.0 * transform.d + 37 * transform.e,
        transform.c + 53 * transform.a + 0.0 * transform.b,
        transform.f,
    )


def test_subpixels_are_fractions_of_a_pixel():
    square = np.array([[64, 128], [320, 128], [320, 384], [64, 384], [64, 128]], dtype=np.int32)
    outlines = Outlines(
        region_ids=np.array([1], dtype=np.int32), polygons=np.array([0, 1]), rings=np.array([0, 5]), points=square
    )
    (polygon,) = to_shapely(outlines, Affine.identity())
    assert polygon.bounds == (0.25, 0.5, 1.25, 1.5)


def test_no_outlines_give_no_geometries():
    nothing = outlines_of(np.zeros((2, 2), dtype=np.int32))
    assert len(to_shapely(nothing, TRANSFORMS[0])) == len(to_wkb(nothing, TRANSFORMS[0])) == 0


def test_a_geometry_too_large_for_arrow_is_refused(monkeypatch):
    monkeypatch.setattr(geoseg.vector.geometries, "_MOST_BYTES", 100)
    outlines = outlines_of(np.array([[1, 2]], dtype=np.int32))
    with pytest.raises(OutputError, match="region 1: its outline has 5 points, at most 5 fit"):
        to_wkb(outlines, TRANSFORMS[0])
