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

_RIGHT_ANGLE = np.sin(np.radians(1))
"""Cosine of the corners that count as right angles, at most."""

_MISFIT = 0.25
"""How much more than the raw polygon an outline may differ from the target, px² for each pixel of contour."""

_ONE_RING = 2
"""Entries of the rings of a contour without holes."""

_SMALLEST_CIRCLE = 4.0
"""Radius below which nothing is taken for a circle, px; more where probabilities are blurred."""

_ROUND, _ROUGH = 0.04, 0.25
"""How far a circle's contour may be from it, as a share of the radius and in px more."""

_OTHERS = ((RIGHT, 0.5), (DIAGONAL, 1.0), (ANY, 1.0), (ANY, 0.5))
"""Kinds of walls and shares of the shortest length that are tried where long right-angled walls are not enough."""

_TOLERANCES = (0.7, 0.35)
"""How far outlines without walls may leave the contour, px."""


def best_outline(evidence: Evidence, shortest: float) -> shapely.Polygon:
    """The most regular outline whose soft IoU is not below that of the raw polygon.

    Right-angled outlines are taken where they are close. Otherwise the choice is among them and those with diagonals
    and with walls of any angle: each corner must save some area that the outline would differ from the target. What
    is round gets a circle. Where nothing of that fits, the outline follows the contour of one half.

    Args:
        evidence: what is known of the building.
        shortest: length of walls and width of holes below which they are left out, px. Where that hides too much of the
            building, half of it.

    Returns:
        A valid polygon in the scene's pixel coordinates.
    """
    circle = _circle(evidence)
    if circle is not None and _fits(circle, evidence, shortest):
        return circle
    plain = _walled(evidence, RIGHT, shortest)
    near = plain is not None and _fits(plain, evidence, (shortest + evidence.blur) / 2)
    if plain is not None and near and evidence.misfit(plain) <= evidence.misfit(evidence.raw):
        return plain
    others = _OTHERS[:1] if near else _OTHERS
    walled = [plain, *(_walled(evidence, kinds, share * shortest) for kinds, share in others)]
    fits = [each for each in walled if each is not None and _fits(each, evidence, shortest)]
    if fits:
        return min(fits, key=lambda each: evidence.misfit(each) + _cost(each) * shortest**2 / 4)
    return next((each for each in _thinned(evidence) if evidence.suits(each)), evidence.raw)


def _fits(outline: shapely.Polygon, evidence: Evidence, farthest: float) -> bool:
    if not evidence.suits(outline) or evidence.distance(outline) > farthest:
        return False
    return evidence.misfit(outline) <= evidence.misfit(evidence.raw) + _MISFIT * len(evidence.points)


def _circle(evidence: Evidence) -> shapely.Polygon | None:
    """A circle of the contour's area, where the contour is round: at small sizes squares are round too."""
    shell = shapely.Polygon(evidence.points[: evidence.rings[1]])
    radius = np.sqrt(shell.area / np.pi)
    if len(evidence.rings) > _ONE_RING or radius < _SMALLEST_CIRCLE * (1 + evidence.blur / 2):
        return None
    far = np.hypot(*(evidence.points - shapely.get_coordinates(shell.centroid)).T)
    if np.abs(far - radius).max() > _ROUND * radius + _ROUGH:
        return None
    circle = shell.centroid.buffer(radius, quad_segs=8)
    return _polygon([shapely.get_coordinates(circle)], evidence)


def _cost(outline: shapely.Polygon) -> int:
    """The number of corners, those without a right angle counted twice."""
    cost = 0
    for ring in (outline.exterior, *outline.interiors):
        points = shapely.get_coordinates(ring)
        sides = np.diff(points, axis=0)
        sides /= np.hypot(*sides.T)[:, None]
        cosines = np.sum(sides * np.roll(sides, 1, axis=0), axis=1)
        cost += len(sides) + int(np.sum(np.abs(cosines) > _RIGHT_ANGLE))
    return cost


def _thinned(evidence: Evidence) -> Iterator[shapely.Polygon]:
    """Outlines along the contour."""
    for tolerance in _TOLERANCES:
        rings = np.split(evidence.points, evidence.rings[1:-1])
        polygon = _polygon(
            [shapely.get_coordinates(shapely.LinearRing(r).simplify(tolerance)) for r in rings], evidence
        )
        if polygon is not None:
            yield polygon


def _walled(evidence: Evidence, kinds: int, shortest: float) -> shapely.Polygon | None:
    """An outline with walls of some kinds, if they make a valid one."""
    walls = _first_walls(evidence, kinds, shortest)
    if walls is None:
        return None
    fit_walls(walls, evidence.target, evidence.blur)
    fewer = without_short(walls, shortest)
    if len(fewer) < len(walls):
        fit_walls(fewer, evidence.target, evidence.blur)
        fewer = without_short(fewer, shortest)
    points, rings = corners(fewer)
    return _polygon(np.split(points, rings[1:-1]), evidence)


def _first_walls(evidence: Evidence, kinds: int, shortest: float) -> NDArray[np.float64] | None:
    """Walls along the contour, before they are fitted; None where none close a ring."""
    found = []
    for number, ring in enumerate(np.split(evidence.points, evidence.rings[1:-1])):
        if number == 0 or -signed_area(ring) >= shortest**2:
            pieces, chosen = cut_ring(ring, evidence.direction, shortest**3 / 8, kinds)
            if not len(pieces):
                return None
            found.append(walls_of(pieces, chosen != FREE, number))
    return np.concatenate(found)


def _polygon(rings: list[NDArray[np.float64]], evidence: Evidence) -> shapely.Polygon | None:
    """The polygon of a shell and its holes, if they make a valid one."""
    if any(len(ring) < _LEAST_RING or not np.isfinite(ring).all() for ring in rings):
        return None
    origin = np.array([evidence.window.col, evidence.window.row])
    shell, *holes = (ring + origin for ring in rings)
    polygon = shapely.Polygon(shell, holes)
    return polygon if polygon.is_valid and polygon.area > 0 else None
