from __future__ import annotations

import geopandas
import numpy as np
import pytest
import shapely

from geoseg.errors import LabelError
from geoseg.raster.features import is_vector_file, read_features

WRITERS = {
    "layer.gpkg": lambda table, path: table.to_file(path, layer="fields"),
    "layer.geojson": lambda table, path: table.to_file(path),
    "layer.shp": lambda table, path: table.to_file(path),
    "layer.parquet": lambda table, path: table.to_parquet(path),
}


@pytest.fixture
def table():
    squares = [shapely.box(col, 0, col + 1, 1) for col in range(3)]
    return geopandas.GeoDataFrame({"code": [3, 1, 2], "crop": ["rye", None, "oats"]}, geometry=squares, crs=32633)


@pytest.mark.parametrize("name", list(WRITERS))
def test_every_format_gives_the_same_features_in_their_order(tmp_path, table, name):
    path = tmp_path / name
    WRITERS[name](table if name != "layer.geojson" else table.to_crs(4326), path)
    read = read_features(path, layer=None, attribute="crop")
    assert is_vector_file(path)
    assert read.values == ("rye", None, "oats")
    assert len(read.geometries) == 3
    assert read.crs is not None
    assert [int(code) for code in read_features(path, layer=None, attribute="code").values] == [3, 1, 2]


def test_features_without_a_geometry_are_left_out(tmp_path, table):
    table.loc[1, "geometry"] = None
    table.to_file(tmp_path / "a.gpkg")
    assert read_features(tmp_path / "a.gpkg", layer=None, attribute="code").values == (3, 2)


def test_numbers_are_plain_python(tmp_path, table):
    table.to_parquet(tmp_path / "a.parquet")
    assert not any(
        isinstance(value, np.generic)
        for value in read_features(tmp_path / "a.parquet", layer=None, attribute="code").values
    )


def test_one_layer_of_several_is_named(tmp_path, table):
    path = tmp_path / "two.gpkg"
    table.to_file(path, layer="a")
    table[:1].to_file(path, layer="b")
    assert len(read_features(path, layer="b", attribute="code").values) == 1
    with pytest.raises(LabelError, match="has several layers: name one of a, b"):
        read_features(path, layer=None, attribute="code")
    with pytest.raises(LabelError, match="has no layer 'c': it has a, b"):
        read_features(path, layer="c", attribute="code")


@pytest.mark.parametrize("name", ["a.gpkg", "a.parquet"])
def test_a_missing_attribute_lists_those_there(tmp_path, table, name):
    WRITERS["layer" + name[1:]](table, tmp_path / name)
    with pytest.raises(LabelError, match="has no attribute 'kind': its attributes are code, crop"):
        read_features(tmp_path / name, layer=None, attribute="kind")
    with pytest.raises(LabelError, match="no attribute was named: its attributes are code, crop"):
        read_features(tmp_path / name, layer=None, attribute=None)


def test_what_is_no_vector_layer_is_one_clear_line(tmp_path, table):
    (tmp_path / "a.gpkg").write_text("no layer")
    (tmp_path / "a.parquet").write_text("no layer")
    table[:0].to_file(tmp_path / "empty.gpkg")
    for name, message in (
        ("a.gpkg", "its contents are no .gpkg"),
        ("a.parquet", "cannot be read as a vector layer"),
        ("empty.gpkg", "holds no feature with a geometry"),
        ("absent.gpkg", "no such file"),
    ):
        with pytest.raises(LabelError, match=message) as caught:
            read_features(tmp_path / name, layer=None, attribute="code")
        assert "\n" not in str(caught.value)
