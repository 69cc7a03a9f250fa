"""Outlines that a building may get, and the choice among them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.vector.footprints.evidence import Evidence, signed_area
from geoseg.vector.footprints.pieces import ANY, DIAGONAL, FREE, RIGHT, cut_ring
from geoseg.vector.footprints.walls import corners, fit_walls, walls_of, without_short

_LEAST_RING = 3
"""Walls that a ring has at least."""

_GAIN = 0.03
"""By how much a footprint with shorter walls must be more like the target than one without."""

_TOLERANCES = (0.7, 0.35)
"""How far outlines without walls may leave the contour, px."""


def best_outline(evidence: Evidence, shortest: float) -> shapely.Polygon:
    """The most regular outline whose soft IoU is not below that of the raw polygon.

    Right-angled outlines come first, then those with diagonals, with walls of any angle, the contour of one half, and
    the raw polygon.

    Args:
        evidence: what is known of the building.
        shortest: length of walls and width of holes below which they are left out, px. Where that hides too much of the
            building, half of it.

    Returns:
        A valid polygon in the scene's pixel coordinates.
    """
    plain, fine = (_walled(evidence, RIGHT, share * shortest) for share in (1.0, 0.5))
    if plain is not None and evidence.suits(plain):
        finer = fine is not None and len(fine.exterior.coords) > len(plain.exterior.coords) and evidence.suits(fine)
        return fine if finer and evidence.likeness(fine) > evidence.likeness(plain) + _GAIN else plain
    others = (outline for outline in _others(evidence, shortest) if outline is not None and evidence.suits(outline))
    return fine if fine is not None and evidence.suits(fine) else next(others, evidence.raw)


def _others(evidence: Evidence, shortest: float) -> Iterator[shapely.Polygon | None]:
    """Outlines that are not right-angled."""
    for kinds, share in ((DIAGONAL, 1.0), (ANY, 1.0), (ANY, 0.5)):
        yield _walled(evidence, kinds, share * shortest)
    for tolerance in _TOLERANCES:
        rings = np.split(evidence.points, evidence.rings[1:-1])
        thinned = [shapely.get_coordinates(shapely.LinearRing(ring).simplify(tolerance)) for ring in rings]
        yield _polygon(thinned, evidence)


def _walled(evidence: Evidence, kinds: int, shortest: float) -> shapely.Polygon | None:
    """An outline with walls of some kinds, if they make a valid one."""
    walls = _first_walls(evidence, kinds, shortest)
    fit_walls(walls, evidence.target, evidence.blur)
    fewer = without_short(walls, shortest)
    if len(fewer) < len(walls):
        fit_walls(fewer, evidence.target, evidence.blur)
        fewer = without_short(fewer, shortest)
    points, rings = corners(fewer)
    return _polygon(np.split(points, rings[1:-1]), evidence)


def _first_walls(evidence: Evidence, kinds: int, shortest: float) -> NDArray[np.float64]:
    """Walls along the contour, before they are fitted."""
    found = []
    for number, ring in enumerate(np.split(evidence.points, evidence.rings[1:-1])):
        if number == 0 or -signed_area(ring) >= shortest**2:
            pieces, chosen = cut_ring(ring, evidence.direction, shortest**3 / 8, kinds)
            found.append(walls_of(pieces, chosen != FREE, number))
    return np.concatenate(found)


def _polygon(rings: list[NDArray[np.float64]], evidence: Evidence) -> shapely.Polygon | None:
    """The polygon of a shell and its holes, if they make a valid one."""
    if any(len(ring) < _LEAST_RING or not np.isfinite(ring).all() for ring in rings):
        return None
    shell, *holes = (ring + (evidence.window.col, evidence.window.row) for ring in rings)
    polygon = shapely.Polygon(shell, holes)
    return polygon if polygon.is_valid and polygon.area > 0 else None
