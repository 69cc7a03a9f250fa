"""The style names and colours every class of the legend, in its order."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from geoseg.classes import ClassMap
from geoseg.vector.style import boundary_style, footprint_style, polygon_style, review_style

CLASSES = ClassMap.of([(7, "roads & <rails>", "#102030"), (0, "water", "#0000ff")])


def test_each_class_is_one_category_with_its_name_and_colour():
    root = ET.fromstring(polygon_style(CLASSES, "class_id"))  # noqa: S314 - our own text
    renderer = root.find("renderer-v2")
    assert renderer is not None
    assert (renderer.get("type"), renderer.get("attr")) == ("categorizedSymbol", "class_id")
    colours = {symbol.get("name"): symbol.find("layer/Option/Option[@name='color']") for symbol in root.iter("symbol")}
    shown = [
        (category.get("value"), category.get("label"), colours[category.get("symbol")].get("value"))
        for category in root.iter("category")
    ]
    assert shown == [("7", "roads & <rails>", "16,32,48,255"), ("0", "water", "0,0,255,255")]


def test_old_and_new_programs_find_the_same_properties():
    root = ET.fromstring(polygon_style(CLASSES, "class_id"))  # noqa: S314 - our own text
    for layer in root.iter("layer"):
        new = {option.get("name"): option.get("value") for option in layer.iterfind("Option/Option")}
        old = {prop.get("k"): prop.get("v") for prop in layer.iterfind("prop")}
        assert new == old


@pytest.mark.parametrize(
    ("style", "geometry", "symbol"),
    [
        (polygon_style(CLASSES, "class_id"), "2", "SimpleFill"),
        (footprint_style(CLASSES, "class_id"), "2", "SimpleFill"),
        (review_style(CLASSES, "class_id"), "0", "SimpleMarker"),
        (boundary_style("left_class"), "1", "SimpleLine"),
    ],
)
def test_a_style_draws_its_type_of_geometry(style, geometry, symbol):
    root = ET.fromstring(style)  # noqa: S314 - our own text
    assert root.findtext("layerGeometryType") == geometry
    assert {layer.get("class") for layer in root.iter("layer")} == {symbol}
    assert [each.get("symbol") for each in root.iter("category")] == [each.get("name") for each in root.iter("symbol")]
    assert all(category.get("label") for category in root.iter("category"))
