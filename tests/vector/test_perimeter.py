"""Lengths on the ground are those of geodesics."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from affine import Affine

from geoseg.georef import GeoRef
from geoseg.vector.arcs import SUBPIXEL
from geoseg.vector.outlines import Outlines
from geoseg.vector.perimeter import ground_metric, lengths, perimeters

GRIDS = {
    "UTM": (32633, Affine(2.0, 0.0, 200_000.0, 0.0, -2.0, 7_000_000.0)),
    "centimetres": (32633, Affine(0.05, 0.0, 200_000.0, 0.0, -0.05, 7_000_000.0)),
    "sheared": (32633, Affine(5.0, 3.0, 500_000.0, 1.0, -2.0, 5_000_000.0)),
    "Mercator at 48 N": (3857, Affine(10.0, 0.0, 1_000_000.0, 0.0, -10.0, 6_106_855.0)),
    "Mercator at 60 N": (3857, Affine(10.0, 0.0, 1_000_000.0, 0.0, -10.0, 8_399_738.0)),
    "feet": (2263, Affine(3.0, 0.0, 980_000.0, 0.0, -3.0, 200_000.0)),
    "degrees at 60 N": (4326, Affine(1e-4, 0.0, 15.0, 0.0, -1e-4, 60.0)),
    "the globe": (4326, Affine(0.1, 0.0, -180.0, 0.0, -0.1, 90.0)),
    "grads": (4807, Affine(1e-4, 0.0, 2.0, 0.0, -1e-4, 54.0)),
}
HEIGHT, WIDTH = 1800, 3600


@pytest.mark.parametrize("name", GRIDS)
def test_steps_anywhere_are_as_long_as_their_geodesics(name):
    epsg, transform = GRIDS[name]
    crs = pyproj.CRS.from_epsg(epsg)
    metric = ground_metric(GeoRef(crs=crs.to_wkt(), transform=transform, height=HEIGHT, width=WIDTH))
    rng = np.random.default_rng(0)
    begin = rng.integers(0, [WIDTH, HEIGHT], (80, 2))
    end = np.clip(begin + rng.integers(-6, 7, (80, 2)), 0, [WIDTH, HEIGHT])
    points = np.stack([begin, end], axis=1).reshape(-1, 2)
    found = lengths((points * SUBPIXEL).astype(np.int32), np.arange(0, 161, 2), metric)
    a, b, c, d, e, f = tuple(transform)[:6]
    x, y = a * points[:, 0] + b * points[:, 1] + c, d * points[:, 0] + e * points[:, 1] + f
    geographic = crs.geodetic_crs
    lon, lat = pyproj.Transformer.from_crs(crs, geographic, always_xy=True).transform(x, y)
    degrees = np.degrees(geographic.axis_info[0].unit_conversion_factor)
    lon, lat = lon * degrees, lat * degrees
    expected = crs.get_geod().inv(lon[::2], lat[::2], lon[1::2], lat[1::2])[2]
    assert found == pytest.approx(expected, rel=2e-3, abs=1e-9)


def test_holes_count_and_outlines_stand_for_themselves():
    georef = GeoRef(crs=pyproj.CRS.from_epsg(32633).to_wkt(), transform=GRIDS["UTM"][1], height=40, width=40)
    square = np.array([[0, 0], [0, 1], [1, 1], [1, 0], [0, 0]])
    rings = [square * 30, square * 10 + 5, square * 10]
    outlines = Outlines(
        region_ids=np.array([1, 2], np.int32),
        polygons=np.array([0, 2, 3]),
        rings=np.array([0, 5, 10, 15]),
        points=(np.concatenate(rings) * SUBPIXEL).astype(np.int32),
    )
    metric = ground_metric(georef)
    both = perimeters(outlines, metric)
    assert both == pytest.approx([2 * 160, 2 * 40], rel=1e-3)
    alone = Outlines(
        region_ids=np.array([2], np.int32),
        polygons=np.array([0, 1]),
        rings=np.array([0, 5]),
        points=outlines.points[10:],
    )
    assert perimeters(alone, metric)[0] == both[1]
    none = Outlines(
        region_ids=np.empty(0, np.int32), polygons=np.zeros(1, int), rings=np.zeros(1, int), points=outlines.points[:0]
    )
    assert len(perimeters(none, metric)) == 0


def test_without_a_crs_nothing_is_measured():
    assert ground_metric(GeoRef(crs=None, transform=Affine.identity(), height=3, width=3)) is None


def test_lengths_are_unknown_where_the_map_leaves_the_earth():
    disk = pyproj.CRS.from_proj4("+proj=geos +h=35785831 +lon_0=0 +a=6378137 +b=6356752 +units=m")
    side = 12_000_000.0 / 100
    transform = Affine(side, 0.0, -6_000_000.0, 0.0, -side, 6_000_000.0)
    metric = ground_metric(GeoRef(crs=disk.to_wkt(), transform=transform, height=100, width=100))
    points = np.array([[0, 0], [1, 0], [50, 50], [51, 50]], np.int32) * SUBPIXEL
    corner, centre = lengths(points, np.array([0, 2, 4]), metric)
    assert np.isnan(corner)
    assert centre == pytest.approx(side, rel=0.02)
