"""The layers of one scene as a STAC item. Knows file names, grid and legend; reads files only to measure them.

Extensions: projection, raster, classification, file and processing; the model is linked as those of the machine
learning model extension (MLM) advise.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pyproj
import pystac
import shapely
from pystac.extensions.classification import Classification, ClassificationExtension
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import DataType, RasterBand, RasterExtension, Sampling

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.errors import OutputError
from geoseg.georef import GeoRef
from geoseg.stac.footprint import footprint_of

SCENE_TITLE = "The scene"
"""Title of the link to the scene."""

SUFFIX = ".stac.json"
"""An item is called as its scene, with this behind."""

RECORD_SUFFIX = ".run.json"
"""The record of a run is called as the scene, with this behind."""

_PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"
_SHA256 = "1220"  # how a multihash of 32 bytes of SHA-256 begins
_PIECE = 2**20
_ELSEWHERE = re.compile(r"/vsi|[A-Za-z][\w+.-]+:")
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_TYPES = {
    ".tif": _COG,
    ".gpkg": "application/geopackage+sqlite3",
    ".parquet": "application/vnd.apache.parquet",
    ".fgb": "application/vnd.flatgeobuf",
    ".qml": "application/xml",
    ".xml": "application/xml",
    ".csv": "text/csv",
    ".json": "application/json",
}
_TITLES = {
    "classes": "Class ids",
    "confidence": "Confidence: probability of the class, per cent",
    "probabilities": "Probability of every class, per cent",
    "polygons": "Polygons of land cover",
    "style": "Style of the class raster for QGIS",
    "names": "Names of the classes for GDAL",
}
_WITH_CLASSES = ("classes", "polygons")
_BANDS = {"classes": None, "confidence": "%", "probabilities": "%"}
_NO_DATE = "The scene does not tell when it was taken; datetime is when it was processed."


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLink:
    """The model that a map was made with."""

    name: str
    """As in its card."""

    href: str
    """Of its `model.json`, which is a STAC item of the MLM extension."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFacts:
    """What an item says beside its files."""

    id: str
    """Stem of the scene."""

    grid: GeoRef
    """Of the rasters, or of the raster that the polygons were made of."""

    classes: ClassMap
    """The legend."""

    created: datetime
    """When the layers were made, with a time zone."""

    software: Mapping[str, str]
    """Versions by name; the first is what made the layers."""

    lineage: str
    """How the layers came about, a sentence or two."""

    acquired: datetime | tuple[datetime, datetime] | None = None
    """When the scene was taken, or from when to when; with time zones. None where it does not tell."""

    scene: str | None = None
    """Reference to the scene, as `href_of` gives it."""

    class_raster: str | None = None
    """Reference to the class raster where only polygons were made of it."""

    model: ModelLink | None = None
    """The model, if known."""

    run_record: str | None = None
    """Name of the record of the run, a file beside the layers; it is written after the item."""

    properties: Mapping[str, object] = field(default_factory=dict)
    """Further properties, plain values."""


def stac_item(facts: ItemFacts, files: Mapping[str, Path]) -> pystac.Item:
    """Describe layers that lie in one folder, with the item among them.

    Without a CRS there is no geometry and no projection. Where the scene does not tell when it was taken, the item's
    time is that of the processing, and its description says so.

    Args:
        facts: what cannot be read from the files.
        files: the layers, by the key that each gets: `classes`, `confidence`, `probabilities`, `polygons`, `style`,
            `names`, or another; they exist, perhaps in a folder of their own for the time being.

    Raises:
        OutputError: if a file cannot be read.
    """
    footprint = footprint_of(facts.grid)
    moment, start, end = _time(facts)
    item = pystac.Item(
        id=facts.id,
        geometry=None if footprint is None else json.loads(shapely.to_geojson(footprint.geometry)),
        bbox=None if footprint is None else list(footprint.bbox),
        properties=_properties(facts),
        stac_extensions=[_PROCESSING],
        datetime=moment,
        start_datetime=start,
        end_datetime=end,
    )
    if facts.grid.crs is not None:
        _add_projection(item, facts.grid, facts.grid.crs)
    for key, path in files.items():
        add_layer(item, key, path, facts)
    if facts.run_record is not None:
        item.add_asset("run", _record_asset(facts.run_record))
    item.add_links(_links(facts))
    return item


def write_stac_item(path: Path, facts: ItemFacts, files: Mapping[str, Path]) -> Path:
    """Write the item of layers as a file beside them.

    Args:
        path: the file; one that is there is replaced.
        facts: see `stac_item`.
        files: see `stac_item`.

    Returns:
        The file.

    Raises:
        OutputError: if a layer cannot be read or the item not be written.
    """
    return save_item(path, stac_item(facts, files))


def save_item(path: Path, item: pystac.Item) -> Path:
    """Write an item as it is.

    Raises:
        OutputError: if it cannot be written.
    """
    plain = item.to_dict(include_self_link=False, transform_hrefs=False)
    text = json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def href_of(target: str | Path, folder: Path) -> str:
    """Reference to a file from an item in a folder: relative where both are files here, else as it is.

    Args:
        target: a file, an address, or a path that only GDAL knows.
        folder: where the item will stand.
    """
    text = str(target)
    if _ELSEWHERE.match(text):
        return text.removeprefix("/vsicurl/")
    try:
        relative = Path(os.path.relpath(Path(text).resolve(), folder.resolve()))
    except ValueError:  # on another drive
        return Path(text).resolve().as_uri()
    return quote(relative.as_posix())


