import contextlib
import logging
import sqlite3
import xml.etree.ElementTree as ET

import geopandas as gpd
import numpy as np
import pyproj
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.classes import ClassMap
from geoseg.data.label_sets import LabelSets
from geoseg.data.labelled_scene import BlockCache, LabelledScene, OpenPair, OpenPairs
from geoseg.data.sampling import Region
from geoseg.errors import OutputError
from geoseg.georef import GeoRef
from geoseg.training.split_layer import count_regions, write_split_layer
from geoseg.window import Window

UTM = pyproj.CRS.from_epsg(32633).to_wkt("WKT2_2019")
OTHER = pyproj.CRS.from_epsg(32634).to_wkt("WKT2_2019")
NORTH_UP = Affine(10, 0, 5e5, 0, -10, 5e6)
SETS = LabelSets.of(
    ClassMap.of([(0, "water", "#0000ff"), (3, "low veg", "#008000")]), [[("water",), ("water", "low veg")]]
)


class FakePair:
    """A scene of one band with labels in memory, as both."""

    dtype = "uint8"
    bands = ("1",)

    def __init__(self, georef, labels):
        self.georef = georef
        self.labels = labels


def region(name="here.tif", *, crs=UTM, transform=NORTH_UP, shape=(60, 40), window=None):
    georef = GeoRef(crs=crs, transform=transform, height=shape[0], width=shape[1])
    pair = OpenPair(FakePair(georef, None), None)
    scene = LabelledScene(lambda: pair, pairs=OpenPairs(), cache=BlockCache(0), number=0, name=f"/data/{name}")
    return Region(scene=scene, window=window or georef.window, scale=1.0, source="town")


def written(path, layer="split"):
    return gpd.read_file(path, layer=layer)


def test_every_region_is_a_polygon_with_its_split(tmp_path):
    south = region(window=Window.between(30, 60, 0, 40))
    north = region(window=Window.between(0, 30, 10, 40))
    path = write_split_layer({"val": [north], "train": [south], "test": []}, SETS, tmp_path / "split.gpkg")
    table = written(path)
    assert table["split"].tolist() == ["train", "val"]
    assert table["source"].tolist() == ["town", "town"]
    assert table["scene"].tolist() == ["here.tif", "here.tif"]
    assert table[["row", "col", "height", "width"]].to_numpy().tolist() == [[30, 0, 30, 40], [0, 10, 30, 30]]
    assert table.geometry.iloc[1].bounds == (500100.0, 4999700.0, 500400.0, 5e6)
    assert table.geometry.iloc[1].area == pytest.approx(300 * 300)
    assert "pixels_known" not in table.columns
    assert [file.name for file in tmp_path.iterdir()] == ["split.gpkg"]


@given(
    angle=st.floats(0, 359),
    zone=st.sampled_from([UTM, OTHER]),
    row=st.integers(0, 50),
    col=st.integers(0, 30),
)
def test_polygons_lie_where_the_pixels_do_in_any_crs(tmp_path_factory, angle, zone, row, col):
    transform = Affine.translation(5e5, 5e6) @ Affine.rotation(angle) @ Affine.scale(300, -200)
    there = region(crs=zone, transform=transform, window=Window.between(row, 60, col, 40))
    regions = {"train": [there], "test": [region("other.tif")]}
    table = written(write_split_layer(regions, SETS, tmp_path_factory.mktemp("layer") / "split.gpkg"))
    assert table.crs.to_epsg() == (32633 if zone == UTM else 4326)
    outline = gpd.GeoSeries(table.geometry.iloc[:1], crs=table.crs).to_crs(zone).iloc[0]
    area = (60 - row) * (40 - col) * 300 * 200
    assert outline.area == pytest.approx(area, rel=1e-4)
    assert table["area_m2"].iloc[0] == pytest.approx(area, rel=2e-3)
    middle = transform @ ((col + 40) / 2, (row + 60) / 2)
    assert outline.centroid.distance(gpd.points_from_xy([middle[0]], [middle[1]])[0]) < 1.0


def test_edges_of_large_windows_are_bent_as_the_ground_is(tmp_path):
    large = region(transform=Affine(10_000, 0, 3e5, 0, -10_000, 5e6))
    regions = {"train": [large], "test": [region(crs=OTHER)]}
    table = written(write_split_layer(regions, SETS, tmp_path / "split.gpkg"))
    outline = gpd.GeoSeries(table.geometry.iloc[:1], crs=table.crs).segmentize(0.05).to_crs(UTM).iloc[0]
    (middle_of_the_top,) = gpd.points_from_xy([5e5], [5e6])
    assert outline.boundary.distance(middle_of_the_top) < 1000


