"""The STAC collection on top of the items of an archive. Reads the items, no rasters."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pystac
from pystac.extensions.classification import ClassificationExtension

from pipelines.archive.scenes import safe_name
from pipelines.written import read_json, write_json

COLLECTION = "collection.json"
"""Its file, in the output folder."""

_EVERYWHERE = (-180.0, -90.0, 180.0, 90.0)
_OWN_LINKS = ("root", "parent", "collection")
_CLASSIFICATION = ClassificationExtension.get_schema_uri()


def collection_id(output: Path) -> str:
    """Id of the collection of a folder: the one that it has, else the folder's name."""
    found = read_json(output / COLLECTION).get("id")
    return found if isinstance(found, str) and found else safe_name(output.resolve().name)


def join_collection(item: Path, *, name: str, output: Path, collection: str) -> None:
    """Make an item one of a collection: its id, and the links upwards that STAC asks for.

    Args:
        item: file of the item.
        name: its id in the collection.
        output: folder of the collection.
        collection: id of it.

    Raises:
        OutputError: if it cannot be written.
    """
    values = read_json(item)
    href = quote(Path(os.path.relpath(output / COLLECTION, item.parent)).as_posix())
    others = [link for link in values.get("links", []) if link.get("rel") not in _OWN_LINKS]
    upwards = [{"rel": rel, "href": href, "type": "application/json"} for rel in _OWN_LINKS]
    write_json(item, {**values, "id": name, "collection": collection, "links": [*others, *upwards]})


def write_collection(output: Path, entries: Sequence[Mapping[str, Any]], collection: str) -> Path:
    """Describe all maps of an archive together: extent in space and time, classes, and links to the items.

    Args:
        output: folder of the archive.
        entries: of the maps that are made, as in the report.
        collection: id.

    Returns:
        The file.

    Raises:
        OutputError: if it cannot be written.
    """
    files = [Path(entry["outputs"]["stac_item"]) for entry in entries]
    items = [read_json(file) for file in files]
    made = pystac.Collection(
        id=collection,
        title=f"Land cover of {collection}",
        description=f"Land cover of {len(items)} scenes, mapped by geoseg.",
        extent=pystac.Extent(_space(items), _time(items)),
        license="other",
        summaries=pystac.Summaries(_summaries(items, entries)),
        stac_extensions=[_CLASSIFICATION],
    )
    values = made.to_dict(include_self_link=False, transform_hrefs=False)
    links = [{"rel": "root", "href": f"./{COLLECTION}", "type": "application/json"}]
    links += [
        {
            "rel": "item",
            "href": quote(f"./{Path(os.path.relpath(file, output)).as_posix()}"),
            "type": "application/geo+json",
            "title": str(item.get("id", "")),
        }
        for file, item in zip(files, items, strict=True)
    ]
    path = output / COLLECTION
    write_json(path, {**values, "links": links})
    return path


def _space(items: Sequence[Mapping[str, Any]]) -> pystac.SpatialExtent:
    """Of all; once round the globe where an item crosses the antimeridian, or none has a place."""
    boxes = [item["bbox"] for item in items if item.get("bbox")]
    if not boxes:
        return pystac.SpatialExtent([list(_EVERYWHERE)])
    wests, souths, easts, norths = zip(*boxes, strict=True)
    is_cut = any(west > east for west, east in zip(wests, easts, strict=True))
    west, east = (_EVERYWHERE[0], _EVERYWHERE[2]) if is_cut else (min(wests), max(easts))
    return pystac.SpatialExtent([[west, min(souths), east, max(norths)]])


def _time(items: Sequence[Mapping[str, Any]]) -> pystac.TemporalExtent:
    told = [item.get("properties", {}) for item in items]
    keys = ("datetime", "start_datetime", "end_datetime")
    moments = sorted(datetime.fromisoformat(each[key]) for each in told for key in keys if each.get(key))
    span: list[datetime | None] = [moments[0], moments[-1]] if moments else [datetime.now(UTC), None]
    return pystac.TemporalExtent([span])


def _summaries(items: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Classes of all legends, what each covers, the models, and the pixel sizes from the least to the largest."""
    classes: dict[str, Any] = {}
    for item in items:
        for each in item.get("assets", {}).get("classes", {}).get("classification:classes", []):
            classes.setdefault(f"{each.get('value')} {each.get('name')}", each)
    sizes = sorted({each for item in items if (each := item.get("properties", {}).get("gsd"))})
    summaries = {
        "classification:classes": list(classes.values()),
        "geoseg:land_cover": _cover(entries),
        "geoseg:models": sorted({str(entry["model"]) for entry in entries}),
        "gsd": sizes,
    }
    return {key: values for key, values in summaries.items() if values}


def _cover(entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Pixels and ground of every class in all maps together; no ground where one of them has no CRS."""
    totals: dict[tuple[int, str], dict[str, Any]] = {}
    for entry in entries:
        for each in entry["classes"]:
            key = (each["class_id"], each["class_name"])
            total = totals.setdefault(key, {"value": key[0], "name": key[1], "pixels": 0, "area_m2": 0.0})
            total["pixels"] += each["pixels"]
            known = total["area_m2"] is not None and each["area_m2"] is not None
            total["area_m2"] = total["area_m2"] + each["area_m2"] if known else None
    return [totals[key] for key in sorted(totals)]
