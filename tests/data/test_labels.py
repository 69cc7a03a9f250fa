import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.features import rasterize

from geoseg.data.labels import LabelRaster, LabelSource, open_labels
from geoseg.errors import LabelError, SceneError
from geoseg.georef import GeoRef
from geoseg.raster.scene import open_scene
from geoseg.window import Window

CODES = {1: 1, 2: 0, 3: 1, 4: 255}
WHOLE = Window.of_shape(20, 30)


@pytest.fixture
def georef(write_scene):
    with open_scene(write_scene(np.zeros((1, 20, 30), dtype=np.uint8))) as scene:
        return scene.georef


def labels_of(write_scene, values, **profile):
    return write_scene(values[None], "labels.tif", **profile)


def source_of(path, codes=None, **changes):
    return LabelSource(path=path, codes=CODES if codes is None else codes, **changes)


def test_values_become_codes_and_null_is_unknown(write_scene, georef):
    values = 1 + np.arange(600, dtype=np.uint16).reshape(20, 30) % 4
    with LabelRaster(source_of(labels_of(write_scene, values)), georef) as labels:
        read = labels.read(WHOLE)
    expected = np.select([values == 2, (values == 1) | (values == 3)], [0, 1], 255)
    assert read.dtype == np.uint8
    assert np.array_equal(read, expected)


def test_a_value_that_is_not_listed_is_named_with_what_to_do(write_scene, georef):
    values = np.ones((20, 30), dtype=np.uint8)
    values[3, 4] = 7
    with LabelRaster(source_of(labels_of(write_scene, values)), georef) as labels:
        assert (labels.read(Window.of_shape(3, 30)) == 1).all()
        with pytest.raises(LabelError, match=r"value 7 is not in label_map: map it to a class, or to null"):
            labels.read(WHOLE)


def test_nodata_is_unknown_even_where_it_is_mapped(write_scene, georef):
    path = labels_of(write_scene, np.full((20, 30), 2, dtype=np.uint8), nodata=2)
    with LabelRaster(source_of(path), georef) as labels:
        assert (labels.read(WHOLE) == 255).all()


def test_a_window_that_leaves_the_scene_is_unknown_outside(write_scene, georef):
    path = labels_of(write_scene, np.full((20, 30), 1, dtype=np.uint8))
    with LabelRaster(source_of(path), georef) as labels:
        read = labels.read(Window(row=-2, col=25, height=5, width=10))
        assert (labels.read(Window(row=50, col=0, height=2, width=2)) == 255).all()
    assert (read[2:, :5] == 1).all()
    assert (read[:2] == 255).all()
    assert (read[:, 5:] == 255).all()


@pytest.mark.parametrize(("factor", "shift"), [(2, (0, 0)), (3, (-4, 6)), (1, (3, -2))])
def test_labels_on_another_grid_are_those_of_the_nearest_pixel(write_scene, georef, factor, shift):
    rows, cols = shift
    values = np.random.default_rng(factor).integers(1, 4, (40, 40), dtype=np.uint8)
    pixel = georef.transform.a * factor
    corner = georef.transform @ (cols, rows)
    path = labels_of(write_scene, values, transform=Affine(pixel, 0, corner[0], 0, -pixel, corner[1]))
    with LabelRaster(source_of(path), georef) as labels:
        read = labels.read(WHOLE)
    of_row = np.floor((np.arange(20) + 0.5 - rows) / factor).astype(int)
    of_col = np.floor((np.arange(30) + 0.5 - cols) / factor).astype(int)
    there = ((of_row >= 0) & (of_row < 40))[:, None] & ((of_col >= 0) & (of_col < 40))
    nearest = values[of_row.clip(0, 39)][:, of_col.clip(0, 39)]
    assert np.array_equal(read, np.where(there, np.where(nearest == 2, 0, 1), 255))


def test_labels_in_another_crs_lie_where_they_belong(write_scene, georef):
    left, top = georef.transform @ (10, 5)
    right, bottom = georef.transform @ (20, 15)
    square = geopandas.GeoSeries([shapely.box(left, bottom, right, top)], crs="EPSG:32633").to_crs("EPSG:4326")
    west, south, east, north = square.total_bounds
    fine = Affine.translation(west, north) @ Affine.scale((east - west) / 400, (south - north) / 400)
    values = rasterize(square, out_shape=(400, 400), transform=fine, dtype=np.uint8)
    path = labels_of(write_scene, values, crs=CRS.from_epsg(4326), transform=fine, nodata=0)
    with LabelRaster(source_of(path), georef) as labels:
        read = labels.read(WHOLE)
    expected = np.full((20, 30), 255)
    expected[5:15, 10:20] = 1
    assert np.array_equal(read, expected)


@pytest.mark.parametrize(
    ("shape", "profile", "message"),
    [
        ((20, 31), {"crs": None}, r"labels have 20 x 31 px, the scene 20 x 30, and one of them has no CRS"),
        ((20, 30), {"transform": Affine(1, 0, 6e5, 0, -1, 5e6)}, r"do not meet the scene"),
        ((20, 30), {"crs": CRS.from_epsg(32634), "transform": Affine(1, 0, 1e5, 0, -1, 1e6)}, "do not meet the scene"),
        ((20, 30), {"dtype": "float32"}, "must be whole numbers, the file has float32"),
    ],
)
def test_labels_that_do_not_fit_are_refused_in_one_line(write_scene, georef, shape, profile, message):
    path = labels_of(write_scene, np.ones(shape, dtype=profile.get("dtype", "uint8")), **profile)
    with pytest.raises(LabelError, match=message) as refused:
        LabelRaster(source_of(path), georef)
    assert "\n" not in str(refused.value)


