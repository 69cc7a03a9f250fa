"""A footprint lies where its grid lies, also across the antimeridian and over a pole."""

from __future__ import annotations

import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Geod

from geoseg.georef import GeoRef
from geoseg.stac.footprint import footprint_of

GEOD = Geod(ellps="WGS84")


def grid(code, origin, pixel, shape) -> GeoRef:
    wkt = None if code is None else CRS.from_user_input(code).to_wkt()
    transform = Affine(pixel, 0, origin[0], 0, -pixel, origin[1])
    return GeoRef(crs=wkt, transform=transform, height=shape[0], width=shape[1])


def ground_area(geometry) -> float:
    """Area by short geodesics; outlines run anticlockwise, holes the other way."""
    geometry = shapely.segmentize(geometry, 0.2)
    return sum(GEOD.geometry_area_perimeter(part)[0] for part in shapely.get_parts(geometry))


ANYWHERE = st.one_of(
    st.builds(
        lambda x, y, pixel, height, width: grid(4326, (x, y), pixel, (height, width)),
        st.floats(-180, 359),
        st.floats(-60, 80),
        st.floats(0.001, 0.3),
        st.integers(1, 60),
        st.integers(1, 90),
    ),
    st.builds(
        lambda zone, x, y, pixel, height, width: grid(32600 + zone, (x, y), pixel, (height, width)),
        st.sampled_from([1, 33, 60]),
        st.floats(2e5, 8e5),
        st.floats(1e5, 8e6),
        st.floats(0.3, 100),
        st.integers(1, 400),
        st.integers(1, 400),
    ),
)


@given(georef=ANYWHERE)
def test_a_footprint_is_valid_inside_the_globe_and_as_large_as_its_pixels(georef):
    found = footprint_of(georef)
    assert found is not None
    assert found.geometry.is_valid
    west, south, east, north = found.geometry.bounds
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90
    areas = georef.pixel_areas(georef.window)
    assert areas is not None
    assert ground_area(found.geometry) == pytest.approx(areas.sum(), rel=2e-3)


@pytest.mark.parametrize(
    ("georef", "bbox", "parts"),
    [
        (grid(4326, (170, 10), 1, (10, 10)), (170, 0, 180, 10), 1),
        (grid(4326, (175, 10), 1, (10, 10)), (175, 0, -175, 10), 2),
        (grid(4326, (-180, 10), 1, (10, 10)), (-180, 0, -170, 10), 1),
        (grid(4326, (185, 10), 1, (10, 10)), (-175, 0, -165, 10), 1),
        (grid(4326, (-180, 90), 1, (180, 360)), (-180, -90, 180, 90), 1),
        (grid(4326, (0, 90), 1, (180, 360)), (-180, -90, 180, 90), 1),
        (grid(4326, (-180.5, 90.5), 1, (181, 361)), (-180, -90, 180, 90), 1),
    ],
    ids=["up to it", "across it", "from it", "beyond it", "globe", "globe from 0", "globe by centres"],
)
def test_what_lies_across_the_antimeridian_is_cut_there_and_its_bounds_run_eastwards(georef, bbox, parts):
    found = footprint_of(georef)
    assert found is not None
    assert found.bbox == pytest.approx(bbox)
    assert len(shapely.get_parts(found.geometry)) == parts


@pytest.mark.parametrize(("code", "pole"), [(3031, (0, -89.9)), (3413, (0, 89.9))], ids=["south", "north"])
def test_a_grid_over_a_pole_reaches_it(code, pole):
    georef = grid(code, (-3e6, 2e6), 1e4, (400, 500))
    found = footprint_of(georef)
    assert found is not None
    assert found.geometry.is_valid
    assert found.geometry.contains(shapely.Point(pole))
    assert found.bbox[0] == -180
    assert found.bbox[2] == 180
    assert abs(found.bbox[1 if code == 3031 else 3]) == 90


@pytest.mark.parametrize(
    "georef",
    [
        grid(None, (0, 0), 1, (10, 10)),
        grid("IAU_2015:30100", (0, 0), 1, (10, 10)),
        grid("+proj=geos +h=35785831 +lon_0=0", (-5.5e6, 5.5e6), 1e4, (1100, 1100)),
    ],
    ids=["no CRS", "the moon", "a disk seen from space"],
)
def test_there_is_no_footprint_where_the_earth_is_not(georef):
    assert footprint_of(georef) is None


def test_the_sides_of_a_projected_grid_are_followed():
    found = footprint_of(grid(3035, (2.5e6, 5.4e6), 1e3, (3000, 3000)))
    assert found is not None
    west, south, east, north = found.bbox
    corners = shapely.convex_hull(shapely.MultiPoint(found.geometry.exterior.coords))
    assert len(found.geometry.exterior.coords) > 20
    assert shapely.box(west, south, east, north).contains(corners)
