from __future__ import annotations

import itertools

import numpy as np
import pytest
import rasterio.features
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS, Transformer

from geoseg.errors import LabelError
from geoseg.georef import GeoRef
from geoseg.raster.burn import BurnedLayer
from geoseg.window import Window

UTM = CRS.from_epsg(32633).to_wkt()
DEGREES = CRS.from_epsg(4326).to_wkt()
HEIGHT, WIDTH = 40, 50
OUTSIDE = 250
GRID = GeoRef(crs=UTM, transform=Affine(2, 0, 500_000, 0, -2, 5_000_000), height=HEIGHT, width=WIDTH)

coordinates = st.tuples(st.integers(-12_000, 24_000), st.integers(-12_000, 24_000))  # 256ths of a pixel


@st.composite
def features(draw):
    """Triangles to octagons (they may cross themselves), lines and points in pixel coordinates."""
    kind = draw(st.sampled_from(["polygon", "holed", "line", "point"]))
    if kind == "holed":
        left, top = draw(coordinates)
        side = draw(st.integers(600, 9_000)) / 256
        outer = shapely.box(left / 256, top / 256, left / 256 + side, top / 256 + side)
        return outer.difference(outer.buffer(-side / 5))
    count = {"polygon": st.integers(3, 8), "line": st.integers(2, 4), "point": st.just(1)}[kind]
    length = draw(count)
    points = [(x / 256, y / 256) for x, y in draw(st.lists(coordinates, min_size=length, max_size=length))]
    return {"polygon": shapely.Polygon, "line": shapely.LineString, "point": lambda at: shapely.Point(at[0])}[kind](
        points
    )


def on_the_ground(geometry, grid=GRID):
    matrix = grid.transform
    return shapely.transform(geometry, lambda xy: np.array([matrix @ (x, y) for x, y in xy]).reshape(-1, 2))


def layer_of(geometries, grid=GRID):
    return BurnedLayer(
        [on_the_ground(geometry, grid) for geometry in geometries],
        list(range(1, len(geometries) + 1)),
        grid,
        outside=OUTSIDE,
        crs=grid.crs,
    )


@given(st.lists(features(), min_size=1, max_size=6), st.lists(st.integers(1, 39), min_size=1, max_size=4))
def test_any_windows_are_the_parts_of_the_whole(geometries, cuts):
    layer = layer_of(geometries)
    whole = layer.read(GRID.window)
    edges = sorted({0, *cuts, HEIGHT})
    for top, bottom in itertools.pairwise(edges):
        for left, right in ((0, cuts[0]), (cuts[0], WIDTH)):
            part = layer.read(Window.between(top, bottom, left, right))
            assert np.array_equal(part, whole[top:bottom, left:right])


@given(st.lists(features(), min_size=1, max_size=6), st.integers(-60, 60), st.integers(-60, 60))
def test_a_window_that_leaves_the_grid_holds_outside_there(geometries, row, col):
    layer = layer_of(geometries)
    window = Window(row=row, col=col, height=33, width=21)
    padded = np.pad(layer.read(GRID.window), 100, constant_values=OUTSIDE)
    assert np.array_equal(layer.read(window), padded[row + 100 : row + 133, col + 100 : col + 121])


def centres():
    rows, cols = np.mgrid[0:HEIGHT, 0:WIDTH] + 0.5
    return shapely.points(cols, rows)


@given(st.lists(features().filter(lambda each: each.area > 0), min_size=1, max_size=6))
def test_polygons_cover_the_pixels_that_gdal_burns(geometries):
    mine = layer_of(geometries).read(GRID.window)
    shapes = [(geometry, value) for value, geometry in enumerate(geometries, start=1)]
    theirs = rasterio.features.rasterize(shapes, out_shape=(HEIGHT, WIDTH), fill=OUTSIDE, dtype="uint8")
    outlines = shapely.union_all(
        [shapely.linearrings(ring.coords) for each in geometries for ring in shapely.get_rings(each)]
    )
    clear = shapely.distance(centres(), outlines) > 0.01  # a centre on an outline may count to either side
    assert np.array_equal(mine[clear], theirs[clear])


def cells():
    rows, cols = np.mgrid[0:HEIGHT, 0:WIDTH]
    return cols, rows


@given(features().filter(lambda each: each.geom_type == "LineString" and each.length > 0))
def test_lines_burn_the_pixels_that_they_touch(line):
    mine = layer_of([line]).read(GRID.window) == 1
    cols, rows = cells()
    assert not (mine & ~shapely.intersects(shapely.box(cols - 0.01, rows - 0.01, cols + 1.01, rows + 1.01), line)).any()
    inner = shapely.box(cols + 0.01, rows + 0.01, cols + 0.99, rows + 0.99)
    assert not (~mine & shapely.intersects(inner, line)).any()


