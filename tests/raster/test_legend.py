"""A class raster's legend is found wherever its maker left it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.classes import ClassMap
from geoseg.errors import ConfigError, SceneError
from geoseg.georef import GeoRef
from geoseg.raster.legend import FoundLegend, distinct_colour, find_legend, legend_of
from geoseg.raster.sidecar import sidecar_path, style_path, write_class_sidecar, write_class_style
from geoseg.raster.writer import class_raster_writer
from geoseg.window import Window

CLASSES = ClassMap.of([(3, "grün & <nass>", "#00ff7f"), (1, "water", "#0000ff")])
GRID = GeoRef(crs=None, transform=Affine(2, 0, 10, 0, -2, 90), height=4, width=5)
BY_ID = ClassMap.of([(1, "water", "#0000ff"), (3, "grün & <nass>", "#00ff7f")])


def raster_at(path: Path, *, dtype: str = "uint8", driver: str = "GTiff", **options: object) -> Path:
    profile = {"driver": driver, "dtype": dtype, "count": 1, "height": 4, "width": 5} | options
    with rasterio.open(path, "w", transform=Affine(2, 0, 10, 0, -2, 90), **profile) as dataset:
        dataset.write(np.ones((1, 4, 5), dtype=dtype))
    return path


def with_band_xml(path: Path, xml: str) -> Path:
    sidecar_path(path).write_text(f"<PAMDataset><PAMRasterBand band='1'>{xml}</PAMRasterBand></PAMDataset>")
    return path


def test_the_legend_of_a_written_class_raster_comes_back_from_any_one_of_its_places(tmp_path):
    path = tmp_path / "classes.tif"
    with class_raster_writer(path, GRID, CLASSES) as writer:
        writer.write(Window.of_shape(4, 5), np.ones((4, 5), dtype=np.uint8))
    assert legend_of(find_legend(path), [1, 3]) == BY_ID
    bare = raster_at(tmp_path / "bare.tif")
    write_class_sidecar(bare, CLASSES, {1: 20})
    assert legend_of(find_legend(bare), []) == BY_ID
    styled = raster_at(tmp_path / "styled.tif", dtype="int32")
    write_class_style(styled, CLASSES)
    assert legend_of(find_legend(styled), []) == BY_ID


@pytest.mark.parametrize("driver", ["GTiff", "HFA", "PNG"])
def test_category_names_are_read_in_any_format(tmp_path, driver):
    path = raster_at(tmp_path / "a.img", driver=driver, **({} if driver != "GTiff" else {"compress": "lzw"}))
    with_band_xml(path, "<CategoryNames><Category>sea</Category><Category/><Category>ice</Category></CategoryNames>")
    assert find_legend(path).names == {0: "sea", 2: "ice"}


ARCGIS = """<GDALRasterAttributeTable tableType="thematic">
<FieldDefn index="0"><Name>OBJECTID</Name><Type>0</Type><Usage>0</Usage></FieldDefn>
<FieldDefn index="1"><Name>VALUE</Name><Type>0</Type><Usage>0</Usage></FieldDefn>
<FieldDefn index="2"><Name>Class_Name</Name><Type>2</Type><Usage>0</Usage></FieldDefn>
<Row index="0"><F>1</F><F>41</F><F>Forest</F></Row><Row index="1"><F>2</F><F>11</F><F> Water </F></Row>
</GDALRasterAttributeTable>"""

ROWS_ARE_VALUES = """<GDALRasterAttributeTable tableType="thematic">
<FieldDefn index="0"><Name>Histogram</Name><Type>1</Type><Usage>1</Usage></FieldDefn>
<FieldDefn index="1"><Name>Red</Name><Type>0</Type><Usage>6</Usage></FieldDefn>
<FieldDefn index="2"><Name>Green</Name><Type>0</Type><Usage>7</Usage></FieldDefn>
<FieldDefn index="3"><Name>Blue</Name><Type>0</Type><Usage>8</Usage></FieldDefn>
<FieldDefn index="4"><Name>Names</Name><Type>2</Type><Usage>2</Usage></FieldDefn>
<Row index="0"><F>0</F><F>0</F><F>0</F><F>0</F><F/></Row>
<Row index="1"><F>9</F><F>128</F><F>0</F><F>255</F><F>Water</F></Row>
</GDALRasterAttributeTable>"""


@pytest.mark.parametrize(
    ("xml", "names", "colours"),
    [
        (ARCGIS, {11: "Water", 41: "Forest"}, {}),
        (ROWS_ARE_VALUES, {1: "Water"}, {0: "#000000", 1: "#8000ff"}),
    ],
    ids=["columns by title", "rows are values"],
)
def test_attribute_tables_of_other_programs_are_understood(tmp_path, xml, names, colours):
    found = find_legend(with_band_xml(raster_at(tmp_path / "a.tif"), xml))
    assert found.names == names
    assert found.colours == colours


def test_nodata_is_no_class_even_where_it_has_a_name(tmp_path):
    path = raster_at(tmp_path / "a.tif", dtype="int16", nodata=0)
    with_band_xml(path, "<CategoryNames><Category>Unclassified</Category><Category>sea</Category></CategoryNames>")
    assert find_legend(path).names == {1: "sea"}


def test_an_attribute_table_wins_over_a_style_and_what_it_lacks_comes_from_there(tmp_path):
    path = raster_at(tmp_path / "a.tif")
    write_class_style(path, ClassMap.of([(11, "Wasser", "#111111"), (12, "Eis", "#222222")]))
    found = find_legend(with_band_xml(path, ARCGIS))
    assert found.names == {11: "Water", 12: "Eis", 41: "Forest"}
    assert found.colours == {11: "#111111", 12: "#222222"}


@pytest.mark.parametrize("text", ["", "<qgis", "<qgis><paletteEntry value='many' label='?' color='red'/></qgis>"])
def test_a_style_that_is_none_is_passed_over(tmp_path, text):
    path = raster_at(tmp_path / "a.tif")
    style_path(path).write_text(text)
    assert legend_of(find_legend(path), [1]).names == ("class 1",)


def test_a_colour_table_alone_gives_colours_but_black_where_it_was_left_empty_gives_none(tmp_path):
    path = raster_at(tmp_path / "a.tif", photometric="palette")
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, {1: (255, 0, 0, 255), 2: (0, 0, 0, 255)})
    found = find_legend(path)
    assert [entry.colour for entry in legend_of(found, [1, 2]).classes] == ["#ff0000", "#000000"]
    assert [entry.colour for entry in legend_of(found, [1, 7, 8]).classes] == [
        "#ff0000",
        distinct_colour(7),
        distinct_colour(8),
    ]


def test_classes_without_names_are_called_by_their_ids_and_names_that_two_share_get_theirs():
    found = FoundLegend(names={2: "forest", 5: "forest", 6: "water"})
    assert legend_of(found, [6, 9]).names == ("forest (2)", "forest (5)", "water", "class 9")
    with pytest.raises(ConfigError, match="at least one class"):
        legend_of(FoundLegend(), [])


def test_every_id_has_a_colour_of_its_own():
    colours = [distinct_colour(class_id) for class_id in range(255)]
    assert len(set(colours)) == 255
    steps = np.array([list(bytes.fromhex(colour[1:])) for colour in colours[:12]], dtype=int)
    gaps = np.abs(steps[:, None] - steps[None]).sum(axis=-1)
    assert gaps[~np.eye(12, dtype=bool)].min() > 60


def test_what_is_no_raster_is_an_error_the_user_can_mend(tmp_path):
    (tmp_path / "a.tif").write_text("no raster")
    with pytest.raises(SceneError, match="cannot be read as a raster"):
        find_legend(tmp_path / "a.tif")
