"""STAC items as scenes: which of their assets are bands, and what their numbers mean. Opens no raster."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from geoseg.errors import SceneError
from geoseg.raster.band_files import BandFile
from geoseg.raster.bands import FileBand, common_name
from geoseg.raster.opening import read_text
from geoseg.raster.reach import file_of_href, resolved
from geoseg.raster.remote import without_secrets
from geoseg.raster.scaling import Declared

_Object = Mapping[str, Any]
_RASTER = re.compile(r"image/(tiff|jp2|x?-?geotiff|vnd\.stac\.geotiff)|application/geotiff", re.IGNORECASE)
_ENDING = re.compile(r"\.(tiff?|jp2)$", re.IGNORECASE)
_PICTURES = {"thumbnail", "overview", "visual", "preview", "rendered_preview", "tilejson", "tci", "browse"}
_CODE = re.compile(r"(?:SR_)?B(?:\d{1,2}|8A)", re.IGNORECASE)
_SIZE_IN_KEY = re.compile(r"[_-](\d{2})m$", re.IGNORECASE)
_BASELINES = ("s2:processing_baseline", "processing:version", "sentinel:processing_baseline")
_OFFSET_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_SENTINEL_2 = Declared((1e-4,), (-0.1,))
_FIRST_BASELINE_WITH_OFFSET = 4.0
_FAR = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneItem:
    """A STAC item that describes a scene."""

    bands: tuple[BandFile, ...]
    """Its bands, and the rasters that can mask them (as alpha); paths are not looked at yet."""

    acquired: datetime | None
    """When it was taken."""

    remarks: tuple[str, ...]
    """What had to be assumed."""


def read_scene_item(path: str) -> SceneItem:
    """The bands of an item.

    Args:
        path: of the JSON file, or its address.

    Raises:
        SceneError: if it is no item or has no bands.
    """
    item = _object(_json(path), "item", path)
    if item.get("type") != "Feature" or "assets" not in item:
        raise SceneError(f"{without_secrets(path)}: is no STAC item (no Feature with assets): give an item or a raster")
    properties = _object(item.get("properties") or {}, "properties", path)
    candidates = [
        each
        for key, asset in _object(item["assets"], "assets", path).items()
        for each in _bands_of(str(key), _object(asset, f"asset {key}", path))
    ]
    offset_assumed = _offset_is_missing(properties, candidates)
    chosen = _finest(candidates)
    if not any(not each.is_quality for each in chosen):
        raise SceneError(f"{without_secrets(path)}: the item has no assets with spectral bands: give one with data")
    files = tuple(
        _band_file(number, each, path, _meant(each, properties, assumed=offset_assumed))
        for number, each in enumerate(chosen, start=1)
    )
    told = "numbers taken to have the offset of Sentinel-2's processing baseline 04.00 on (-1000)"
    return SceneItem(bands=files, acquired=_acquired(properties), remarks=(told,) if offset_assumed else ())


def is_item(path: str) -> bool:
    """Whether a JSON file is a STAC item."""
    try:
        item = _json(path)
    except SceneError:
        return False
    return isinstance(item, dict) and item.get("type") == "Feature" and "stac_version" in item and "assets" in item


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """One band of an asset."""

    key: str
    href: str
    index: int
    name: str
    common: str | None
    gsd: float
    is_plain: bool
    """True where it is the asset's only band, in TIFF."""
    declared: Declared | None
    nodata: float | None
    label: str = ""
    """What it is called among all."""

    @property
    def is_quality(self) -> bool:
        """True where it says what a pixel is, not what it looks like."""
        return self.common is None and not _CODE.fullmatch(self.name)


def _bands_of(key: str, asset: _Object) -> list[_Candidate]:
    href, roles = asset.get("href"), {str(role).lower() for role in asset.get("roles") or ()}
    kind = str(asset.get("type") or "")
    is_raster = bool(_RASTER.match(kind) or (not kind and isinstance(href, str) and _ENDING.search(href.split("?")[0])))
    if not isinstance(href, str) or not is_raster or roles & _PICTURES or key.lower() in _PICTURES:
        return []
    merged = _merged_bands(asset)
    return [_candidate(key, href, asset, band, place, len(merged)) for place, band in enumerate(merged, start=1)]


