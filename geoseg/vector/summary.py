"""How much of each class there is, from the table of regions. Knows no geometry and no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import ClassMap
from geoseg.vector.layers import Table
from geoseg.vector.table import RegionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassSummary:
    """One class of the legend in one set of polygons."""

    class_id: int
    """Its value in class rasters."""

    name: str
    """What it is called."""

    colour: str
    """`#rrggbb`."""

    polygons: int
    """How many there are."""

    pixels: int
    """Pixels in them."""

    area: float | None
    """Ground area, m²; None without a CRS."""

    share: float
    """Part of the area of all polygons, 0 to 1; of their pixels without a CRS."""

    confidence: float | None
    """Mean over its pixels, 0 to 1; None where none has one."""


def summarize(
    table: RegionTable, classes: ClassMap, area_scale: float, *, means: NDArray[np.float64] | None
) -> list[ClassSummary]:
    """Sum up the regions of every class of a legend, also of those that do not occur.

    Args:
        table: the regions.
        classes: the legend.
        area_scale: units of `table.areas` per m².
        means: mean confidence by class id (256,), 0 to 1 or NaN; None without a confidence.

    Returns:
        One summary for each class, in the order of the legend.
    """
    sizes = table.pixels if table.areas is None else table.areas
    whole = max(int(sizes.sum()), 1)
    summaries = []
    for entry in classes.classes:
        inside = np.flatnonzero(table.class_ids == entry.id)
        size = int(sizes[inside].sum())
        mean = np.nan if means is None else float(means[entry.id])
        summaries.append(
            ClassSummary(
                class_id=entry.id,
                name=entry.name,
                colour=entry.colour,
                polygons=len(inside),
                pixels=int(table.pixels[inside].sum()),
                area=None if table.areas is None else size / area_scale,
                share=size / whole,
                confidence=None if np.isnan(mean) else mean,
            )
        )
    return summaries


def summary_table(summaries: Sequence[ClassSummary]) -> Table:
    """The table `class_summary`: a row for each class, in the same order."""
    return Table(
        name="class_summary",
        description="Area and confidence by class",
        columns=(
            ("class_id", "SMALLINT NOT NULL UNIQUE"),
            ("class_name", "TEXT NOT NULL"),
            ("colour", "TEXT NOT NULL"),
            ("polygons", "INTEGER NOT NULL"),
            ("area_px", "INTEGER NOT NULL"),
            ("area_m2", "REAL"),
            ("share", "REAL NOT NULL"),
            ("mean_confidence", "REAL"),
        ),
        rows=[
            (each.class_id, each.name, each.colour, each.polygons, each.pixels, each.area, each.share, each.confidence)
            for each in summaries
        ],
    )