@given(st.integers(0, HEIGHT - 1), st.integers(0, WIDTH - 1), st.floats(0, 0.9999), st.floats(0, 0.9999))
def test_a_point_burns_the_pixel_in_which_it_lies(row, col, down, right):
    layer = BurnedLayer([shapely.Point(col + right, row + down)], [9], plain_grid(), outside=0, crs=None)
    assert np.argwhere(layer.read(GRID.window)).tolist() == [[row, col]]


def plain_grid():
    return GeoRef(crs=None, transform=Affine.identity(), height=HEIGHT, width=WIDTH)


def test_later_features_win_whatever_their_kind():
    square, line = shapely.box(2, 2, 20, 20), shapely.LineString([(0, 10.5), (30, 10.5)])
    assert layer_of([square, line]).read(GRID.window)[10, 5] == 2
    assert layer_of([line, square]).read(GRID.window)[10, 5] == 2
    assert layer_of([line, square]).read(GRID.window)[10, 25] == 1


def test_parts_of_a_collection_burn_as_one_feature():
    parts = shapely.GeometryCollection(
        [shapely.MultiPolygon([shapely.box(0, 0, 5, 5), shapely.box(10, 10, 15, 15)]), shapely.Point(30.5, 30.5)]
    )
    burnt = layer_of([parts]).read(GRID.window)
    assert (burnt == 1).sum() == 25 + 25 + 1


def test_features_in_another_crs_lie_where_gdal_puts_them():
    rng = np.random.default_rng(3)
    rings = [shapely.Point(*rng.uniform((0, 0), (WIDTH, HEIGHT))).buffer(rng.uniform(2, 12)) for _ in range(12)]
    to_degrees = Transformer.from_crs(UTM, DEGREES, always_xy=True)
    there = [
        shapely.transform(on_the_ground(ring), lambda xy: np.stack(to_degrees.transform(*xy.T), axis=-1))
        for ring in rings
    ]
    values = list(range(1, 13))
    mine = BurnedLayer(there, values, GRID, outside=0, crs=DEGREES).read(GRID.window)
    theirs = rasterio.features.rasterize(
        list(zip(rings, values, strict=True)), out_shape=(HEIGHT, WIDTH), dtype="uint8"
    )
    assert (mine != theirs).sum() <= 2


def test_rotated_and_south_up_grids_are_grids():
    for transform in (
        Affine(2, 0, 500_000, 0, 2, 5_000_000),
        Affine.translation(500_000, 5_000_000) @ Affine.rotation(33),
    ):
        grid = GeoRef(crs=UTM, transform=transform, height=HEIGHT, width=WIDTH)
        assert (layer_of([shapely.box(3, 4, 13, 24)], grid).read(grid.window) == 1).sum() == 200


def test_a_polygon_that_reaches_around_the_world_covers_the_grid():
    world = BurnedLayer([shapely.box(-1e12, -1e12, 1e12, 1e12)], [7], plain_grid(), outside=0, crs=None)
    assert (world.read(GRID.window) == 7).all()


def test_more_features_than_a_byte_counts_are_told_apart_by_position():
    squares = [shapely.box(col, row, col + 1, row + 1) for row in range(20) for col in range(20)]
    layer = BurnedLayer(squares, [0] * 400, plain_grid(), outside=0, crs=None)
    at = layer.feature_at(GRID.window)
    assert np.array_equal(at[:20, :20], np.arange(400).reshape(20, 20))
    assert (at[20:] == -1).all()
    assert (at[:, 20:] == -1).all()


def test_features_elsewhere_leave_the_layer_empty():
    far = shapely.box(100, 100, 110, 110)
    assert layer_of([far]).is_empty
    assert not layer_of([shapely.box(1, 1, 2, 2)]).is_empty
    assert (layer_of([far]).read(GRID.window) == OUTSIDE).all()


@pytest.mark.parametrize(
    ("crs", "grid", "message"), [(None, GRID, "features have no CRS"), (UTM, plain_grid(), "raster has no CRS")]
)
def test_one_crs_of_two_is_one_clear_line(crs, grid, message):
    with pytest.raises(LabelError, match=message):
        BurnedLayer([shapely.Point(0, 0)], [1], grid, outside=0, crs=crs)


def test_the_geometries_given_stay_as_they_were():
    given_here = np.array([on_the_ground(shapely.box(0, 0, 5, 5))], dtype=object)
    before = given_here[0].wkt
    BurnedLayer(given_here, [1], GRID, outside=0, crs=UTM)
    assert given_here[0].wkt == before
