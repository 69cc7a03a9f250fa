"""A legend that the user gives, in a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from geoseg.classes import ClassMap
from geoseg.config.settings import Settings, load_yaml, settings_from
from geoseg.errors import ConfigError
from geoseg.raster.legend import distinct_colour

_KEY = "classes"


class LegendEntry(Settings):
    """One class of a legend."""

    id: int = Field(ge=0, le=254, description="The value in class rasters.")
    name: str = Field(min_length=1, description="What it is called.")
    colour: str | None = Field(default=None, description="`#rrggbb`; one of its own where not given.")


def _as_list(value: object) -> object:
    """`{1: water, 2: forest}` and `{1: {name: water, colour: "#0000ff"}}` as a list of entries."""
    if not isinstance(value, Mapping):
        return value
    return [
        {"id": id_} | (dict(entry) if isinstance(entry, Mapping) else {"name": entry}) for id_, entry in value.items()
    ]


class LegendSettings(Settings):
    """The classes of a raster."""

    classes: Annotated[tuple[LegendEntry, ...], BeforeValidator(_as_list)] = Field(
        min_length=1, description="A list of id, name and colour, or names by id."
    )


def load_legend(path: Path) -> ClassMap:
    """The legend in a YAML file.

    Args:
        path: its key `classes` lists id, name and colour of each class, or has its name by id. The config of a training
            is such a file.

    Raises:
        ConfigError: if the file has no legend, or it is none.
    """
    values = load_yaml(path)
    if _KEY not in values:
        raise ConfigError(f"{path}: has no key {_KEY}: give id, name and colour of each class under it")
    settings = settings_from(LegendSettings, {_KEY: values[_KEY]}, origin=str(path))
    return ClassMap.of((entry.id, entry.name, entry.colour or distinct_colour(entry.id)) for entry in settings.classes)
