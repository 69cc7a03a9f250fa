"""Which classes of a map and which values of a reference are compared as one. Knows nothing of files.

A reference often tells fewer classes apart than the map. Classes that it cannot tell apart form a group; a group
is then scored as one class. A class of the map in no group stays on its own: mapped where the reference has
another class it is an error of that class, and of its own where it is mapped at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.errors import LabelError

_VALUES = 256


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClassGroups:
    """How ids of the map and values of the reference become the ids that are compared.

    The id of a group is the smallest of its class ids.
    """

    of_map: NDArray[np.uint8]
    """(256,) compared id of each value of the map; 255 stays 255."""

    of_label: Mapping[str, int] | None
    """Compared id of each value of the reference, as text; others are no class. None: values are class ids."""

    names: Mapping[int, str]
    """Names of the compared ids, as far as they are known."""

    def id_of(self, name: str) -> int | None:
        """The compared id of a class, by its own name or by its group's; None where there is none."""
        return next((class_id for class_id, known in self.names.items() if known == name), None)


def ungrouped(names: Mapping[int, str]) -> ClassGroups:
    """Every class on its own; the reference has the map's ids."""
    return ClassGroups(of_map=np.arange(_VALUES, dtype=np.uint8), of_label=None, names=names)


def grouped(
    label_map: Mapping[str, Sequence[str]],
    *,
    map_names: Mapping[int, str],
    label_names: Mapping[str, str],
) -> ClassGroups:
    """Groups as a label map makes them.

    Args:
        label_map: class names, as the map has them, of each value of the reference.
        map_names: names of the map's classes by id.
        label_names: names that the reference itself gives its values; a group of several classes takes them.

    Raises:
        LabelError: if the map lacks a class, or a class would stand in two groups.
    """
    ids = {name: class_id for class_id, name in map_names.items()}
    members = {value: frozenset(_id(name, ids) for name in names) for value, names in label_map.items()}
    names = dict(map_names)
    of_map = np.arange(_VALUES, dtype=np.uint8)
    group_of: dict[int, frozenset[int]] = {}
    for value, group in members.items():
        for class_id in group:
            if group_of.setdefault(class_id, group) != group:
                raise LabelError(
                    f"label_map: class {map_names[class_id]!r} stands in two groups, "
                    f"{_joined(group_of[class_id], map_names)} and {_joined(group, map_names)}: "
                    "values that share a class need the same classes"
                )
            of_map[class_id] = min(group)
        if len(group) > 1:
            values = [each for each in members if members[each] == group]
            own = label_names.get(value) if len(values) == 1 else None
            own = None if own in map_names.values() else own  # it would be read as that one class
            names[min(group)] = own or _joined(group, map_names)
    return ClassGroups(
        of_map=of_map,
        of_label={value: min(group) for value, group in members.items()},
        names={class_id: name for class_id, name in names.items() if of_map[class_id] == class_id},
    )


def labels_as_ids(groups: ClassGroups, ignore: Sequence[str]) -> NDArray[np.uint8]:
    """Look-up table (256,) from a value of a raster reference to a compared id; 255 where it is no class.

    Raises:
        LabelError: if a value that is mapped or ignored is no value of a raster of bytes.
    """
    table = np.arange(_VALUES, dtype=np.uint8)
    if groups.of_label is not None:
        table[:] = NODATA_ID
        for value, class_id in groups.of_label.items():
            table[_byte(value)] = class_id
    table[[_byte(value) for value in ignore]] = NODATA_ID
    return table


def _id(name: str, ids: Mapping[str, int]) -> int:
    if name not in ids:
        raise LabelError(f"has no class {name!r}: its classes are {', '.join(ids) or 'not named'}")
    return ids[name]


def _joined(group: frozenset[int], names: Mapping[int, str]) -> str:
    return "|".join(names[class_id] for class_id in sorted(group))


def _byte(value: str) -> int:
    if not value.isdecimal() or int(value) >= _VALUES:
        raise LabelError(f"{value!r} is no value of a class raster: they are 0 to 255")
    return int(value)