def _merged_bands(asset: _Object) -> list[_Object]:
    """Bands of an asset as STAC 1.1 has them; before, their parts stood in two lists."""
    named, stored = asset.get("bands") or asset.get("eo:bands") or [], asset.get("raster:bands") or []
    if not isinstance(named, list) or not isinstance(stored, list):
        return [{}]
    count = max(len(named), len(stored), 1)
    parts = [[each[place] if place < len(each) else {} for place in range(count)] for each in (stored, named)]
    return [
        {**first, **second} if isinstance(first, dict) and isinstance(second, dict) else {}
        for first, second in zip(*parts, strict=True)
    ]


def _candidate(key: str, href: str, asset: _Object, band: _Object, place: int, count: int) -> _Candidate:
    common = band.get("eo:common_name") or band.get("common_name")
    name = str(band.get("name") or key)
    code = next((text for text in (_SIZE_IN_KEY.sub("", key), name) if _CODE.fullmatch(text)), None)
    return _Candidate(
        key=key,
        href=href,
        index=place,
        name=code or name,
        common=None if not isinstance(common, str) else common,
        gsd=_gsd(key, asset, band),
        is_plain=count == 1 and not re.search("jp2", str(asset.get("type") or href), re.IGNORECASE),
        declared=_declared(asset, band),
        nodata=_number(band.get("nodata", asset.get("nodata"))),
    )


def _gsd(key: str, asset: _Object, band: _Object) -> float:
    in_key = _SIZE_IN_KEY.search(key)
    said = (band.get("raster:spatial_resolution"), band.get("spatial_resolution"), band.get("gsd"))
    every = (*said, asset.get("raster:spatial_resolution"), asset.get("gsd"), in_key and in_key[1])
    return next((number for number in map(_number, every) if number), _FAR)


def _declared(asset: _Object, band: _Object) -> Declared | None:
    scale, offset = (
        _number(band.get(f"raster:{word}", band.get(word, asset.get(f"raster:{word}")))) for word in ("scale", "offset")
    )
    return None if scale is None and offset is None else Declared((scale or 1.0,), (offset or 0.0,))


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None


def _finest(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Each band once: from the asset with the finest pixels, of those from one with this band alone."""
    names: dict[str, set[str]] = {}
    for each in candidates:
        if each.common:
            names.setdefault(each.common.lower(), set()).add(each.name.lower())
    best: dict[str, _Candidate] = {}
    for each in candidates:
        alone = each.common is not None and len(names[each.common.lower()]) == 1
        label = str(each.common).lower() if alone else each.name  # Sentinel-2 has three bands called rededge
        other = best.get(label.lower())
        if other is None or (each.gsd, not each.is_plain) < (other.gsd, not other.is_plain):
            best[label.lower()] = replace(each, label=label)
    return sorted(best.values(), key=lambda each: each.is_quality)


def _band_file(number: int, each: _Candidate, item: str, declared: Declared | None) -> BandFile:
    return BandFile(
        band=FileBand(
            index=number,
            description=each.label,
            colour=common_name(each.common or "undefined"),
            is_alpha=each.is_quality,
        ),
        path=resolved(file_of_href(each.href), base=item),
        index=each.index,
        key=each.key,
        named_in=item,
        declared=declared,
        nodata=each.nodata,
    )


def _offset_is_missing(properties: _Object, candidates: Sequence[_Candidate]) -> bool:
    """Whether Sentinel-2's numbers are shifted by 1000 and the item does not say so."""
    text = json.dumps([properties.get("platform"), properties.get("constellation"), list(properties)]).lower()
    baseline = next((number for key in _BASELINES if (number := _number(properties.get(key)))), None)
    if not re.search(r"sentinel-?2|s2:", text) or baseline is None or any(each.declared for each in candidates):
        return False
    return baseline >= _FIRST_BASELINE_WITH_OFFSET and not _is_applied(properties)


def _is_applied(properties: _Object) -> bool:
    return any(properties.get(key) is True for key in _OFFSET_APPLIED)


def _meant(each: _Candidate, properties: _Object, *, assumed: bool) -> Declared | None:
    if each.is_quality:
        return None
    if assumed:
        return _SENTINEL_2
    if each.declared is not None and _is_applied(properties):
        return Declared(each.declared.scales, (0.0,))
    return each.declared


def _acquired(properties: _Object) -> datetime | None:
    for key in ("datetime", "start_datetime"):
        try:
            moment = datetime.fromisoformat(str(properties.get(key)))
        except ValueError:
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _json(path: str) -> object:
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SceneError(f"{without_secrets(path)}: is no JSON: {str(error)[:120]}") from error


def _object(value: object, what: str, path: str) -> _Object:
    if not isinstance(value, dict):
        raise SceneError(f"{without_secrets(path)}: is no STAC item: its {what} is no object")
    return value
