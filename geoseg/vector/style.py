"""The style with which QGIS draws polygons: a colour and a name for each class. Knows the legend, nothing else."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from geoseg.classes import ClassMap, LandCoverClass

_POLYGON_LAYER = "2"


def polygon_style(classes: ClassMap, column: str) -> str:
    """A QGIS style (QML) that draws polygons by class.

    Args:
        classes: the legend, in the order in which it is to be shown.
        column: the column with the class id.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(
        root,
        "renderer-v2",
        type="categorizedSymbol",
        attr=column,
        enableorderby="0",
        forceraster="0",
        symbollevels="0",
    )
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for number, entry in enumerate(classes.classes):
        ET.SubElement(
            categories,
            "category",
            render="true",
            symbol=str(number),
            value=str(entry.id),
            label=entry.name,
            type="long",
        )
        _add_symbol(symbols, str(number), entry)
    ET.SubElement(root, "layerGeometryType").text = _POLYGON_LAYER
    ET.indent(root)
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{ET.tostring(root, encoding='unicode')}\n"


def _add_symbol(symbols: ET.Element, number: str, entry: LandCoverClass) -> None:
    symbol = ET.SubElement(symbols, "symbol", type="fill", name=number, alpha="1", clip_to_extent="1")
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "pass": "0", "locked": "0", "enabled": "1"})
    colour = ",".join(str(value) for value in (*entry.rgb, 255))
    properties = {"color": colour, "style": "solid", "outline_style": "no"}
    options = ET.SubElement(layer, "Option", type="Map")
    for key, value in properties.items():
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
    for key, value in properties.items():  # QGIS before 3.20 reads only these
        ET.SubElement(layer, "prop", k=key, v=value)
