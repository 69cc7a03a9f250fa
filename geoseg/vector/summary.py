"""How much of each class there is, from the table of regions. Knows no geometry and no files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoseg.classes import ClassMap
from geoseg.vector.regions import RegionTable

PERCENT = 100.0


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
    """Mean over its pixels, 0 to 1; None where there are none."""


def summarize(table: RegionTable, classes: ClassMap, area_scale: float) -> list[ClassSummary]:
    """Sum up the regions of every class of a legend, also of those that do not occur.

    Args:
        table: the regions.
        classes: the legend.
        area_scale: units of `table.areas` per m².

    Returns:
        One summary for each class, in the order of the legend.
    """
    sizes = table.pixels if table.areas is None else table.areas
    whole = max(int(sizes.sum()), 1)
    summaries = []
    for entry in classes.classes:
        inside = np.flatnonzero(table.class_ids == entry.id)
        pixels = int(table.pixels[inside].sum())
        summaries.append(
            ClassSummary(
                class_id=entry.id,
                name=entry.name,
                colour=entry.colour,
                polygons=len(inside),
                pixels=pixels,
                area=None if table.areas is None else int(table.areas[inside].sum()) / area_scale,
                share=int(sizes[inside].sum()) / whole,
                confidence=int(table.confidence_sums[inside].sum()) / pixels / PERCENT if pixels else None,
            )
        )
    return summaries
