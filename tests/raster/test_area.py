"""The area of interest as pixels of a grid: by pixel centres, in any window, from a file or a box."""

from __future__ import annotations

import pickle

import geopandas
import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.features import rasterize

from geoseg.errors import ConfigError, GeosegError, SceneError
from geoseg.georef import GeoRef
from geoseg.raster.area import AreaOfInterest, AreaOnGrid
from geoseg.window import Window

UTM = pyproj.CRS.from_epsg(32633).to_wkt()
GRID = GeoRef(crs=UTM, transform=Affine(10, 0, 5e5, 0, -10, 5e6), height=80, width=100)
SHAPES = [
    shapely.Polygon([(500105, 4999893), (500612, 4999901), (500399, 4999377)]),
    shapely.Point(500700, 4999500).buffer(133).difference(shapely.Point(500700, 4999500).buffer(40)),
]


@pytest.fixture
def area(tmp_path):
    geopandas.GeoDataFrame(geometry=SHAPES, crs=32633).to_file(tmp_path / "area.gpkg")
    return AreaOfInterest.of(str(tmp_path / "area.gpkg"))


def by_gdal(shapes=SHAPES, grid=GRID):
    """The oracle: burnt at once."""
    return rasterize(shapes, (grid.height, grid.width), transform=grid.transform).astype(bool)


@given(st.integers(-20, 70), st.integers(-20, 90), st.integers(1, 60), st.integers(1, 60))
def test_a_window_of_an_area_is_that_of_the_whole(area, row, col, height, width):
    wanted = area.on(GRID)(Window(row=row, col=col, height=height, width=width))
    padded = np.pad(by_gdal(), 100)
    assert np.array_equal(wanted, padded[100 + row : 100 + row + height, 100 + col : 100 + col + width])


def test_bounds_hold_every_pixel_and_are_tight(area):
    rows, cols = np.nonzero(by_gdal())
    assert area.on(GRID).bounds == Window.between(rows.min(), rows.max() + 1, cols.min(), cols.max() + 1)


@pytest.mark.parametrize("margin", [1, 3])
def test_a_margin_is_as_wide_all_round(area, margin):
    window = Window.between(-2, 60, 20, 130)
    inside = np.pad(by_gdal(), 100)
    wide = np.zeros_like(inside)
    for down in range(-margin, margin + 1):
        for across in range(-margin, margin + 1):
            wide |= np.roll(inside, (down, across), (0, 1))
    expected = wide[98:160, 120:230].copy()
    expected[:2], expected[:, 80:] = False, False
    assert np.array_equal(AreaOnGrid(area, GRID, margin)(window), expected)


def test_a_box_in_degrees_is_the_ground_between_meridians_and_parallels():
    area = AreaOfInterest.of("15.0012,45.148,15.0098,45.1522")
    inside = area.on(GRID)(GRID.window)
    rows, cols = np.mgrid[: GRID.height, : GRID.width] + 0.5
    to_degrees = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    lon, lat = to_degrees.transform(5e5 + 10 * cols, 5e6 - 10 * rows)
    expected = (lon > 15.0012) & (lon < 15.0098) & (lat > 45.148) & (lat < 45.1522)
    assert expected.any()
    assert (inside != expected).sum() <= 2


def test_a_box_in_the_crs_of_the_scene_is_a_window():
    area = AreaOfInterest.of("500100,4999500,500300,4999800,EPSG:32633").on(GRID)
    assert area.bounds == Window.between(20, 50, 10, 30)
    assert area(area.bounds).all()


def test_a_box_over_the_antimeridian_has_two_parts():
    grid = GeoRef(
        crs=pyproj.CRS.from_epsg(32760).to_wkt(), transform=Affine(1e3, 0, 6e5, 0, -1e3, 8e6), height=300, width=500
    )
    inside = AreaOfInterest.of("179.5,-19,-179.5,-18.5").on(grid)(grid.window)
    rows, cols = np.mgrid[:300, :500] + 0.5
    lon, lat = pyproj.Transformer.from_crs(32760, 4326, always_xy=True).transform(6e5 + 1e3 * cols, 8e6 - 1e3 * rows)
    expected = (abs(lon) > 179.5) & (lat > -19) & (lat < -18.5)
    assert expected.any()
    assert (inside != expected).mean() < 1e-4


def test_geojson_in_degrees_lies_where_it_should(tmp_path):
    (geopandas.GeoDataFrame(geometry=SHAPES, crs=32633).to_crs(4326)).to_file(tmp_path / "a.geojson")
    inside = AreaOfInterest.of(str(tmp_path / "a.geojson")).on(GRID)(GRID.window)
    assert (inside != by_gdal()).sum() <= 2


def test_an_area_travels(area):
    again = pickle.loads(pickle.dumps(area.on(GRID)))  # noqa: S301 - it was made here
    assert np.array_equal(again(GRID.window), area.on(GRID)(GRID.window))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("none.gpkg", ConfigError, "is no file and no box"),
        ("1,2,3", ConfigError, "is no file and no box"),
        ("1,2,3,x", ConfigError, "is no file and no box"),
        ("1,3,2,2", ConfigError, "is no area"),
        ("1,2,1,3", ConfigError, "is no area"),
        ("1e400,2,1,3", ConfigError, "is no area"),
        ("5,2,1,3,EPSG:32633", ConfigError, "is no area"),
        ("500100,4999500,500300,4999800", ConfigError, r"are no degrees: .*EPSG:32633"),
        ("1,2,3,4,EPSG:99999", ConfigError, "is no CRS"),
        ("0,0,1,1", SceneError, "no pixel of the scene lies in it"),
        ("500101,4999791,500102,4999792,EPSG:32633", SceneError, "no pixel of the scene lies in it"),
    ],
)
def test_what_is_no_area_is_one_line(text, error, message):
    with pytest.raises(error, match=message) as caught:
        AreaOfInterest.of(text).on(GRID)
    assert "\n" not in str(caught.value)


def test_points_are_no_area(tmp_path):
    geopandas.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=4326).to_file(tmp_path / "p.gpkg")
    with pytest.raises(ConfigError, match="holds no polygons"):
        AreaOfInterest.of(str(tmp_path / "p.gpkg"))


def test_a_scene_without_a_place_has_no_area(area):
    bare = GeoRef(crs=None, transform=Affine.identity(), height=10, width=10)
    with pytest.raises(GeosegError, match="no CRS"):
        area.on(bare)
