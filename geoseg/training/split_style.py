"""How QGIS shows the ground of a training run: a colour for each split. Knows no files."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from geoseg.data.splits import SPLITS

_POLYGON_LAYER = "2"
_LOOKS = {"train": ("to learn from", "#1b9e77"), "val": ("to choose by", "#e6ab02"), "test": ("only scored", "#d01c8b")}
_FILL_ALPHA = 60


def split_style(column: str) -> str:
    """A QGIS style (QML) that draws polygons by split: outlined, and filled so lightly that imagery shows through.

    Args:
        column: the column with the name of the split.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = ET.SubElement(root, "renderer-v2", type="categorizedSymbol", attr=column, enableorderby="0")
    categories = ET.SubElement(renderer, "categories")
    symbols = ET.SubElement(renderer, "symbols")
    for number, split in enumerate(SPLITS):
        what, colour = _LOOKS[split]
        label, symbol = f"{split}: {what}", str(number)
        ET.SubElement(categories, "category", render="true", symbol=symbol, value=split, label=label, type="string")
        _add_symbol(symbols, symbol, colour)
    ET.SubElement(root, "layerGeometryType").text = _POLYGON_LAYER
    ET.indent(root)
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{ET.tostring(root, encoding='unicode')}\n"


def _add_symbol(symbols: ET.Element, name: str, colour: str) -> None:
    symbol = ET.SubElement(symbols, "symbol", type="fill", name=name, alpha="1", clip_to_extent="1")
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "pass": "0", "locked": "0", "enabled": "1"})
    rgb = ",".join(str(value) for value in bytes.fromhex(colour[1:]))
    look = {"color": f"{rgb},{_FILL_ALPHA}", "style": "solid", "outline_style": "solid"}
    look |= {"outline_color": f"{rgb},255", "outline_width": "0.6", "outline_width_unit": "MM"}
    options = ET.SubElement(layer, "Option", type="Map")
    for key, value in look.items():
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
    for key, value in look.items():  # QGIS before 3.20 reads only these
        ET.SubElement(layer, "prop", k=key, v=value)
