"""Vector files as geometries with one value each. Knows no grid and no classes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyogrio
import pyproj
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, GeometryError

from geoseg.errors import LabelError

log = logging.getLogger(__name__)

_PARQUET = (".parquet", ".geoparquet")
_SQLITE, _TEXT = (b"SQLite format 3\0",), (b"{", b"[", b"<")
_SIGNATURES: dict[str, tuple[bytes, ...]] = {
    ".gpkg": _SQLITE,
    ".sqlite": _SQLITE,
    ".shp": (b"\0\0\x27\x0a",),
    ".fgb": (b"fgb",),
}
_SIGNATURES |= {".geojson": _TEXT[:2], ".json": _TEXT[:2], ".gml": _TEXT[2:], ".kml": _TEXT[2:]}
"""What a file of an ending begins with: GDAL goes by the contents, whatever the name says."""

_ELSEWHERE = (b"<OGRVRT", b"<OGRWFS", b"<GDAL", b"<OWSContext", b"<VRTDataset")
"""Begins descriptions of files and hosts that GDAL would go on to read."""

_LOOKED_AT = 65_536
_MOST_REMARKS = 5
_VECTOR = (*_PARQUET, ".gpkg", ".geojson", ".json", ".shp", ".fgb", ".gml", ".kml", ".sqlite")
EVERY = "*"
"""In place of an attribute: every feature has this one value."""

_UNREADABLE = (
    DataSourceError,
    DataLayerError,
    FeatureError,
    GeometryError,
    shapely.errors.ShapelyError,
    pa.ArrowException,
    OSError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """The features of a layer that have a geometry, in the order of the file."""

    geometries: NDArray[np.object_]
    """(features,) shapely geometries, none of them empty."""

    values: tuple[object, ...]
    """Value of the attribute of each; None where it is null."""

    crs: str | None
    """Well-known text (WKT 2), or None where the layer has none."""


def is_vector_file(path: Path) -> bool:
    """Whether a file is taken for a vector layer, by its ending."""
    return path.suffix.lower() in _VECTOR


def read_features(path: Path, *, layer: str | None, attribute: str | None) -> Features:
    """Read a layer of GeoPackage, GeoJSON, Shapefile, GeoParquet or what else GDAL opens as vectors.

    Args:
        path: the file.
        layer: its layer; None where it has only one with geometries.
        attribute: the column to take the values from; `*` for the value `*` everywhere.

    Raises:
        LabelError: if the file cannot be read, the layer or the attribute is missing (it lists those there), or no
            feature has a geometry.
    """
    if not path.exists():
        raise LabelError(f"{path}: no such file")
    is_parquet = path.suffix.lower() in _PARQUET
    try:
        refuse_disguised(path)
        with _remarks_logged(path):
            table = _read_parquet(path) if is_parquet else _read_layer(path, _layer_of(path, layer), attribute)
    except _UNREADABLE as error:
        raise LabelError(f"{path}: cannot be read as a vector layer: {' '.join(str(error).split())}") from error
    _require_attribute(path, [str(name) for name in table.columns if name != table.geometry.name], attribute)
    table = table[~(table.geometry.isna() | table.geometry.is_empty)]
    if table.empty:
        raise LabelError(f"{path}: holds no feature with a geometry")
    return Features(
        geometries=np.asarray(table.geometry.to_numpy(), dtype=object),
        values=(EVERY,) * len(table) if attribute == EVERY else tuple(_plain(value) for value in table[attribute]),
        crs=None if table.crs is None else pyproj.CRS(table.crs).to_wkt(),
    )


def refuse_disguised(path: Path) -> None:
    """Refuse a file whose contents are of another format than its name says, or point to other files or hosts.

    Raises:
        LabelError: if they are or do.
        OSError: if it cannot be read.
    """
    if path.is_dir():
        return
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
    signatures = _SIGNATURES.get(path.suffix.lower(), ())
    if signatures and not head.startswith(signatures):
        raise LabelError(f"{path}: cannot be read: its contents are no {path.suffix}")
    if any(each in head for each in _ELSEWHERE):
        raise LabelError(f"{path}: cannot be read: it points to other files: give those")


@contextmanager
def _remarks_logged(path: Path) -> Iterator[None]:
    """What GDAL says of features that it cannot read well becomes lines of the log, each once."""
    with warnings.catch_warnings(record=True) as remarks:
        warnings.simplefilter("always")
        yield
    for text in list(dict.fromkeys(str(remark.message) for remark in remarks))[:_MOST_REMARKS]:
        log.warning("%s: %s", path, text)


def _read_parquet(path: Path) -> geopandas.GeoDataFrame:
    return geopandas.read_parquet(path)


def _read_layer(path: Path, layer: str, attribute: str | None) -> geopandas.GeoDataFrame:
    fields = [str(name) for name in pyogrio.read_info(path, layer=layer)["fields"]]
    _require_attribute(path, fields, attribute)
    return pyogrio.read_dataframe(path, layer=layer, columns=[] if attribute == EVERY else [attribute])


def _layer_of(path: Path, wanted: str | None) -> str:
    layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    if wanted is not None and wanted not in layers:
        raise LabelError(f"{path}: has no layer {wanted!r}: it has {', '.join(layers) or 'none with geometries'}")
    if wanted is None and len(layers) != 1:
        have = f"several layers: name one of {', '.join(layers)}" if layers else "no layer with geometries"
        raise LabelError(f"{path}: has {have}")
    return wanted or layers[0]


def _require_attribute(path: Path, there: Sequence[str], attribute: str | None) -> None:
    if attribute != EVERY and (attribute is None or attribute not in there):
        what = "no attribute was named" if attribute is None else f"has no attribute {attribute!r}"
        raise LabelError(f"{path}: {what}: its attributes are {', '.join(there) or 'none'}")


def _plain(value: Any) -> object:  # noqa: ANN401 - a cell of a table
    if value is None or bool(pd.isna(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
