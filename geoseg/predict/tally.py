"""What each class covers, counted while decisions arrive. Each pixel is looked at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import ClassMap, LandCoverClass
from geoseg.compiled import compiled
from geoseg.georef import AreaTable, GeoRef
from geoseg.inference.decide import PERCENT, Decision

Counts = Mapping[str, tuple[int, int, float]]
"""By value, as text: pixels, the sum of their confidences in percent, and their area in m²."""

_VALUES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTotal:
    """What one class covers in a class raster."""

    class_id: int
    """Its value."""

    class_name: str
    """Its name."""

    pixels: int
    """How many pixels it has."""

    area_m2: float | None
    """True area on the ground, m²; None without a CRS."""

    confidence: float | None
    """Mean confidence, 0 to 1; None where it has no pixels."""


class Tally:
    """Adds up pixels, ground and confidence by class."""

    def __init__(self, georef: GeoRef, classes: ClassMap) -> None:
        """Begin at zero.

        Args:
            georef: grid of the class raster.
            classes: the legend.
        """
        self._georef, self._legend = georef, classes
        self._pixels = np.zeros(_VALUES, dtype=np.int64)
        self._percent = np.zeros(_VALUES, dtype=np.int64)
        self._area = np.zeros(_VALUES)

    def add(self, decision: Decision) -> None:
        """Add the pixels of a window; windows must not overlap."""
        areas = self._georef.area_table(decision.window)
        if areas is None:
            areas = AreaTable.zero(*decision.window.shape)
        ids, confidence = np.ascontiguousarray(decision.class_ids), np.ascontiguousarray(decision.confidence)
        _count(ids, confidence, (areas.lines, areas.below, areas.weight), (self._pixels, self._percent, self._area))

    def counts(self) -> Counts:
        """What was counted, by values that occur."""
        return {
            str(value): (int(self._pixels[value]), int(self._percent[value]), float(self._area[value]))
            for value in np.flatnonzero(self._pixels).tolist()
        }

    def totals(self) -> tuple[ClassTotal, ...]:
        """What each class of the legend covers, in its order."""
        return totals_of([self.counts()], self._legend, self._georef)


def totals_of(parts: Iterable[Counts], classes: ClassMap, georef: GeoRef) -> tuple[ClassTotal, ...]:
    """What each class of a legend covers, in its order.

    Args:
        parts: counts of windows that together are the raster.
        classes: the legend.
        georef: grid of the raster.
    """
    every, known = list(parts), georef.gsd is not None
    return tuple(_total(entry, every, known=known) for entry in classes.classes)


def _total(entry: LandCoverClass, parts: Sequence[Counts], *, known: bool) -> ClassTotal:
    found = [part[str(entry.id)] for part in parts if str(entry.id) in part]
    pixels, percent = sum(part[0] for part in found), sum(part[1] for part in found)
    return ClassTotal(
        class_id=entry.id,
        class_name=entry.name,
        pixels=pixels,
        area_m2=math.fsum(part[2] for part in found) if known else None,
        confidence=percent / pixels / PERCENT if pixels else None,
    )


_Areas = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]
_Sums = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


@compiled
def _count(ids: NDArray[np.uint8], confidence: NDArray[np.uint8], areas: _Areas, sums: _Sums) -> None:
    """Run by run of equal ids along each row."""
    lines, below, weight = areas
    pixels, percent, area = sums
    for row in range(ids.shape[0]):
        line, start = lines[row], 0
        while start < ids.shape[1]:
            value, end = ids[row, start], start
            ground, sure = 0.0, 0
            while end < ids.shape[1] and ids[row, end] == value:
                left = line[below[end]]
                ground += left + (line[below[end] + 1] - left) * weight[end]
                sure += confidence[row, end]
                end += 1
            pixels[value] += end - start
            percent[value] += sure
            area[value] += ground
            start = end
