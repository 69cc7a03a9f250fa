"""How polygons are made from a class raster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MappingBy = Literal["border", "probability"]
Method = Literal["dp", "vw"]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorOptions:
    """What becomes of the regions of a raster on their way to polygons."""

    mapping_unit: float = 0.0
    """Smallest region kept, m² on the ground, or pixels without a CRS; 0 keeps all."""

    mapping_by: MappingBy = "border"
    """Which neighbour a smaller one joins: the one with the longest common border, or one of its second class, by the
    mean of the probabilities, where it has such a neighbour."""

    simplify: float = 0.0
    """How far a boundary may move when vertices are left out, m on the ground, or pixels without a CRS; 0 keeps all."""

    simplify_method: Method = "dp"
    """Which vertices are left out: dp by Douglas and Peucker, vw by Visvalingam and Whyatt."""

    smooth: bool = False
    """True where boundaries move to where the probabilities of two classes are equal."""

    strict: bool = False
    """True for polygons vertex by vertex as GDAL makes them, with no vertex where a neighbour alone has a corner."""

    boundaries: bool = False
    """True where a layer of the boundaries between classes is wanted."""

    review: int = 100
    """How many of the least certain regions get a point to look at; none do without a confidence."""

    regularize: tuple[str, ...] = ()
    """Classes of buildings, whose footprints get right angles in a layer of their own."""

    workers: int = 0
    """Threads; 0 takes one for each core. The polygons are the same."""
