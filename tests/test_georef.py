"""Where pixels are and how much ground they cover, against geodesic polygons as the oracle."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import GeorefError
from geoseg.georef import GeoRef
from geoseg.window import Window

WEB_MERCATOR, WGS84, UTM33, FEET = "EPSG:3857", "EPSG:4326", "EPSG:32633", "EPSG:2263"
MARS = "IAU_2015:49900"


def a_georef(crs, transform, height=40, width=60):
    wkt = None if crs is None else pyproj.CRS.from_user_input(crs).to_wkt()
    return GeoRef(crs=wkt, transform=transform, height=height, width=width)


def geodesic_area(georef, row, col):
    """Area of one pixel as a polygon on the ellipsoid, with points along its sides."""
    crs = pyproj.CRS.from_wkt(georef.crs)
    steps = np.linspace(0, 1, 20, endpoint=False)
    cols = col + np.concatenate([steps, np.ones(20), 1 - steps, np.zeros(20)])
    rows = row + np.concatenate([np.zeros(20), steps, np.ones(20), 1 - steps])
    x, y = georef.transform @ (cols, rows)
    lon, lat = pyproj.Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True).transform(x, y)
    return abs(crs.get_geod().polygon_area_perimeter(lon, lat)[0])


GRIDS = {
    "UTM": (UTM33, Affine(10, 0, 3e5, 0, -10, 5.5e6)),
    "UTM far from its meridian": (UTM33, Affine(10, 0, -2e5, 0, -10, 7.5e6)),
    "web Mercator in Nepal": (WEB_MERCATOR, Affine(30, 0, 9.49e6, 0, -30, 3.19e6)),
    "web Mercator in Iceland": (WEB_MERCATOR, Affine(30, 0, -2.4e6, 0, -30, 9.4e6)),
    "degrees": (WGS84, Affine(1e-3, 0, 12.0, 0, -1e-3, 51.0)),
    "degrees over the dateline": (WGS84, Affine(1e-3, 0, 179.97, 0, -1e-3, -16.0)),
    "web Mercator over the dateline": (WEB_MERCATOR, Affine(50, 0, 20037508.34 - 1000, 0, -50, -1.8e6)),
    "rotated": (UTM33, Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(2, -3)),
    "south-up": (UTM33, Affine(10, 0, 3e5, 0, 10, 5.5e6)),
    "US feet": (FEET, Affine(10, 0, 9.8e5, 0, -10, 2e5)),
    "polar": ("EPSG:3413", Affine(100, 0, -1e6, 0, -100, -1e6)),
    "compound": ("EPSG:32633+5773", Affine(10, 0, 3e5, 0, -10, 5.5e6)),
}


@pytest.mark.parametrize("name", GRIDS)
def test_pixel_areas_are_those_on_the_ellipsoid(name):
    georef = a_georef(*GRIDS[name])
    areas = georef.pixel_areas(georef.window)
    assert areas.shape == (40, 60)
    for row, col in [(0, 0), (39, 59), (20, 30), (7, 51)]:
        assert areas[row, col] == pytest.approx(geodesic_area(georef, row, col), rel=1e-4)


@pytest.mark.parametrize("name", GRIDS)
def test_the_gsd_is_the_side_of_a_square_with_the_area_of_the_centre_pixel(name):
    georef = a_georef(*GRIDS[name])
    assert georef.gsd == pytest.approx(math.sqrt(geodesic_area(georef, 20, 30)), rel=1e-4)


def test_web_mercator_pixels_are_smaller_than_they_say():
    georef = a_georef(WEB_MERCATOR, Affine(1, 0, 0, 0, -1, 8399737.89))  # 60 degrees north
    assert georef.gsd == pytest.approx(0.5, rel=0.01)


def test_a_world_in_degrees_adds_up_to_the_area_of_the_earth():
    georef = a_georef(WGS84, Affine(0.25, 0, -180, 0, -0.25, 90), height=720, width=1440)
    assert georef.pixel_areas(georef.window).sum() == pytest.approx(5.1007e14, rel=2e-3)


def test_mars_is_measured_on_mars():
    georef = a_georef(MARS, Affine(1, 0, 0, 0, -1, 1), height=1, width=1)
    assert georef.gsd == pytest.approx(math.pi / 180 * 3396e3, rel=0.02)


@given(st.data())
@settings(max_examples=40)
def test_the_area_of_a_pixel_does_not_depend_on_the_window(data):
    georef = a_georef(*GRIDS[data.draw(st.sampled_from(sorted(GRIDS)))])
    row, col = data.draw(st.integers(0, 39)), data.draw(st.integers(0, 59))
    height, width = data.draw(st.integers(1, 40 - row)), data.draw(st.integers(1, 60 - col))
    window = Window(row=row, col=col, height=height, width=width)
    whole = georef.pixel_areas(georef.window)
    assert np.array_equal(georef.pixel_areas(window), whole[window.slices_in(georef.window)])


@pytest.mark.parametrize("crs", [None, pyproj.CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]').to_wkt()])
def test_without_a_place_on_earth_there_are_no_metres(crs):
    georef = a_georef(crs, Affine(1, 0, 0, 0, -1, 0))
    assert georef.gsd is None
    assert georef.pixel_areas(georef.window) is None


@pytest.mark.parametrize(
    "transform", [Affine(0, 0, 0, 0, 0, 0), Affine(1, 1, 0, 1, 1, 0), Affine(math.nan, 0, 0, 0, 1, 0)]
)
def test_a_transform_that_cannot_be_inverted_is_refused(transform):
    with pytest.raises(GeorefError, match="onto a line"):
        a_georef(UTM33, transform)


def test_a_raster_without_pixels_cannot_be():
    with pytest.raises(GeorefError, match="positive size"):
        a_georef(UTM33, Affine(1, 0, 0, 0, -1, 0), height=0)


def test_a_scene_off_the_earth_is_refused_in_one_line():
    with pytest.raises(GeorefError, match=r"^the centre of the scene lies where its CRS is not defined"):
        _ = a_georef("+proj=ortho +lat_0=50 +type=crs", Affine(1, 0, 1e7, 0, -1, 1e7)).gsd


def test_a_disk_seen_from_space_has_exact_areas_on_it_and_none_beyond():
    georef = a_georef("+proj=ortho +lat_0=50 +lon_0=10 +type=crs", Affine(3e5, 0, -6.6e6, 0, -3e5, 6.6e6), 44, 44)
    areas = georef.pixel_areas(georef.window)
    assert areas[0, 0] == 0
    assert areas[22, 22] == pytest.approx(geodesic_area(georef, 22, 22), rel=1e-2)
    assert np.isfinite(areas).all()
    part = Window(row=3, col=20, height=9, width=5)
    assert np.array_equal(georef.pixel_areas(part), areas[part.slices_in(georef.window)])


def test_a_crs_that_nobody_can_parse_is_refused():
    with pytest.raises(GeorefError, match="CRS"):
        _ = GeoRef(crs="a map", transform=Affine(1, 0, 0, 0, -1, 0), height=1, width=1).gsd


@given(height=st.integers(1, 3000), width=st.integers(1, 3000), factor=st.floats(0.05, 40))
def test_rescaling_keeps_the_origin_and_the_ground_to_half_a_pixel(height, width, factor):
    georef = a_georef(UTM33, Affine(2, 0, 5e5, 0, -2, 5e6), height=height, width=width)
    rescaled = georef.rescaled(factor)
    assert rescaled.transform @ (0, 0) == georef.transform @ (0, 0)
    assert rescaled.transform.a == pytest.approx(2 * factor)
    for new, old in ((rescaled.height, height), (rescaled.width, width)):
        assert new >= 1
        assert abs(new * factor - old) <= factor / 2 + 1e-6 or new == 1


@given(row=st.integers(-50, 50), col=st.integers(-50, 50))
def test_the_grid_of_a_window_places_its_pixels_where_they_were(row, col):
    georef = a_georef(*GRIDS["rotated"])
    part = georef.of_window(Window(row=row, col=col, height=3, width=4))
    assert part.transform @ (2, 1) == pytest.approx(georef.transform @ (col + 2, row + 1))
