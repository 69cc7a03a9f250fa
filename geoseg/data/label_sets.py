"""What a label says of a pixel: one class, or only that it is one of several. Pure Python and numpy."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import ClassMap
from geoseg.data.chips import IGNORED
from geoseg.errors import LabelError


@dataclass(frozen=True, slots=True)
class LabelSets:
    """The label sets of a training run; the code of a label is the index of its set.

    The first codes are the single classes in the order of the logits; further codes are sets of several classes, for
    labels that cannot tell those apart (partial labels). 255 is no code but the label of an unknown pixel.
    """

    sets: tuple[tuple[int, ...], ...]
    """Class indices of each code, ascending."""

    names: tuple[str, ...]
    """Of each code; a set is called by its classes, joined with a stroke."""

    classes: int
    """How many classes; as many codes at the start are single classes."""

    @classmethod
    def of(cls, classes: ClassMap, label_maps: Iterable[Iterable[Collection[str]]]) -> Self:
        """The single classes and all sets that label maps name.

        Args:
            classes: the legend.
            label_maps: for each source, the class names that each of its labels leaves open.

        Raises:
            LabelError: if a name is not in the legend, a set is empty, or there are too many sets.
        """
        found = {_indices(classes, names) for label_map in label_maps for names in label_map if len(names) != 1} - {
            (index,) for index in range(len(classes))
        }
        sets = (*((index,) for index in range(len(classes))), *sorted(found))
        if len(sets) > IGNORED:
            raise LabelError(f"{len(sets)} classes and sets of classes are too many, at most {IGNORED} are told apart")
        names = tuple("|".join(classes.names[index] for index in members) for members in sets)
        return cls(sets=sets, names=names, classes=len(classes))

    @property
    def members(self) -> NDArray[np.bool_]:
        """(codes, classes), True where a class is in the set of a code."""
        table = np.zeros((len(self.sets), self.classes), dtype=np.bool_)
        for code, indices in enumerate(self.sets):
            table[code, list(indices)] = True
        return table

    def code_of(self, classes: ClassMap, names: Collection[str]) -> int:
        """The code of a label that leaves some classes open.

        Raises:
            LabelError: if a name is not in the legend.
        """
        return self.sets.index(_indices(classes, names))

    def codes_of(self, indices: NDArray[np.integer], legend: Collection[int]) -> NDArray[np.uint8]:
        """Each class index as a legend sees it: the legend's code that holds the class, else the class itself.

        Args:
            indices: class indices, any shape.
            legend: the codes that one source of labels uses.
        """
        table = np.arange(self.classes, dtype=np.uint8)
        for code in sorted(legend, reverse=True):
            table[list(self.sets[code])] = code
        return np.asarray(table[indices])


def _indices(classes: ClassMap, names: Collection[str]) -> tuple[int, ...]:
    unknown = sorted(set(names) - set(classes.names))
    if unknown:
        raise LabelError(f"there is no class {unknown[0]!r}: the legend has {', '.join(classes.names)}")
    if not names:
        raise LabelError("a label must leave at least one class open: give null where it is to be left unknown")
    return tuple(sorted({classes.index_of(name) for name in names}))
