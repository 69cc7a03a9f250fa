"""The legend: class ids, names and colours. Knows nothing of rasters or networks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ConfigError, has_hidden_characters

NODATA_ID = 255
"""The value of an invalid pixel in class rasters and in labels; never a class."""

_LONGEST_NAME = 250
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LandCoverClass:
    """One entry of a legend."""

    id: int
    """The value in class rasters, 0 to 254."""

    name: str
    """What it is called, unique in its legend: up to 250 characters, all of which can be seen."""

    colour: str
    """`#rrggbb`."""

    def __post_init__(self) -> None:
        if not 0 <= self.id < NODATA_ID:
            raise ConfigError(f"class id {self.id} of {self.name!r} must be 0 to 254: 255 is nodata")
        if not self.name.strip():
            raise ConfigError(f"class {self.id} needs a name")
        if len(self.name) > _LONGEST_NAME or has_hidden_characters(self.name):
            raise ConfigError(
                f"the name {self.name[:_LONGEST_NAME]!r} of class {self.id} must be up to {_LONGEST_NAME} characters "
                "that can be seen"
            )
        if not _COLOUR.fullmatch(self.colour):
            raise ConfigError(f"colour {self.colour!r} of class {self.name!r} must look like #1a2b3c")

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        red, green, blue = bytes.fromhex(self.colour[1:])
        return red, green, blue


@dataclass(frozen=True, slots=True)
class ClassMap:
    """A legend. The position of a class is its index in the logits; its id is its value in files."""

    classes: tuple[LandCoverClass, ...]
    """In the order of the logits; ids and names are unique."""

    def __post_init__(self) -> None:
        if not self.classes:
            raise ConfigError("a legend needs at least one class")
        if len(self.classes) > NODATA_ID:
            raise ConfigError(f"a legend holds up to {NODATA_ID} classes, got {len(self.classes)}")
        for what, values in (("id", self.ids), ("name", self.names)):
            doubled = {value for value in values if values.count(value) > 1}
            if doubled:
                raise ConfigError(f"class {what} {doubled.pop()!r} stands twice in the legend: make it unique")

    @classmethod
    def of(cls, entries: Iterable[tuple[int, str, str]]) -> Self:
        """A legend from (id, name, colour) triples, in the order of the logits."""
        return cls(tuple(LandCoverClass(id=id_, name=name, colour=colour) for id_, name, colour in entries))

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def ids(self) -> tuple[int, ...]:
        """Values in class rasters, in the order of the logits."""
        return tuple(entry.id for entry in self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Names, in the order of the logits."""
        return tuple(entry.name for entry in self.classes)

    def index_of(self, name: str) -> int:
        """The position of a class in the logits.

        Raises:
            ConfigError: if no class has that name.
        """
        if name not in self.names:
            raise ConfigError(f"no class is called {name!r}: the legend has {', '.join(self.names)}")
        return self.names.index(name)

    def ids_of_indices(self) -> NDArray[np.uint8]:
        """Look-up table (classes,) from class index to class id."""
        return np.array(self.ids, dtype=np.uint8)

    def indices_of_ids(self) -> NDArray[np.uint8]:
        """Look-up table (256,) from class id to class index; 255 where an id is no class."""
        table = np.full(256, NODATA_ID, dtype=np.uint8)
        table[list(self.ids)] = np.arange(len(self), dtype=np.uint8)
        return table

    def colour_table(self) -> dict[int, tuple[int, int, int, int]]:
        """Red, green, blue and opacity by class id; nodata is transparent."""
        return {entry.id: (*entry.rgb, 255) for entry in self.classes} | {NODATA_ID: (0, 0, 0, 0)}
