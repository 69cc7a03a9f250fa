"""The legend that a class raster brings along: in the file, or beside it. Knows no pixels.

GDAL gathers names and colours from wherever a format keeps them; it tells all of it in its XML of virtual rasters.
"""

from __future__ import annotations

import colorsys
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rasterio.io import DatasetReader, MemoryFile
from rasterio.shutil import copy as gdal_copy

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.errors import one_line
from geoseg.raster.gdal import rasterio_errors
from geoseg.raster.opening import NOTHING, open_dataset
from geoseg.raster.reach import Reach
from geoseg.raster.sidecar import style_path

_NAME_TAG = re.compile(r"CLASS_(?P<id>\d+)")
_NAME_TITLE = re.compile(r"(class|category|land ?cover|label)?s?[ _]?(name|class|label|category)s?")
_VALUE_TITLE = re.compile(r"value|code|(class|category)?_?id")
_NAME_USE, _VALUE_USE = "2", "5"
_COLOUR_USES = ("6", "7", "8")
_LONGEST_NAME = 200
_BLACK = "#000000"
_GOLDEN = 0.618033988749895
_TONES = ((0.85, 0.9), (0.4, 0.95), (0.9, 0.55), (0.3, 0.65), (0.6, 0.8), (0.7, 0.35))


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLegend:
    """What a raster tells of its classes."""

    names: Mapping[int, str] = field(default_factory=dict)
    """Name by class id, as far as there are names; several classes may share one."""

    colours: Mapping[int, str] = field(default_factory=dict)
    """`#rrggbb` by class id, as far as there are colours; those of a colour table are of every value."""


def find_legend(path: Path, reach: Reach = NOTHING) -> FoundLegend:
    """Read names and colours of a class raster.

    Taken from its attribute table, its category names and colour table, the tags `CLASS_<id>` and the QGIS style
    beside it; what comes first wins. Its nodata value is no class.

    Args:
        path: of the raster.
        reach: what a VRT may point at besides what lies beside it or below.

    Raises:
        SceneError: if it cannot be read.
    """
    with open_dataset(str(path), reach=reach) as dataset:
        band = _virtual_band(path, dataset)
        tags = dataset.tags() | dataset.tags(1)
        nodata = dataset.nodata
    tagged = {int(key["id"]): name for key, name in _matched(tags) if key}
    style, table = _of_style(style_path(path)), _of_attribute_table(band)
    names = {**style.names, **tagged, **_category_names(band), **table.names}
    colours = {**style.colours, **_colour_table(band), **table.colours}
    return FoundLegend(
        names={
            value: one_line(name, longest=_LONGEST_NAME) for value, name in names.items() if _is_class(value, nodata)
        },
        colours={value: colour for value, colour in colours.items() if _is_class(value, nodata)},
    )


def legend_of(found: FoundLegend, present: Collection[int]) -> ClassMap:
    """The legend of a raster: the classes that it names and those that it holds, ascending by id.

    A class without a name is called `class 3`. Classes that share a name get their id behind it. A class without a
    colour gets one that differs from those of all others and hangs on its id only.

    Args:
        found: what the raster tells.
        present: class ids that occur in it.

    Raises:
        ConfigError: if there is no class at all.
    """
    ids = sorted({*found.names, *present})
    names = {id_: found.names.get(id_, f"class {id_}") for id_ in ids}
    shared = {name for name, count in Counter(names.values()).items() if count > 1}
    colours = [found.colours.get(id_, _BLACK) for id_ in ids]
    unset = _BLACK if colours.count(_BLACK) > 1 else None  # colour tables hold black where they were left empty
    return ClassMap.of(
        (
            id_,
            f"{name} ({id_})" if name in shared else name,
            distinct_colour(id_) if colour == unset or id_ not in found.colours else colour,
        )
        for (id_, name), colour in zip(names.items(), colours, strict=True)
    )


