"""What the rasters of a map hold and how a GIS is to show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from geoseg.classes import ClassMap


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterLayout:
    """What a raster of bytes holds and how a GIS is to show it."""

    descriptions: tuple[str, ...]
    """One for each band."""

    overviews: Literal["mode", "average"]
    """How a coarser level follows from a finer one: `mode` for class ids, `average` for quantities."""

    unit: str = ""
    """Unit of the values, the same for all bands; empty for class ids."""

    colours: Mapping[int, tuple[int, int, int, int]] | None = None
    """Red, green, blue and opacity by value, for a raster of one band; None for quantities."""

    tags: Mapping[str, str] = field(default_factory=dict)
    """Metadata of the first band."""

    @property
    def predictor(self) -> Literal[1, 2]:
        """What is compressed: 1 the values, 2 the difference of each from its neighbour on the left, as TIFF has it."""
        return 1 if self.overviews == "mode" else 2


def class_layout(classes: ClassMap) -> RasterLayout:
    """Class ids, one band with the legend's colours."""
    names = {f"CLASS_{entry.id}": entry.name for entry in classes.classes}
    return RasterLayout(
        descriptions=("land cover",),
        overviews="mode",
        colours=classes.colour_table(),
        tags={"LAYER_TYPE": "thematic"} | names,
    )


def confidence_layout() -> RasterLayout:
    """Confidence, one band, 0 to 100 %."""
    return RasterLayout(descriptions=("confidence",), overviews="average", unit="%")


def probabilities_layout(classes: ClassMap) -> RasterLayout:
    """Probabilities, a band for each class in the legend's order, 0 to 100 %."""
    return RasterLayout(descriptions=classes.names, overviews="average", unit="%")
