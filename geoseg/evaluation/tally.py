"""Counts of a comparison while its windows arrive. Knows arrays, nothing of files."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.data.confusion import ConfusionMatrix
from geoseg.evaluation.boundary import boundary_counts
from geoseg.evaluation.reliability import Reliability

_Ids = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sight:
    """A window of a map with its reference, each with the halo around it."""

    reference: _Ids
    """Class ids with halo, 255 where there is no class."""

    mapped: _Ids
    """Class ids with halo, 255 where there is no class."""

    core: tuple[slice, slice]
    """The window without its halo."""

    zones: NDArray[np.int64]
    """The zone of each pixel of the window itself."""

    confidence: _Ids | None
    """Per cent at each pixel of the window itself, 255 where there is none."""


class Tally:
    """What was counted so far. Grows with classes and zones, never with pixels."""

    def __init__(self, *, radius: float) -> None:
        """Nothing yet; `radius` is the tolerance of boundaries in pixels."""
        self._radius = radius
        self._cells: defaultdict[int, Counter[tuple[int, int]]] = defaultdict(Counter)
        self.unmapped = 0
        self.boundary = np.zeros((4, NODATA_ID), dtype=np.int64)
        self.reliability = Reliability.empty()

    def add(self, sight: Sight) -> None:
        """Count a window."""
        reference, mapped = sight.reference[sight.core], sight.mapped[sight.core]
        has_class = reference != NODATA_ID
        known = has_class & (mapped != NODATA_ID)
        self.unmapped += int(has_class.sum() - known.sum())
        if not known.any():
            return
        self._count(reference[known], mapped[known], sight.zones[known])
        self.boundary += boundary_counts(sight.reference, sight.mapped, sight.core, radius=self._radius)
        if sight.confidence is not None:
            self.reliability = self.reliability.add(sight.confidence[known], reference[known] == mapped[known])

    @property
    def ids(self) -> NDArray[np.int64]:
        """Ids that occur in the reference or the map where both have a class, ascending."""
        return np.array(sorted({each for cells in self._cells.values() for cell in cells for each in cell}), np.int64)

    def by_zone(self) -> dict[int, ConfusionMatrix]:
        """The confusion of each zone that has pixels; classes in the order of `ids`."""
        index = {class_id: position for position, class_id in enumerate(self.ids.tolist())}
        matrices = {}
        for zone, cells in self._cells.items():
            counts = np.zeros((len(index), len(index)), dtype=np.int64)
            for (reference, mapped), pixels in cells.items():
                counts[index[reference], index[mapped]] = pixels
            matrices[zone] = ConfusionMatrix(counts)
        return matrices

    def _count(self, reference: _Ids, mapped: _Ids, zones: NDArray[np.int64]) -> None:
        ids = np.flatnonzero(np.bincount(reference, minlength=NODATA_ID) + np.bincount(mapped, minlength=NODATA_ID))
        first = int(zones.min())
        there = np.flatnonzero(np.bincount(zones - first))
        class_at = _positions(ids, NODATA_ID)
        zone_at = _positions(there, int(there[-1]) + 1)
        shape = (len(there), len(ids), len(ids))
        cells = (zone_at[zones - first] * len(ids) + class_at[reference]) * len(ids) + class_at[mapped]
        counts = np.bincount(cells, minlength=shape[0] * shape[1] * shape[2]).reshape(shape)
        for zone, row, col in np.argwhere(counts).tolist():
            cell = int(ids[row]), int(ids[col])
            self._cells[first + int(there[zone])][cell] += int(counts[zone, row, col])


def _positions(values: NDArray[np.intp], size: int) -> NDArray[np.int64]:
    """Look-up table from a value to its position among `values`."""
    table = np.zeros(size, dtype=np.int64)
    table[values] = np.arange(len(values))
    return table
