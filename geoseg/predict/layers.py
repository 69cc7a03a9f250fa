"""The raster layers of a prediction while blocks arrive, and what each class covers so far."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import ClassMap
from geoseg.georef import GeoRef
from geoseg.inference.decide import Decision
from geoseg.predict.tally import ClassTotal, Tally
from geoseg.raster.writer import class_raster_writer, confidence_writer, probabilities_writer
from geoseg.window import Window


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
        self._georef = georef
        self._class_ids = stack.enter_context(class_raster_writer(paths["classes"], georef, classes))
        self._confidence = stack.enter_context(confidence_writer(paths["confidence"], georef))
        wanted = paths.get("probabilities")
        self._probabilities = stack.enter_context(probabilities_writer(wanted, georef, classes)) if wanted else None
        self._side_by_side: list[Decision] = []
        self._tally = Tally(georef, classes)

    def write(self, decision: Decision) -> None:
        """Append one block."""
        self._tally.add(decision)
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
        return self._tally.totals()


def _across(parts: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
