"""Two maps of the same ground on one grid, with the classes of both by one number. Knows nothing of changes.

A map is a class raster, or polygons that geoseg made of one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyogrio
import pyproj
from affine import Affine
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.errors import LabelError
from geoseg.evaluation.class_raster import ClassRaster, open_class_raster
from geoseg.georef import GeoRef
from geoseg.raster.burn import BurnedLayer
from geoseg.raster.features import is_vector_file, read_features
from geoseg.raster.legend import distinct_colour, find_legend
from geoseg.raster.reach import Reach
from geoseg.window import Window

log = logging.getLogger(__name__)

GRID_KEY = "grid"
"""Key in the table `run` of a GeoPackage: the grid of the raster that its polygons were made of, as JSON."""

_LAYER = "landcover"
_NAME = "class_name"
_Read = Callable[[Window], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapPair:
    """Two maps on one grid."""

    grid: GeoRef
    """Of both."""

    names: tuple[str, ...]
    """Names of all classes of both, by their numbers."""

    colours: tuple[str, ...]
    """`#rrggbb` of each."""

    before: Callable[[Window], NDArray[np.uint16]]
    """Class numbers (height, width) of a window of the first map; `len(names)` is nodata."""

    after: Callable[[Window], NDArray[np.uint16]]
    """The same of the second."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Map:
    """One map: its ids are its own."""

    path: Path
    read: _Read
    names: Mapping[int, str] = field(default_factory=dict)
    colours: Mapping[int, str] = field(default_factory=dict)


@contextmanager
def open_map_pair(before: Path, after: Path, *, allow: Sequence[str] = ()) -> Iterator[MapPair]:
    """Open two maps, pixel by pixel on the grid of the first one that is a raster.

    A raster on another grid or in another CRS is read by its nearest pixel; polygons cover the pixels whose centre lies
    inside. Classes are the same where their names are, whatever their ids and whether or not they are capitalised. A
    raster that names no class has the names of the other one.

    Args:
        before: a class raster, or polygons of geoseg.
        after: another one.
        allow: files, folders and hosts that a VRT may point at besides what lies beside it or below.

    Raises:
        LabelError: if a map cannot be read or is none of geoseg, if the two lie apart or have no class in common, or if
            both are polygons and neither file tells the grid.
        SceneError: if a raster cannot be read.
    """
    with ExitStack() as stack:
        paths, reach = (before, after), Reach.of(allow)
        opened = [
            None if is_vector_file(path) else stack.enter_context(open_class_raster(path, allow=allow))
            for path in paths
        ]
        first = next((raster for raster in opened if raster is not None), None)
        grid = _recorded_grid(paths) if first is None else first.georef
        maps = [
            _vector_map(path, grid) if raster is None or first is None else _raster_map(raster, first, stack, reach)
            for path, raster in zip(paths, opened, strict=True)
        ]
        yield _matched(*_named_alike(*maps), grid)


def _raster_map(raster: ClassRaster, first: ClassRaster, stack: ExitStack, reach: Reach) -> _Map:
    found = find_legend(raster.path, reach)
    on_grid = stack.enter_context(raster.on_grid_of(first))
    if on_grid is not raster:
        log.warning("%s: lies on another grid: it is read by its nearest pixel on that of %s", raster.path, first.path)
    return _Map(path=raster.path, read=on_grid.read, names=found.names, colours=found.colours)


def _vector_map(path: Path, grid: GeoRef) -> _Map:
    features = read_features(path, layer=_LAYER if path.suffix.lower() == ".gpkg" else None, attribute=_NAME)
    told = _rows(path, "SELECT class_name, colour FROM class_summary ORDER BY class_id")
    colours = {str(name): str(colour) for name, colour in told}
    held = {str(value) for value in features.values if value is not None}
    names = [*(name for name in colours if name in held), *sorted(held - colours.keys())]
    if len(names) > NODATA_ID:
        raise LabelError(f"{path}: has {len(names)} classes: at most {NODATA_ID} can be told apart")
    numbers = {name: number for number, name in enumerate(names)}
    values = [NODATA_ID if value is None else numbers[str(value)] for value in features.values]
    try:
        layer = BurnedLayer(features.geometries, values, grid, outside=NODATA_ID, crs=features.crs)
    except LabelError as error:
        raise LabelError(f"{path}: {error}") from error
    if layer.is_empty:
        raise LabelError(f"{path}: lies apart from the other map: give maps of the same place")
    known = {number: colours[name] for name, number in numbers.items() if name in colours}
    return _Map(path=path, read=layer.read, names=dict(enumerate(names)), colours=known)


