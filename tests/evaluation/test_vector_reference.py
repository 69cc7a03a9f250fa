from __future__ import annotations

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from rasterio.crs import CRS

from geoseg.classes import ClassMap
from geoseg.errors import ConfigError, LabelError
from geoseg.evaluation.compare import evaluate
from geoseg.georef import GeoRef
from geoseg.raster.writer import class_raster_writer

UTM = CRS.from_epsg(32645)
GRID = GeoRef(crs=UTM.to_wkt(), transform=Affine(2, 0, 500_000, 0, -2, 3_000_000), height=40, width=60)
LEGEND = ClassMap.of([(1, "water", "#0000ff"), (2, "forest", "#00ff00"), (7, "shrub", "#aaff00")])


@pytest.fixture
def class_raster(tmp_path):
    """Water on the left, forest in the middle, shrub on the right: 20 columns each."""
    values = np.repeat(np.array([1, 2, 7], dtype=np.uint8), 20)[None].repeat(40, axis=0)
    with class_raster_writer(tmp_path / "map.tif", GRID, LEGEND) as writer:
        writer.write(GRID.window, values)
    return tmp_path / "map.tif"


def box(left, top, right, bottom):
    (x0, y0), (x1, y1) = GRID.transform @ (left, top), GRID.transform @ (right, bottom)
    return shapely.box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))


@pytest.fixture
def polygons():
    return geopandas.GeoDataFrame(
        {"name": ["water", "forest", None], "code": [1, 2, 9], "kind": ["See", "Holz", "Holz"]},
        geometry=[box(0, 0, 10, 40), box(10, 0, 40, 40), box(40, 0, 50, 40)],
        crs=UTM,
    )


@pytest.fixture
def layer(tmp_path, polygons):
    polygons.to_file(tmp_path / "reference.gpkg", layer="reference")
    return tmp_path / "reference.gpkg"


def test_names_in_an_attribute_are_classes_and_null_is_none(class_raster, layer):
    result = evaluate(class_raster, layer, attribute="name")
    assert result.class_names == ("water", "forest")
    assert result.confusion.counts.tolist() == [[400, 0], [400, 800]]


@pytest.mark.parametrize("ending", [".geojson", ".shp", ".parquet"])
def test_every_format_and_crs_gives_the_same_scores(tmp_path, class_raster, polygons, ending):
    path = tmp_path / f"reference{ending}"
    elsewhere = polygons.to_crs("EPSG:4326")
    if ending == ".parquet":
        elsewhere.to_parquet(path)
    else:
        elsewhere.to_file(path)
    result = evaluate(class_raster, path, attribute="name")
    assert result.pixels == pytest.approx(1600, abs=40)  # an edge on pixel edges may fall to either side
    assert result.confusion.counts[0, 1] + result.confusion.counts[1, 0] == pytest.approx(400, abs=40)


def test_pixels_outside_every_polygon_may_have_a_class(class_raster, layer):
    result = evaluate(class_raster, layer, attribute="name", outside="shrub")
    assert result.confusion.counts.tolist() == [[400, 0, 0], [400, 800, 0], [0, 0, 400]]


def test_a_label_map_has_words_and_groups_take_them_as_names(class_raster, layer):
    result = evaluate(class_raster, layer, attribute="kind", label_map={"See": "water", "Holz": ["forest", "shrub"]})
    assert result.class_names == ("water", "Holz")
    assert result.confusion.counts.tolist() == [[400, 0], [400, 1200]]


def test_numbers_of_a_label_map_may_be_any_number(tmp_path, class_raster, polygons):
    polygons["corine"] = [512.0, 311.0, np.nan]
    polygons.to_file(tmp_path / "corine.gpkg")
    result = evaluate(class_raster, tmp_path / "corine.gpkg", attribute="corine", label_map="512=water,311=forest")
    assert result.confusion.counts.tolist() == [[400, 0], [400, 800]]


def test_a_number_is_a_class_id_and_ignored_values_are_no_class(class_raster, layer):
    result = evaluate(class_raster, layer, attribute="code", ignore=[9])
    assert result.confusion.counts.tolist() == [[400, 0], [400, 800]]


def test_later_polygons_win(tmp_path, class_raster, polygons):
    polygons.loc[2, "geometry"] = box(0, 0, 60, 40)
    polygons["name"] = ["water", "forest", "shrub"]
    polygons.to_file(tmp_path / "over.gpkg")
    assert evaluate(class_raster, tmp_path / "over.gpkg", attribute="name").confusion.counts.sum(axis=1)[-1] == 2400


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attribute": "code"}, "code holds '9', which is no class: classes are 1 water, 2 forest, 7 shrub"),
        ({"attribute": "kind"}, "kind holds"),
        ({}, "no attribute was named: its attributes are name, code, kind"),
        ({"attribute": "use"}, "has no attribute 'use': its attributes are name, code, kind"),
        ({"attribute": "name", "outside": "lake"}, "has no class 'lake': its classes are water, forest, shrub"),
        ({"attribute": "name", "layer": "b"}, "has no layer 'b': it has reference"),
    ],
)
def test_what_does_not_fit_is_one_clear_line(class_raster, layer, options, message):
    with pytest.raises(LabelError, match=message) as caught:
        evaluate(class_raster, layer, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_a_layer_elsewhere_or_without_crs_is_one_clear_line(tmp_path, class_raster, polygons):
    polygons.set_geometry(polygons.translate(1e5, 0)).to_file(tmp_path / "far.gpkg")
    with pytest.raises(LabelError, match="do not overlap"):
        evaluate(class_raster, tmp_path / "far.gpkg", attribute="name")
    polygons.set_crs(None, allow_override=True).to_file(tmp_path / "bare.shp")
    with pytest.raises(LabelError, match="has no CRS: assign it"):
        evaluate(class_raster, tmp_path / "bare.shp", attribute="name")


def test_settings_for_vectors_are_refused_with_a_raster(class_raster):
    with pytest.raises(ConfigError, match=r"attribute: .* is a raster: attribute is for references of polygons"):
        evaluate(class_raster, class_raster, attribute="name")


def test_a_raster_reference_may_have_groups_too(class_raster):
    result = evaluate(class_raster, class_raster, label_map={7: ["forest", "shrub"], 2: ["forest", "shrub"]})
    assert result.class_names == ("forest|shrub",)
    assert result.confusion.counts.tolist() == [[1600]]


def test_a_class_in_no_group_counts_against_those_of_the_reference(class_raster, layer):
    result = evaluate(class_raster, layer, attribute="kind", label_map={"Holz": "shrub"}, ignore="See")
    assert result.class_names == ("water", "forest", "shrub")
    assert result.confusion.counts.tolist() == [[0, 0, 0], [0, 0, 0], [400, 800, 400]]
    assert result.mean_pixel_accuracy == pytest.approx(400 / 1600)