def distinct_colour(class_id: int) -> str:
    """A colour, `#rrggbb`, for a class that has none; every id has its own."""
    saturation, value = _TONES[class_id % len(_TONES)]
    darker = class_id // 100 / 20  # hues come close together again
    parts = colorsys.hsv_to_rgb(class_id * _GOLDEN % 1, saturation, value - darker)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def _virtual_band(path: Path, dataset: DatasetReader) -> ET.Element:
    """The first band as GDAL describes it."""
    with rasterio_errors(str(path)), MemoryFile(ext=".vrt") as memory:
        gdal_copy(dataset, memory.name, driver="VRT")
        root = ET.fromstring(memory.read().decode("utf-8"))  # noqa: S314 - GDAL's own
    band = root.find("VRTRasterBand")
    return ET.Element("VRTRasterBand") if band is None else band


def _matched(tags: Mapping[str, str]) -> list[tuple[re.Match[str] | None, str]]:
    return [(_NAME_TAG.fullmatch(key), name.strip()) for key, name in tags.items() if name.strip()]


def _is_class(value: int, nodata: float | None) -> bool:
    return 0 <= value < NODATA_ID and value != nodata


def _category_names(band: ET.Element) -> dict[int, str]:
    texts = [(each.text or "").strip() for each in band.iterfind("CategoryNames/Category")]
    return {value: text for value, text in enumerate(texts) if text}


def _colour_table(band: ET.Element) -> dict[int, str]:
    entries = [[int(each.get(part, "0")) for part in ("c1", "c2", "c3")] for each in band.iterfind("ColorTable/Entry")]
    return {value: _hex(entry) for value, entry in enumerate(entries)}


def _of_attribute_table(band: ET.Element) -> FoundLegend:
    table = band.find("GDALRasterAttributeTable")
    if table is None:
        return FoundLegend()
    columns = [_Column(each) for each in table.iterfind("FieldDefn")]
    rows = [[(cell.text or "").strip() for cell in row.iterfind("F")] for row in table.iterfind("Row")]
    rows = [row for row in rows if len(row) == len(columns)]
    at = _position(columns, _VALUE_USE, _VALUE_TITLE)
    values = [number if at is None else _whole(row[at]) for number, row in enumerate(rows)]
    named = _position(columns, _NAME_USE, _NAME_TITLE)
    names = {} if named is None else {value: row[named] for value, row in zip(values, rows, strict=True) if row[named]}
    return FoundLegend(names=names, colours=dict(zip(values, _colours_of(columns, rows), strict=False)))


def _colours_of(columns: list[_Column], rows: list[list[str]]) -> list[str]:
    """Colour of each row; none where the table has no red, green and blue."""
    places = [number for use in _COLOUR_USES for number, column in enumerate(columns) if column.use == use]
    return [_hex([_whole(row[place]) for place in places]) for row in rows if len(places) == len(_COLOUR_USES)]


class _Column:
    """A column of an attribute table."""

    def __init__(self, definition: ET.Element) -> None:
        self.title = (definition.findtext("Name") or "").strip().lower()
        self.use = definition.findtext("Usage") or ""


def _position(columns: list[_Column], use: str, title: re.Pattern[str]) -> int | None:
    """Where the column of a use stands, or that of such a title where no column has that use."""
    by_use = [number for number, column in enumerate(columns) if column.use == use]
    by_title = [number for number, column in enumerate(columns) if title.fullmatch(column.title)]
    return next(iter(by_use + by_title), None)


def _of_style(path: Path) -> FoundLegend:
    """The classes of a paletted QGIS style; nothing where there is none that can be read."""
    try:
        entries = list(ET.parse(path).getroot().iter("paletteEntry"))  # noqa: S314 - names and colours only
    except (OSError, ET.ParseError):
        return FoundLegend()
    known = [(_whole(each.get("value", "")), each) for each in entries]
    return FoundLegend(
        names={value: label for value, each in known if (label := each.get("label", "").strip())},
        colours={
            value: colour[:7] for value, each in known if re.match("#[0-9a-fA-F]{6}", colour := each.get("color", ""))
        },
    )


def _whole(text: str) -> int:
    """A whole number; -1, which is no class, where the text is another."""
    try:
        number = float(text)
    except ValueError:
        return -1
    return int(number) if number.is_integer() else -1


def _hex(parts: list[int]) -> str:
    return "#" + "".join(f"{min(max(part, 0), 255):02x}" for part in parts)
