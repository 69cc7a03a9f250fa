"""The names beside a raster are those of its legend."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from geoseg.classes import ClassMap
from geoseg.errors import OutputError
from geoseg.raster.sidecar import sidecar_path, write_class_sidecar, write_class_style

CLASSES = ClassMap.of([(3, "grün & <nass>", "#00ff7f"), (1, "water", "#0000ff")])


def band_of(raster) -> ET.Element:
    band = ET.fromstring(sidecar_path(raster).read_text()).find("PAMRasterBand[@band='1']")  # noqa: S314 - our own file
    assert band is not None
    return band


def test_category_names_stand_at_their_values(tmp_path):
    raster = tmp_path / "classes.tif"
    assert write_class_sidecar(raster, CLASSES, {}) == tmp_path / "classes.tif.aux.xml"
    names = [each.text or "" for each in band_of(raster).iterfind("CategoryNames/Category")]
    assert names == ["", "water", "", "grün & <nass>"]


def test_attribute_table_has_counts_and_colours_in_order_of_value(tmp_path):
    raster = tmp_path / "classes.tif"
    write_class_sidecar(raster, CLASSES, {3: 5_000_000_000})
    table = band_of(raster).find("GDALRasterAttributeTable")
    assert table is not None
    assert table.get("tableType") == "thematic"
    columns = [each.findtext("Name") for each in table.iterfind("FieldDefn")]
    rows = [[cell.text for cell in row] for row in table.iterfind("Row")]
    assert columns == ["Value", "Count", "Class", "R", "G", "B", "A"]
    assert rows == [
        ["1", "0", "water", "0", "0", "255", "255"],
        ["3", "5000000000", "grün & <nass>", "0", "255", "127", "255"],
    ]


def test_what_gdal_noted_before_is_kept_and_writing_twice_changes_nothing(tmp_path):
    raster = tmp_path / "classes.tif"
    sidecar_path(raster).write_text(
        "<PAMDataset><SRS>LOCAL_CS</SRS><PAMRasterBand band='1'><Old/></PAMRasterBand></PAMDataset>"
    )
    first = write_class_sidecar(raster, CLASSES, {1: 4}).read_bytes()
    assert b"<SRS>LOCAL_CS</SRS>" in first
    assert b"Old" not in first
    assert write_class_sidecar(raster, CLASSES, {1: 4}).read_bytes() == first


def test_the_style_shows_each_class_once_in_the_order_of_the_legend(tmp_path):
    path = write_class_style(tmp_path / "classes.tif", CLASSES)
    assert path == tmp_path / "classes.qml"
    entries = ET.fromstring(path.read_text()).iter("paletteEntry")  # noqa: S314 - our own file
    assert [(entry.get("value"), entry.get("label"), entry.get("color")) for entry in entries] == [
        ("3", "grün & <nass>", "#00ff7f"),
        ("1", "water", "#0000ff"),
    ]


def test_a_folder_that_is_not_there_is_an_error_the_user_can_mend(tmp_path):
    raster = tmp_path / "missing" / "classes.tif"
    with pytest.raises(OutputError, match="missing"):
        write_class_sidecar(raster, CLASSES, {})
    with pytest.raises(OutputError, match="missing"):
        write_class_style(raster, CLASSES)