def test_a_polygon_across_the_date_line_stays_whole(tmp_path):
    fiji = pyproj.CRS.from_epsg(32701).to_wkt("WKT2_2019")
    there = region(crs=fiji, transform=Affine(1000, 0, 1.5e5, 0, -1000, 8e6))
    table = written(write_split_layer({"train": [there, region()]}, SETS, tmp_path / "split.gpkg"))
    west, _, east, _ = table.geometry.iloc[0].bounds
    assert east - west < 1


def test_counts_become_shares_of_known_pixels(tmp_path):
    counts = {"train": np.array([[30, 10, 0], [0, 0, 0]])}
    regions = {"train": [region(), region()], "val": [region()]}
    table = written(write_split_layer(regions, SETS, tmp_path / "split.gpkg", counts=counts))
    assert table["pixels_known"].iloc[:2].tolist() == [40, 0]
    assert table["pixels_known"].isna().tolist() == [False, False, True]
    assert table["share_water"].iloc[0] == 0.75
    assert table["share_low_veg"].iloc[0] == 0.25
    assert table["share_water_or_low_veg"].iloc[0] == 0
    assert table["share_water"].isna().tolist() == [False, True, True]


def test_counting_agrees_with_the_labels(fake_scene):
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (700, 600))
    scene = fake_scene(image=np.zeros((1, 700, 600), np.uint8), valid=np.ones((700, 600), np.bool_))

    class Labels:
        def read(self, window):
            return labels[window.row : window.bottom, window.col : window.right]

    pair = OpenPair(scene, Labels())
    open_scene = LabelledScene(lambda: pair, pairs=OpenPairs(), cache=BlockCache(0), number=0)
    windows = [Window.between(3, 520, 100, 590), Window.between(600, 700, 0, 600)]
    counted = count_regions([Region(scene=open_scene, window=window, scale=1.0) for window in windows], codes=3)
    for window, count in zip(windows, counted, strict=True):
        part = labels[window.row : window.bottom, window.col : window.right]
        assert count.tolist() == [(part == code).sum() for code in range(3)]
    assert count_regions([], codes=3).shape == (0, 3)


def test_labels_of_like_names_get_columns_of_their_own(tmp_path):
    names = ClassMap.of([(0, "Low veg", "#0000ff"), (1, "low-veg", "#008000"), (2, "low_veg", "#008001")])
    sets, counts = LabelSets.of(names, []), {"train": np.array([[1, 2, 1]])}
    table = written(write_split_layer({"train": [region()]}, sets, tmp_path / "split.gpkg", counts=counts))
    assert [table[name].iloc[0] for name in ("share_Low_veg", "share_low_veg_2", "share_low_veg_3")] == [
        0.25,
        0.5,
        0.25,
    ]


def test_scenes_without_a_crs_are_left_out_in_one_line(tmp_path, caplog):
    lost = region(crs=None)
    with caplog.at_level(logging.WARNING):
        path = write_split_layer({"train": [lost, region()], "val": [lost]}, SETS, tmp_path / "split.gpkg")
        assert len(written(path)) == 1
        assert write_split_layer({"train": [lost]}, SETS, tmp_path / "none.gpkg") is None
    assert [record.getMessage() for record in caplog.records] == [
        "split.gpkg: without 2 of 3 regions, whose scenes have no CRS",
        "none.gpkg: not written, no scene has a CRS to place its ground by",
    ]
    assert not (tmp_path / "none.gpkg").exists()


def test_counts_stay_with_their_regions_when_others_are_left_out(tmp_path):
    counts = {"train": np.array([[1, 0, 0], [0, 1, 0]])}
    regions = {"train": [region(crs=None), region()]}
    table = written(write_split_layer(regions, SETS, tmp_path / "split.gpkg", counts=counts))
    assert table["share_low_veg"].tolist() == [1.0]


def test_the_layer_opens_with_a_colour_for_each_split(tmp_path):
    path = write_split_layer({"train": [region()]}, SETS, tmp_path / "split.gpkg")
    with contextlib.closing(sqlite3.connect(path)) as database:
        table, style, default = database.execute(
            "SELECT f_table_name, styleQML, useAsDefault FROM layer_styles"
        ).fetchone()
    root = ET.fromstring(style.split("\n", 1)[1])  # noqa: S314 - written a line above
    categories = root.findall(".//category")
    assert (table, default) == ("split", 1)
    assert [category.get("value") for category in categories] == ["train", "val", "test"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "split.gpkg"
    write_split_layer({"train": [region(), region()]}, SETS, path)
    write_split_layer({"train": [region()]}, SETS, path)
    assert len(written(path)) == 1
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_split_layer({"train": [region()]}, SETS, tmp_path / "file" / "split.gpkg")
    assert len(written(path)) == 1
