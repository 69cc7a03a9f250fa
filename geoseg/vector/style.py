"""The styles with which QGIS draws the layers: names and colours of classes. Knows the legend, nothing else."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from geoseg.classes import ClassMap, LandCoverClass

_POINTS, _LINES, _POLYGONS = "0", "1", "2"
_DARK = "35,35,35,255"
_WHITE = "255,255,255,255"
_ANY = ""  # the category that QGIS gives all values that have no other


class _Symbol(NamedTuple):
    """How one category is drawn."""

    value: str
    label: str
    properties: Mapping[str, str]


class _Kind(NamedTuple):
    """How QGIS calls what draws one type of geometry."""

    geometry: str
    symbol: str
    layer: str


_FILL = _Kind(_POLYGONS, "fill", "SimpleFill")
_LINE = _Kind(_LINES, "line", "SimpleLine")
_MARKER = _Kind(_POINTS, "marker", "SimpleMarker")


def polygon_style(classes: ClassMap, column: str) -> str:
    """A QGIS style (QML) that draws polygons by class.

    Args:
        classes: the legend, in the order in which it is to be shown.
        column: the column with the class id.
    """
    plain = {"style": "solid", "outline_style": "no"}
    return _style(_FILL, column, (_of_class(entry, plain) for entry in classes.classes))


def footprint_style(classes: ClassMap, column: str) -> str:
    """A QGIS style that draws outlines by class: filled in its colour, with a dark edge."""
    edged = {"style": "solid", "outline_style": "solid", "outline_color": _DARK, "outline_width": "0.3"}
    return _style(_FILL, column, (_of_class(entry, edged) for entry in classes.classes))


def boundary_style(column: str) -> str:
    """A QGIS style that draws all lines alike: dark and thin.

    Args:
        column: any column.
    """
    thin = {"line_color": _DARK, "line_width": "0.26", "line_style": "solid", "joinstyle": "round"}
    return _style(_LINE, column, [_Symbol(_ANY, "boundary between two classes", thin)])


def review_style(classes: ClassMap, column: str) -> str:
    """A QGIS style that draws points by class: a disc in its colour with a white ring, to be seen on any ground."""
    disc = {"name": "circle", "size": "4", "outline_color": _WHITE, "outline_width": "0.8", "outline_style": "solid"}
    return _style(_MARKER, column, (_of_class(entry, disc) for entry in classes.classes))


def _of_class(entry: LandCoverClass, properties: Mapping[str, str]) -> _Symbol:
    colour = ",".join(str(value) for value in (*entry.rgb, 255))
    return _Symbol(str(entry.id), entry.name, {"color": colour, **properties})


def _style(kind: _Kind, column: str, entries: Iterable[_Symbol]) -> str:
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
    for number, entry in enumerate(entries):
        category = ET.SubElement(categories, "category", render="true", symbol=str(number), value=entry.value)
        category.set("label", entry.label)
        category.set("type", "string" if entry.value == _ANY else "long")
        _add_symbol(symbols, str(number), kind, entry.properties)
    ET.SubElement(root, "layerGeometryType").text = kind.geometry
    ET.indent(root)
    return f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{ET.tostring(root, encoding='unicode')}\n"


def _add_symbol(symbols: ET.Element, number: str, kind: _Kind, properties: Mapping[str, str]) -> None:
    symbol = ET.SubElement(symbols, "symbol", type=kind.symbol, name=number, alpha="1", clip_to_extent="1")
    layer = ET.SubElement(symbol, "layer", {"class": kind.layer, "pass": "0", "locked": "0", "enabled": "1"})
    options = ET.SubElement(layer, "Option", type="Map")
    for key, value in properties.items():
        ET.SubElement(options, "Option", type="QString", name=key, value=value)
    for key, value in properties.items():  # QGIS before 3.20 reads only these
        ET.SubElement(layer, "prop", k=key, v=value)
