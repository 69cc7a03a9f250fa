"""How QGIS shows a sample: what is still to label stands out, and the form offers the classes by name."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from geoseg.classes import ClassMap

_POINT_LAYER = "0"
_TO_LABEL = "#ff00ff"
_RING_MM = "3"


def sample_style(classes: ClassMap, column: str, *, pixel_side: float) -> str:
    """A QGIS style (QML) with a form to label points in.

    A point is a ring, and a square as large as the pixel that is to be judged. Both have the colour of the reference
    class, and stand out as long as there is none.

    Args:
        classes: the classes to choose from, in that order.
        column: the column with the reference class.
        pixel_side: of a pixel of the map, in map units.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology|Fields|Forms")
    _add_renderer(root, classes, column, pixel_side)
    _add_form(root, classes, column)
    ET.SubElement(root, "layerGeometryType").text = _POINT_LAYER
    ET.indent(root)
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{ET.tostring(root, encoding='unicode')}\n"


def _add_renderer(root: ET.Element, classes: ClassMap, column: str, pixel_side: float) -> None:
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr=column, enableorderby="0")
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    shown = [(str(entry.id), entry.name, entry.colour, "long") for entry in classes.classes]
    shown.append(("", "to label", _TO_LABEL, "string"))
    for number, (value, label, colour, kind) in enumerate(shown):
        ET.SubElement(categories, "category", render="true", symbol=str(number), value=value, label=label, type=kind)
        symbol = ET.SubElement(symbols, "symbol", type="marker", name=str(number), alpha="1", clip_to_extent="1")
        _add_outline(symbol, colour, {"name": "circle", "size": _RING_MM, "size_unit": "MM"})
        _add_outline(symbol, colour, {"name": "square", "size": repr(pixel_side), "size_unit": "MapUnit"})


def _add_outline(symbol: ET.Element, colour: str, shape: dict[str, str]) -> None:
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleMarker", "pass": "0", "locked": "0", "enabled": "1"})
    options = ET.SubElement(layer, "Option", type="Map")
    rgb = ",".join(str(value) for value in (*bytes.fromhex(colour[1:]), 255))
    look = {"color": "0,0,0,0", "outline_color": rgb, "outline_style": "solid", "outline_width": "0.6"}
    for key, value in (shape | look | {"outline_width_unit": "MM"}).items():
        ET.SubElement(options, "Option", type="QString", name=key, value=value)


def _add_form(root: ET.Element, classes: ClassMap, column: str) -> None:
    fields = ET.SubElement(root, "fieldConfiguration")
    field = ET.SubElement(fields, "field", name=column)
    config = ET.SubElement(ET.SubElement(field, "editWidget", type="ValueMap"), "config")
    choices = ET.SubElement(ET.SubElement(config, "Option", type="Map"), "Option", type="List", name="map")
    for entry in classes.classes:
        choice = ET.SubElement(choices, "Option", type="Map")
        ET.SubElement(choice, "Option", type="QString", name=entry.name, value=str(entry.id))
    comment = ET.SubElement(ET.SubElement(fields, "field", name="comment"), "editWidget", type="TextEdit")
    ET.SubElement(ET.SubElement(comment, "config"), "Option", type="Map")
    editable = ET.SubElement(root, "editable")
    for name, value in (("fid", "0"), ("point_id", "0"), (column, "1"), ("comment", "1")):
        ET.SubElement(editable, "field", name=name, editable=value)
