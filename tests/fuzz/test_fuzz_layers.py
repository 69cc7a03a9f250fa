"""Whatever stands in vectors, styles, sidecars and STAC items beside a map: they are used, left out, or one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.classes import ClassMap
from geoseg.errors import LabelError
from geoseg.raster.features import read_features
from geoseg.raster.legend import find_legend, legend_of
from geoseg.raster.sidecar import write_class_sidecar, write_class_style
from geoseg.stac.existing import described
from tests.fuzz.strategies import as_json, damaged, disturbed, given_or_refused, limited

GEOJSON = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"kind": kind},
            "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
        }
        for kind in ("a", "b", None)
    ],
}
ITEM = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "stac_extensions": [],
    "id": "map",
    "geometry": None,
    "properties": {"datetime": "2024-05-31T00:00:00Z"},
    "links": [
        {"rel": "derived_from", "href": "./scene.tif", "title": "scene"},
        {"rel": "derived_from", "href": "./model/model.json", "title": "model", "mlm:name": "tiny"},
    ],
    "assets": {"classes": {"href": "./map.classes.tif", "type": "image/tiff", "roles": ["data"]}},
}


@given(data=damaged(as_json(GEOJSON)) | disturbed(GEOJSON).map(as_json))
def test_any_geojson_is_read_or_one_line(tmp_path, data):
    (tmp_path / "a.geojson").write_bytes(data)
    with limited():
        given_or_refused(read_features, tmp_path / "a.geojson", layer=None, attribute="kind")


@pytest.mark.parametrize("name", ["a.geojson", "a.gpkg", "a.gml"])
def test_a_vector_file_that_points_elsewhere_is_refused_before_it_is_opened(tmp_path, name):
    layer = '<OGRVRTLayer name="a"><SrcDataSource>http://127.0.0.1:9/secret.geojson</SrcDataSource></OGRVRTLayer>'
    (tmp_path / name).write_text(f"<OGRVRTDataSource>{layer}</OGRVRTDataSource>")
    with pytest.raises(LabelError, match=r"its contents are no|points to other files"):
        read_features(tmp_path / name, layer=None, attribute="kind")


@given(data=damaged(as_json(ITEM)) | disturbed(ITEM).map(as_json))
def test_any_item_beside_a_map_describes_it_or_counts_for_nothing(tmp_path, data):
    (tmp_path / "map.stac.json").write_bytes(data)
    with limited():
        found = described(tmp_path / "map.classes.tif", "map")
        if found is not None:
            _ = found.scene, found.scene_name, found.model, found.acquired


@pytest.fixture(scope="module")
def legend():
    return ClassMap.of([(1, "water", "#0000ff"), (2, "wood", "#00ff00")])


@given(data=st.data())
def test_any_style_or_sidecar_beside_a_map_is_a_legend_or_one_line(write_scene, legend, tmp_path, data):
    path = write_scene(np.ones((1, 16, 16), np.uint8), name="map.tif", tiled=False)
    written = data.draw(st.sampled_from((write_class_style, lambda *known: write_class_sidecar(*known, {1: 256}))))
    beside = written(path, legend)
    beside.write_bytes(data.draw(damaged(beside.read_bytes())))
    with limited():
        found = given_or_refused(find_legend, path)
        classes = None if found is None else given_or_refused(legend_of, found, [1])
    for file in tmp_path.iterdir():
        file.unlink()
    assert classes is None or all(name.isprintable() for name in classes.names)


def test_entities_of_a_style_are_not_blown_up(write_scene, tmp_path):
    path = write_scene(np.ones((1, 16, 16), np.uint8), name="map.tif", tiled=False)
    kinds = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    (tmp_path / "map.qml").write_text(
        f'<!DOCTYPE qgis [<!ENTITY a0 "ha">{kinds}]><qgis><paletteEntry value="1" label="&a11;"/></qgis>'
    )
    with limited(seconds=20):
        assert not find_legend(path).names


def test_the_documents_are_valid_before_they_are_damaged(tmp_path):
    (tmp_path / "a.geojson").write_text(json.dumps(GEOJSON))
    (tmp_path / "map.stac.json").write_text(json.dumps(ITEM))
    assert len(read_features(tmp_path / "a.geojson", layer=None, attribute="kind").values) == 3
    found = described(tmp_path / "map.classes.tif", "map")
    assert found is not None
    assert found.model is not None
