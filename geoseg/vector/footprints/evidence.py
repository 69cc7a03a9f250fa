"""What is known of one building: its raw polygon and the area fractions of the pixels around it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.vector.footprints.contour import blur_of, farthest, trace_contour
from geoseg.vector.footprints.coverage import coverage, soft_overlap
from geoseg.vector.footprints.direction import main_direction
from geoseg.vector.footprints.target import REACH, blurred, soft_target
from geoseg.window import Window

Probability = Callable[[Window], NDArray[np.floating]]
"""Gives the probabilities (height, width) of the buildings' class in a window; 0 where it leaves the scene."""

_SOFT_MASK = 1.0
"""Blur of the raw polygon that stands in for probabilities, px."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """One building; points are columns and rows from the origin of its window."""

    window: Window
    """Around the building, with some pixels more on each side."""

    raw: shapely.Polygon
    """Its raw polygon, in the scene's pixel coordinates."""

    target: NDArray[np.float64]
    """(height, width), area fractions of this building."""

    points: NDArray[np.float64]
    """(points, 2), where the target is one half."""

    rings: NDArray[np.int64]
    """(rings + 1,), rings of these points: the shell, then the holes."""

    blur: float
    """Of the target, px."""

    direction: float
    """Main direction, radians from the columns' axis."""

    agreement: float
    """Soft IoU of the raw polygon and the target."""

    def suits(self, polygon: shapely.Polygon) -> bool:
        """True where a polygon in the scene's pixel coordinates has at least the raw one's soft IoU with the target."""
        return soft_overlap(_covered(polygon, self.window), self.target) >= self.agreement

    def distance(self, polygon: shapely.Polygon) -> float:
        """How far a polygon's shell and the target's contour are apart where they are farthest, px."""
        shell = shapely.get_coordinates(polygon.exterior) - (self.window.col, self.window.row)
        contour = self.points[: self.rings[1]]
        return max(farthest(contour, shell), farthest(shell, contour))

    def misfit(self, polygon: shapely.Polygon) -> float:
        """Area by which a polygon, as blurred as the target, differs from it, px²: it tells what blur hides."""
        return float(np.abs(blurred(_covered(polygon, self.window), self.blur) - self.target).sum())


def evidence_of(polygon: shapely.Polygon, probability: Probability | None) -> Evidence | None:
    """Look at one building.

    Args:
        polygon: raw, in the scene's pixel coordinates.
        probability: of its class; None where only the polygon is known.

    Returns:
        What is known, or None where the polygon covers no pixel by more than half.
    """
    window = _window_around(polygon)
    raw = _covered(polygon, window)
    inside = raw > 0.5  # noqa: PLR2004 - most of the pixel
    if not inside.any():
        return None
    soft = blurred(raw, _SOFT_MASK) if probability is None else probability(window).astype(np.float64)
    target = soft_target(inside, soft)
    points, rings = _shell_and_holes(*trace_contour(target))
    return Evidence(
        window=window,
        raw=polygon,
        target=target,
        points=points,
        rings=rings,
        blur=blur_of(target),
        direction=main_direction(points, rings),
        agreement=soft_overlap(raw, target),
    )


def _window_around(polygon: shapely.Polygon) -> Window:
    """The pixels that a polygon may be fitted to."""
    left, top, right, bottom = polygon.bounds
    margin = 2 * REACH
    return Window.between(
        int(np.floor(top)) - margin,
        int(np.ceil(bottom)) + margin,
        int(np.floor(left)) - margin,
        int(np.ceil(right)) + margin,
    )


def _covered(polygon: shapely.Polygon, window: Window) -> NDArray[np.float64]:
    """Area fractions (height, width) of a polygon in the pixels of a window."""
    rings = [shapely.get_coordinates(polygon.exterior), *map(shapely.get_coordinates, polygon.interiors)]
    turned = [ring if (signed_area(ring) > 0) == (number == 0) else ring[::-1] for number, ring in enumerate(rings)]
    points = np.concatenate(turned) - (window.col, window.row)
    return coverage(points, np.cumsum([0, *map(len, rings)]), window.height, window.width)


def _shell_and_holes(
    points: NDArray[np.float64], rings: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The ring with the greatest area and the holes, which run the other way; other shells are left out."""
    if len(rings) == 2:  # noqa: PLR2004 - one ring
        return points, rings
    parts = np.split(points, rings[1:-1])
    areas = np.array([signed_area(part) for part in parts])
    chosen = [parts[int(areas.argmax())], *(part for part, area in zip(parts, areas, strict=True) if area < 0)]
    return np.concatenate(chosen), np.cumsum([0, *map(len, chosen)])


def signed_area(ring: NDArray[np.float64]) -> float:
    """Area of a ring (points, 2), px²; above 0 clockwise as seen with rows downwards."""
    x, y = ring[:, 0] - ring[0, 0], ring[:, 1] - ring[0, 1]
    return float(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])) / 2
