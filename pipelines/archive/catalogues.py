"""The items of a STAC catalogue, collection or item collection, found by following its links. Opens no raster.

Links lead no further than the folder or host of the catalogue that the user named, and are followed to a bounded depth
and number, each document once: a catalogue may come from a stranger.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from geoseg.errors import ConfigError, SceneError
from geoseg.raster.opening import read_text
from geoseg.raster.reach import Reach, file_of_href, resolved
from geoseg.raster.remote import address_of, gdal_name, without_secrets
from pipelines.archive.scenes import ArchiveScene, name_of, refusal_of, safe_name
from pipelines.written import read_json, write_json

MOST_DOCUMENTS = 100_000
"""Of one catalogue, items counted in."""

DEEPEST = 16
"""Levels of links below the document that the user named."""

_Document = Mapping[str, Any]
_FOLLOWED = ("child", "item")
_LISTS = ("Catalog", "Collection")


def scenes_of_stac(source: str, *, allow: Sequence[str], hold: Path) -> Iterator[ArchiveScene]:
    """The scenes of a STAC document: an item, an item collection, or whatever a catalogue or collection leads to.

    A document that cannot be read or may not be reached is given as a scene with a refusal.

    Args:
        source: path or address of the document.
        allow: where its links may lead besides beside it or below.
        hold: folder for items that stand inside an item collection and have no file of their own.

    Raises:
        ConfigError: if it leads to no item, or to too many.
    """
    walk = _Walk(Reach.of(allow).joined(Reach.beside(source)), _beside(source), hold)
    found = list(walk.scenes(source))
    if not found:
        raise ConfigError(f"{without_secrets(source)}: leads to no STAC item: give a catalogue with links to items")
    yield from found


@dataclass(slots=True)
class _Walk:
    reach: Reach
    allow: tuple[str, ...]
    hold: Path
    seen: set[str] = field(default_factory=set)

    def scenes(self, source: str) -> Iterator[ArchiveScene]:
        coming = deque([(source, "", 0)])
        self.seen.add(source)
        while coming:
            path, collection, depth = coming.popleft()
            try:
                document = _document(path)
            except SceneError as error:
                yield ArchiveScene(scene=path, place=(name_of(path),), refusal=str(error))
                continue
            if document.get("type") not in _LISTS:
                yield from self._of_items(path, document, collection)
                continue
            inner = str(document.get("id")) if document.get("type") == "Collection" else collection
            targets = self._targets(path, document)
            if targets and depth == DEEPEST:
                raise ConfigError(
                    f"{without_secrets(path)}: lies more than {DEEPEST} levels below the catalogue: name it itself"
                )
            for target in targets:
                refusal = refusal_of(target, self.reach, named_in=path)
                if refusal:
                    yield ArchiveScene(scene=target, place=(name_of(target),), refusal=refusal)
                else:
                    coming.append((target, inner, depth + 1))

    def _targets(self, path: str, document: _Document) -> list[str]:
        """Where the links of a document lead, without what was seen before."""
        found: list[str] = []
        links = document.get("links")
        for link in links if isinstance(links, list) else ():
            href = link.get("href") if isinstance(link, dict) and link.get("rel") in _FOLLOWED else None
            target = resolved(file_of_href(href), base=path) if isinstance(href, str) else path
            if target not in self.seen:
                self.seen.add(target)
                found.append(target)
        if len(self.seen) > MOST_DOCUMENTS:
            raise ConfigError(
                f"{without_secrets(path)}: leads to over {MOST_DOCUMENTS} documents: name collections one by one"
            )
        return found

    def _of_items(self, path: str, document: _Document, collection: str) -> Iterator[ArchiveScene]:
        if document.get("type") != "FeatureCollection":
            place = _place(document, collection) or (name_of(path),)
            yield ArchiveScene(scene=path, place=place, allow=self.allow)
            return
        features = document.get("features")
        for number, feature in enumerate(features if isinstance(features, list) else ()):
            if not isinstance(feature, dict):
                text = f"{without_secrets(path)}: feature {number} is no item"
                yield ArchiveScene(scene=f"{path}#{number}", place=(f"item_{number}",), refusal=text)
                continue
            place = _place(feature, collection) or (f"item_{number}",)
            yield ArchiveScene(scene=str(self._held(path, feature, place)), place=place, allow=self.allow)

    def _held(self, path: str, feature: _Document, place: tuple[str, ...]) -> Path:
        """An item in a file of its own, whose references lead where they did."""
        file = self.hold.joinpath(*place[:-1], f"{place[-1]}.json")
        number = 1
        while str(file) in self.seen:
            number += 1
            file = file.with_name(f"{place[-1]}_{number}.json")
        self.seen.add(str(file))
        item = _with_full_paths(feature, path)
        if read_json(file) != item:
            write_json(file, item)
        return file


def _with_full_paths(feature: _Document, base: str) -> _Document:
    given = feature.get("assets")
    assets = {key: _with_full_path(asset, base) for key, asset in given.items()} if isinstance(given, dict) else {}
    return {**feature, "assets": assets, "links": []}


def _with_full_path(asset: object, base: str) -> object:
    if not isinstance(asset, dict) or not isinstance(asset.get("href"), str):
        return asset
    return {**asset, "href": resolved(file_of_href(asset["href"]), base=base)}


def _place(item: _Document, collection: str) -> tuple[str, ...] | None:
    """Collection and id."""
    name, inside = item.get("id"), item.get("collection") or collection
    if not isinstance(name, str) or not name:
        return None
    return (safe_name(str(inside)), safe_name(name)) if inside else (safe_name(name),)


def _document(path: str) -> _Document:
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise SceneError(f"{without_secrets(path)}: is no JSON: {str(error)[:120]}") from error
    if not isinstance(found, dict):
        raise SceneError(f"{without_secrets(path)}: is no STAC: its JSON is no object")
    return found


def _beside(path: str) -> tuple[str, ...]:
    """What allows the folder, host or bucket of a document."""
    address = address_of(gdal_name(path))
    if address is None:
        return (str(Path(path).absolute().parent),) if not path.startswith("/vsi") else ()
    scheme, _, rest = address.partition("://")
    return (f"{scheme}://{rest.partition('/')[0]}",)