def _named_alike(before: _Map, after: _Map) -> tuple[_Map, _Map]:
    """The maps, with names for the one that has none where it is a raster."""
    if bool(before.names) == bool(after.names):
        return before, after
    bare, named = (after, before) if before.names else (before, after)
    if is_vector_file(named.path):  # its ids are not those of a raster
        ids = {
            int(str(id_)): str(name)
            for id_, name in _rows(named.path, "SELECT class_id, class_name FROM class_summary")
        }
    else:
        ids = dict(named.names)
    log.warning("%s: names no classes: they are matched with those of %s by their ids", bare.path, named.path)
    filled = _Map(path=bare.path, read=bare.read, names=ids, colours=bare.colours)
    return (before, filled) if before.names else (filled, after)


def _matched(before: _Map, after: _Map, grid: GeoRef) -> MapPair:
    """One number for each name."""
    names: dict[str, str] = {}
    colours: dict[str, str] = {}
    for each in (before, after):
        for class_id in range(NODATA_ID):
            name = _name(each, class_id)
            names.setdefault(_key(name), name)
            if class_id in each.names and class_id in each.colours:
                colours.setdefault(_key(name), each.colours[class_id])
    keys = {key: number for number, key in enumerate(names)}
    _say_what_differs(before, after)
    return MapPair(
        grid=grid,
        names=tuple(names.values()),
        colours=tuple(colours.get(key) or distinct_colour(number) for key, number in keys.items()),
        before=_numbered(before, keys),
        after=_numbered(after, keys),
    )


def _numbered(each: _Map, keys: Mapping[str, int]) -> Callable[[Window], NDArray[np.uint16]]:
    numbers = [keys[_key(_name(each, class_id))] for class_id in range(NODATA_ID)]
    table = np.array([*numbers, len(keys)], dtype=np.uint16)
    return lambda window: table[each.read(window)]


def _name(each: _Map, class_id: int) -> str:
    return each.names.get(class_id, f"class {class_id}")


def _key(name: str) -> str:
    return name.strip().casefold()


def _say_what_differs(before: _Map, after: _Map) -> None:
    here, there = ({_key(name): name for name in each.names.values()} for each in (before, after))
    if not here or not there:
        return
    if here.keys().isdisjoint(there):
        raise LabelError(
            f"{before.path} and {after.path} have no class in common ({', '.join(here.values())}; "
            f"{', '.join(there.values())}): give maps of one legend"
        )
    for path, own, others in ((before.path, here, there), (after.path, there, here)):
        alone = [name for key, name in own.items() if key not in others]
        if alone:
            log.warning("%s: only this map has the classes %s", path, ", ".join(alone))


def _recorded_grid(paths: Sequence[Path]) -> GeoRef:
    """The grid that polygons were made on, as one of their files tells it.

    Raises:
        LabelError: if none does.
    """
    for path in paths:
        for (text,) in _rows(path, f"SELECT value FROM run WHERE key = '{GRID_KEY}'"):  # noqa: S608 - no user's text
            with contextlib.suppress(ValueError, KeyError, TypeError, OverflowError, RecursionError):
                told = json.loads(str(text))
                crs = pyogrio.read_info(path, layer=_LAYER)["crs"]
                return GeoRef(
                    crs=None if crs is None else pyproj.CRS(crs).to_wkt(),
                    transform=Affine(*told["transform"]),
                    height=int(told["height"]),
                    width=int(told["width"]),
                )
    raise LabelError(
        f"{paths[0]} and {paths[1]}: neither tells the grid that it was made on: give the class raster of one of them"
    )


def _rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What a query finds in a GeoPackage; nothing where it is another file or has no such table."""
    if path.suffix.lower() != ".gpkg":
        return []
    try:
        address = f"file:{quote(str(path.resolve()))}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            return database.execute(query).fetchall()
    except sqlite3.Error:
        return []
