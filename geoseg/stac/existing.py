"""What the item beside a class raster says of it. Reads that item, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote

import pystac

from geoseg.stac.item import SCENE_TITLE, SUFFIX, ItemFacts, ModelLink, add_layer, save_item

_CLASSES = "classes"
_MODEL_NAME = "mlm:name"
_SOURCE = "derived_from"
_LARGEST = 16 * 2**20
_NO_ITEM = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    pystac.STACError,
    pystac.STACTypeError,
)
"""What pystac raises where a file is JSON and no item: it takes much on trust."""


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """A class raster that an item describes."""

    item: pystac.Item

    @property
    def scene(self) -> str | None:
        """Reference to the scene, from the item's folder."""
        return next((link.href for link in self._sources() if link.title == SCENE_TITLE), None)

    @property
    def scene_name(self) -> str | None:
        """File name of the scene."""
        return None if self.scene is None else Path(unquote(self.scene)).name

    @property
    def model(self) -> ModelLink | None:
        """The model."""
        links = (link for link in self._sources() if _MODEL_NAME in link.extra_fields)
        return next((ModelLink(name=str(each.extra_fields[_MODEL_NAME]), href=each.href) for each in links), None)

    @property
    def acquired(self) -> datetime | None:
        """When the scene was taken; None where it does not tell, or tells a span."""
        return None if "description" in self.item.properties else self.item.datetime

    def save_with(self, path: Path, key: str, layer: Path, facts: ItemFacts) -> Path:
        """Write the item with one layer more, or another one in its place.

        Args:
            path: the file.
            key: of the layer, see `geoseg.stac.item.stac_item`.
            layer: its file.
            facts: grid and legend are used.

        Raises:
            OutputError: if the layer cannot be read or the item not be written.
        """
        changed = pystac.Item.from_dict(self.item.to_dict(include_self_link=False, transform_hrefs=False))
        add_layer(changed, key, layer, facts)
        return save_item(path, changed)

    def _sources(self) -> list[pystac.Link]:
        return self.item.get_links(_SOURCE)


def described(class_raster: Path, stem: str) -> Described | None:
    """The item of a class raster, in its folder.

    Args:
        class_raster: the file.
        stem: of the scene, as the item is called.

    Returns:
        None where there is no item, or it is one of something else.
    """
    path = class_raster.with_name(stem + SUFFIX)
    try:
        item = None if path.stat().st_size > _LARGEST else pystac.Item.from_file(path)
        asset = None if item is None else item.assets.get(_CLASSES)
        is_of_it = asset is not None and Path(unquote(asset.href)).name == class_raster.name
    except _NO_ITEM:
        return None
    plain = item is not None and all(isinstance(link.target, str) for link in item.get_links(_SOURCE))
    return Described(item) if item is not None and is_of_it and plain else None
