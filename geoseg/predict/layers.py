"""The raster layers of a prediction while blocks arrive, and what each class covers so far."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import ClassMap
from geoseg.georef import GeoRef
from geoseg.inference.decide import PERCENT, Decision
from geoseg.raster.writer import class_raster_writer, confidence_writer, probabilities_writer
from geoseg.window import Window

_VALUES = 256
_COUNTED_ROWS = 64


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


class Layers:
    """Writes decisions in block order. Blocks side by side are held until their row of blocks is complete."""

    def __init__(self, georef: GeoRef, classes: ClassMap, paths: dict[str, Path], stack: ExitStack) -> None:
        """Open the rasters; `stack` finishes them, or removes them where the run fails.

        Args:
            georef: grid of the rasters.
            classes: the legend.
            paths: where to write `classes`, `confidence` and, where wanted, `probabilities`.
            stack: closes the writers.
        """
        self._georef, self._legend = georef, classes
        self._class_ids = stack.enter_context(class_raster_writer(paths["classes"], georef, classes))
        self._confidence = stack.enter_context(confidence_writer(paths["confidence"], georef))
        wanted = paths.get("probabilities")
        self._probabilities = stack.enter_context(probabilities_writer(wanted, georef, classes)) if wanted else None
        self._side_by_side: list[Decision] = []
        self._pixels = np.zeros(_VALUES, dtype=np.int64)
        self._area = np.zeros(_VALUES)
        self._percent = np.zeros(_VALUES)

    def write(self, decision: Decision) -> None:
        """Append one block."""
        self._count(decision)
        self._side_by_side.append(decision)
        if decision.window.right < self._georef.width:
            return
        parts, self._side_by_side = self._side_by_side, []
        window = Window.between(decision.window.row, decision.window.bottom, 0, self._georef.width)
        self._class_ids.write(window, _across([part.class_ids for part in parts]))
        self._confidence.write(window, _across([part.confidence for part in parts]))
        if self._probabilities is not None:
            planes = [part.probabilities for part in parts if part.probabilities is not None]
            self._probabilities.write(window, _across(planes))

    def totals(self) -> tuple[ClassTotal, ...]:
        """What each class of the legend covers, in its order."""
        known = self._georef.gsd is not None
        return tuple(
            ClassTotal(
                class_id=entry.id,
                class_name=entry.name,
                pixels=int(self._pixels[entry.id]),
                area_m2=float(self._area[entry.id]) if known else None,
                confidence=float(self._percent[entry.id] / self._pixels[entry.id] / PERCENT)
                if self._pixels[entry.id]
                else None,
            )
            for entry in self._legend.classes
        )

    def _count(self, decision: Decision) -> None:
        """Add up a block by a few rows at a time: counting takes 40 bytes a pixel."""
        block = decision.window
        for top in range(0, block.height, _COUNTED_ROWS):
            rows = slice(top, top + _COUNTED_ROWS)
            ids = decision.class_ids[rows].ravel()
            self._pixels += np.bincount(ids, minlength=_VALUES)
            self._percent += np.bincount(ids, weights=decision.confidence[rows].ravel(), minlength=_VALUES)
            bottom = min(block.row + top + _COUNTED_ROWS, block.bottom)
            areas = self._georef.pixel_areas(Window.between(block.row + top, bottom, block.col, block.right))
            if areas is not None:
                self._area += np.bincount(ids, weights=areas.ravel(), minlength=_VALUES)


def _across(parts: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
