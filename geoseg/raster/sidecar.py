"""Class names and colours beside a class raster, in the files that GDAL, QGIS and ArcGIS look for.

Names have no place inside a GeoTIFF, and its colour table always has 256 entries. Knows the legend and the pixel
counts, never the pixels.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from geoseg.classes import ClassMap, LandCoverClass
from geoseg.errors import OutputError

_INTEGER, _REAL, _STRING = ("Integer", 0), ("Real", 1), ("String", 2)

_COLUMNS = (
    ("Value", _INTEGER, ("MinMax", 5)),
    ("Count", _REAL, ("PixelCount", 1)),
    ("Class", _STRING, ("Name", 2)),
    ("R", _INTEGER, ("Red", 6)),
    ("G", _INTEGER, ("Green", 7)),
    ("B", _INTEGER, ("Blue", 8)),
    ("A", _INTEGER, ("Alpha", 9)),
)
"""Name, type and usage of each column, as GDAL numbers them; counts are reals: its integers have 32 bits."""


def sidecar_path(raster: Path) -> Path:
    """Where the names of a raster stand."""
    return raster.with_name(f"{raster.name}.aux.xml")


def write_class_sidecar(raster: Path, classes: ClassMap, counts: Mapping[int, int]) -> Path:
    """Write the names, colours and pixel counts of the classes beside their raster.

    What GDAL has already noted beside the raster, such as a CRS that fits into no GeoTIFF, is kept.

    Args:
        raster: the class raster.
        classes: its legend.
        counts: pixels by class id; a class that is not in it has none.

    Returns:
        The file that was written.

    Raises:
        OutputError: if it cannot be written.
    """
    path = sidecar_path(raster)
    try:
        root = ET.parse(path).getroot() if path.exists() else ET.Element("PAMDataset")  # noqa: S314 - GDAL's own
        for stale in root.findall("PAMRasterBand[@band='1']"):
            root.remove(stale)
        band = ET.SubElement(root, "PAMRasterBand", band="1")
        _add_category_names(band, classes)
        _add_attribute_table(band, classes, counts)
        ET.indent(root)
        path.write_bytes(ET.tostring(root, encoding="utf-8") + b"\n")
    except (OSError, ET.ParseError) as error:
        raise OutputError(f"{path}: cannot be written: {error}") from error
    return path


def style_path(raster: Path) -> Path:
    """Where QGIS looks for the style of a raster."""
    return raster.with_suffix(".qml")


def write_class_style(raster: Path, classes: ClassMap) -> Path:
    """Write a QGIS style beside a class raster, so that its legend shows the classes and nothing else.

    Args:
        raster: the class raster.
        classes: its legend, in the order in which it is to be shown.

    Returns:
        The file that was written.

    Raises:
        OutputError: if it cannot be written.
    """
    root = ET.Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for entry in classes.classes:
        ET.SubElement(palette, "paletteEntry", value=str(entry.id), label=entry.name, color=entry.colour, alpha="255")
    ET.indent(root)
    path = style_path(raster)
    try:
        path.write_bytes(ET.tostring(root, encoding="utf-8") + b"\n")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def _add_category_names(band: ET.Element, classes: ClassMap) -> None:
    """Names by value from 0; an empty name where a value is no class."""
    names = dict(zip(classes.ids, classes.names, strict=True))
    categories = ET.SubElement(band, "CategoryNames")
    for value in range(max(names) + 1):
        ET.SubElement(categories, "Category").text = names.get(value, "")


def _add_attribute_table(band: ET.Element, classes: ClassMap, counts: Mapping[int, int]) -> None:
    table = ET.SubElement(band, "GDALRasterAttributeTable", tableType="thematic")
    for index, (name, (type_name, type_number), (usage, usage_number)) in enumerate(_COLUMNS):
        column = ET.SubElement(table, "FieldDefn", index=str(index))
        ET.SubElement(column, "Name").text = name
        ET.SubElement(column, "Type", typeAsString=type_name).text = str(type_number)
        ET.SubElement(column, "Usage", usageAsString=usage).text = str(usage_number)
    for index, entry in enumerate(sorted(classes.classes, key=_by_id)):
        row = ET.SubElement(table, "Row", index=str(index))
        for value in (entry.id, counts.get(entry.id, 0), entry.name, *entry.rgb, 255):
            ET.SubElement(row, "F").text = str(value)


def _by_id(entry: LandCoverClass) -> int:
    return entry.id