def _time(facts: ItemFacts) -> tuple[datetime | None, datetime | None, datetime | None]:
    """The moment, or from when to when."""
    if isinstance(facts.acquired, tuple):
        start, end = facts.acquired
        return None, _utc(start), _utc(end)
    return _utc(facts.acquired or facts.created), None, None


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _properties(facts: ItemFacts) -> dict[str, object]:
    gsd = facts.grid.gsd
    return {
        "title": f"Land cover of {facts.id}",
        **({"description": _NO_DATE} if facts.acquired is None else {}),
        "created": pystac.utils.datetime_to_str(_utc(facts.created)),
        **({"gsd": gsd} if gsd is not None else {}),
        "processing:level": "L4",
        "processing:lineage": facts.lineage,
        "processing:software": dict(facts.software),
        "processing:version": next(iter(facts.software.values())),
        **({"processing:expression": _expression(facts.model)} if facts.model is not None else {}),
        **facts.properties,
    }


def _expression(model: ModelLink) -> dict[str, str]:
    return {"format": "stac-mlm", "expression": model.href}


def _add_projection(item: pystac.Item, grid: GeoRef, crs: str) -> None:
    authority = pyproj.CRS.from_wkt(crs).to_authority(min_confidence=100)
    corners = [grid.transform @ at for at in ((0, 0), (grid.width, 0), (0, grid.height), (grid.width, grid.height))]
    xs, ys = zip(*corners, strict=True)
    ProjectionExtension.ext(item, add_if_missing=True).apply(
        code=None if authority is None else ":".join(authority),
        wkt2=crs if authority is None else None,
        bbox=[min(xs), min(ys), max(xs), max(ys)],
        shape=[grid.height, grid.width],
        transform=list(grid.transform)[:6],
    )


def add_layer(item: pystac.Item, key: str, path: Path, facts: ItemFacts) -> None:
    """Add one layer to an item, in place of the one that has its key.

    Args:
        item: what it belongs to.
        key: see `stac_item`.
        path: the layer.
        facts: grid and legend are used.

    Raises:
        OutputError: if the file cannot be read.
    """
    is_data = path.suffix not in {".qml", ".xml"}
    asset = pystac.Asset(
        href=f"./{quote(path.name)}",
        title=_TITLES.get(key, key),
        media_type=_TYPES.get(path.suffix.lower()),
        roles=["data"] if is_data else ["metadata"],
    )
    item.add_asset(key, asset)
    size, checksum = _measured(path)
    FileExtension.ext(asset, add_if_missing=True).apply(size=size, checksum=checksum)
    if key in _BANDS:
        _add_bands(asset, _BANDS[key], facts)
    if key in _WITH_CLASSES:
        listed = _classifications(facts.classes)
        classes = listed if key in _BANDS else listed[:-1]  # polygons are of ground that has a class
        ClassificationExtension.ext(asset, add_if_missing=True).apply(classes=classes)


def _record_asset(name: str) -> pystac.Asset:
    """Without size and checksum: it holds what the item took too."""
    return pystac.Asset(
        href=f"./{quote(name)}", title="How the layers were made", media_type=_TYPES[".json"], roles=["metadata"]
    )


def _add_bands(asset: pystac.Asset, unit: str | None, facts: ItemFacts) -> None:
    names = facts.classes.names if asset.title == _TITLES["probabilities"] else (asset.title,)
    band = RasterBand.create(
        nodata=NODATA_ID,
        sampling=Sampling.AREA,
        data_type=DataType.UINT8,
        spatial_resolution=facts.grid.gsd,
        unit=unit,
    )
    RasterExtension.ext(asset, add_if_missing=True).apply([band] * len(names))
    asset.extra_fields["bands"] = [{"name": name} for name in names]


def _classifications(classes: ClassMap) -> list[Classification]:
    """Classes under names of letters, digits, - and _ only; nodata is the last."""
    names: dict[str, int] = {}
    for entry in classes.classes:
        name = re.sub(r"[^0-9A-Za-z_-]+", "_", entry.name).strip("_") or f"class_{entry.id}"
        names[name if name not in {*names, "nodata"} else f"{name}_{entry.id}"] = entry.id
    listed = [
        Classification.create(value=entry.id, name=name, title=entry.name, color_hint=entry.colour[1:].upper())
        for entry, name in zip(classes.classes, names, strict=True)
    ]
    return [*listed, Classification.create(value=NODATA_ID, name="nodata", title="No data", nodata=True)]


def _measured(path: Path) -> tuple[int, str]:
    """Bytes of a file and their SHA-256 as a multihash."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}") from error
    return size, _SHA256 + digest.hexdigest()


def _links(facts: ItemFacts) -> list[pystac.Link]:
    links = []
    for title, target in ((SCENE_TITLE, facts.scene), ("The class raster", facts.class_raster)):
        if target is not None:
            links.append(pystac.Link(rel="derived_from", target=target, title=title))
    if facts.model is not None:
        links.append(
            pystac.Link(
                rel="derived_from",
                target=facts.model.href,
                media_type="application/geo+json",
                title="The model",
                extra_fields={"mlm:name": facts.model.name, "processing:level": "L4"},
            )
        )
    return links