def test_labels_that_lie_half_a_pixel_off_are_told_of(write_scene, georef, caplog):
    path = labels_of(write_scene, np.ones((20, 30), np.uint8), transform=Affine(1, 0, 5e5 + 0.5, 0, -1, 5e6))
    with LabelRaster(source_of(path), georef):
        assert "labels lie 0.50 px off the scene's grid" in caplog.text


def test_a_missing_file_is_refused(georef, tmp_path):
    with pytest.raises(SceneError):
        LabelRaster(source_of(tmp_path / "absent.tif"), georef)


@st.composite
def polygons(draw):
    numbers = st.floats(-5, 35, allow_nan=False)
    corners = draw(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=6))
    return shapely.convex_hull(shapely.MultiPoint(corners)).buffer(0.3)


@settings(max_examples=15)
@given(
    shapes=st.lists(st.tuples(polygons(), st.integers(1, 3)), min_size=1, max_size=4),
    crs=st.sampled_from([32633, 4326]),
)
def test_polygons_and_the_raster_burnt_from_them_are_the_same_labels(tmp_path_factory, shapes, crs):
    folder = tmp_path_factory.mktemp("burnt")
    grid = GeoRef(
        crs=CRS.from_epsg(32633).to_wkt(version="WKT2_2019"),
        transform=Affine(1, 0, 5e5, 0, -1, 5e6),
        height=20,
        width=30,
    )
    geometries = [shapely.transform(shape, lambda xy: xy * (1, -1) + (5e5, 5e6)) for shape, _ in shapes]
    kinds = [3, *(value for _, value in shapes)]
    geometries = [shapely.box(5e5 + 2, 5e6 - 7, 5e5 + 5, 5e6 - 3), *geometries]  # one that lies in the scene
    layer = geopandas.GeoDataFrame({"kind": kinds}, geometry=geometries, crs=32633).to_crs(crs)
    layer.to_file(folder / "labels.gpkg")
    vectors = open_labels(source_of(folder / "labels.gpkg", attribute="kind"), grid).read(WHOLE)
    back = geopandas.read_file(folder / "labels.gpkg").to_crs(32633)
    values = rasterize(zip(back.geometry, back["kind"], strict=True), out_shape=(20, 30), transform=grid.transform)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "height": 20, "width": 30, "nodata": 0}
    with rasterio.open(folder / "labels.tif", "w", crs=grid.crs, transform=grid.transform, **profile) as target:
        target.write(values.astype(np.uint8), 1)
    raster = open_labels(source_of(folder / "labels.tif"), grid)
    assert np.array_equal(raster.read(WHOLE), vectors)
    raster.close()


@pytest.mark.parametrize(
    ("values", "codes"),
    [(["wood", "lake"], {"wood": 1, "lake": 0}), ([1.0, 2.0], {1: 1, 2: 0}), (["1", "2"], {1: 1, 2: 0})],
)
def test_an_attribute_of_any_type_is_looked_up(georef, tmp_path, values, codes):
    boxes = [shapely.box(5e5, 5e6 - 20, 5e5 + 10, 5e6), shapely.box(5e5 + 10, 5e6 - 20, 5e5 + 20, 5e6)]
    geopandas.GeoDataFrame({"kind": values}, geometry=boxes, crs=32633).to_file(tmp_path / "a.gpkg")
    read = open_labels(source_of(tmp_path / "a.gpkg", codes, attribute="kind", outside=3), georef).read(WHOLE)
    assert (read[:, :10] == 1).all()
    assert (read[:, 10:20] == 0).all()
    assert (read[:, 20:] == 3).all()


def test_an_attribute_value_that_is_not_listed_and_features_elsewhere_are_refused(georef, tmp_path):
    box = shapely.box(5e5, 5e6 - 20, 5e5 + 10, 5e6)
    geopandas.GeoDataFrame({"kind": ["moor"]}, geometry=[box], crs=32633).to_file(tmp_path / "a.gpkg")
    with pytest.raises(LabelError, match="kind holds 'moor', label_map has wood: add it, or null"):
        open_labels(source_of(tmp_path / "a.gpkg", {"wood": 1}, attribute="kind"), georef)
    far = shapely.affinity.translate(box, 1e4)
    geopandas.GeoDataFrame({"kind": ["wood"]}, geometry=[far], crs=32633).to_file(tmp_path / "b.gpkg")
    with pytest.raises(LabelError, match="no feature lies in the scene"):
        open_labels(source_of(tmp_path / "b.gpkg", {"wood": 1}, attribute="kind"), georef)


@pytest.mark.parametrize("name", ["a.gpkg", "a.parquet", "a.geojson"])
def test_footprints_without_an_attribute_are_one_class(georef, tmp_path, name):
    layer = geopandas.GeoDataFrame(geometry=[shapely.box(5e5, 5e6 - 20, 5e5 + 10, 5e6)], crs=32633).to_crs(4326)
    path = tmp_path / name
    layer.to_parquet(path) if name.endswith("parquet") else layer.to_file(path)
    read = open_labels(source_of(path, {"*": 1}, attribute="*", outside=0), georef).read(WHOLE)
    assert np.array_equal(read, np.tile(np.arange(30) < 10, (20, 1)))


def test_a_raster_takes_numbers_written_as_words_and_refuses_words(write_scene, georef):
    path = labels_of(write_scene, np.full((20, 30), 2, dtype=np.uint8))
    with LabelRaster(source_of(path, {"2": 1, "wood": 0}), georef) as labels:
        assert (labels.read(WHOLE) == 1).all()
    with pytest.raises(LabelError, match="a raster holds numbers, label_map has wood"):
        LabelRaster(source_of(path, {"wood": 0}), georef)
