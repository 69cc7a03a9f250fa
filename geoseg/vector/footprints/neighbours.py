"""Footprints that come too close to each other: they get a common wall, or one gives way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from geoseg.vector.footprints.walls import ANGLE, OFFSET, corners

_COMMON = 0.75
"""Walls of neighbours that are nearer are one, px: in a raster no gap is narrower than a pixel."""

_ALIKE = np.cos(np.radians(12))
"""Cosine of the greatest angle between walls that become one."""

_NOTHING = 1e-10
"""An area that is rounding only, px²."""

Suits = Callable[[int, shapely.Polygon], bool]
"""True where a polygon is good enough for building `i`."""


class Town:
    """Footprints of buildings side by side, no two of which overlap once they are settled."""

    def __init__(
        self,
        footprints: Sequence[shapely.Polygon],
        raw: Sequence[shapely.Polygon],
        suits: Suits,
        fixed: Sequence[shapely.Polygon],
    ) -> None:
        self._fixed = len(footprints)
        self._footprints: list[shapely.Polygon] = [*footprints, *fixed]
        self._raw = raw
        self._suits = suits
        boxes = _boxes(self._footprints, raw)
        pairs = shapely.STRtree(boxes).query(boxes)
        self._near = [list[int]() for _ in self._footprints]
        for one, other in pairs[:, pairs[0] != pairs[1]].T.tolist():
            self._near[one].append(other)

    def settle(self) -> list[shapely.Polygon]:
        """Let neighbours have common walls and take overlaps away.

        The greatest building is settled first. Each next one takes the walls of those before where they run beside its
        own, and loses what those cover. Where it would then no longer suit, it gets its raw polygon and those before
        lose what that covers.

        Returns:
            The footprints in their order, without the fixed ones.
        """
        crowded = [each for each in range(self._fixed) if self._is_crowded(each)]
        crowded.sort(key=lambda each: -self._footprints[each].area)
        waiting = set(crowded)
        for each in crowded:
            waiting.discard(each)
            self._place(each, [other for other in self._near[each] if other not in waiting])
        return self._footprints[: self._fixed]

    def _is_crowded(self, each: int) -> bool:
        near = self._near[each]
        if not near:
            return False
        distances = shapely.distance(self._footprints[each], [self._footprints[other] for other in near])
        return bool(np.min(distances) < _COMMON)

    def _place(self, each: int, settled: list[int]) -> None:
        """Find room for a footprint among those that are settled."""
        own = self._footprints[each]
        others = [self._footprints[other] for other in settled]
        for outline in (_with_common_walls(own, others), own):
            room = _without(outline, others)
            if room is not None and self._suits(each, room):
                self._footprints[each] = room
                return
        self._place_raw(each, settled)

    def _place_raw(self, each: int, settled: list[int]) -> None:
        """Give a building its raw polygon and take that from its neighbours."""
        raw = self._raw[each]
        self._footprints[each] = _without(raw, self._footprints[self._fixed :]) or raw
        for other in settled:
            if other >= self._fixed or not _overlap(self._footprints[other], self._footprints[each]):
                continue
            rest = _without(self._footprints[other], [self._footprints[each]])
            if rest is not None and self._suits(other, rest):
                self._footprints[other] = rest
            else:
                self._place_raw(other, [neighbour for neighbour in self._near[other] if neighbour != each])


def _boxes(footprints: Sequence[shapely.Polygon], raw: Sequence[shapely.Polygon]) -> NDArray[np.object_]:
    """What a footprint may cover, with half the distance to its neighbours."""
    bounds = shapely.bounds(np.array(footprints))
    own = shapely.bounds(np.array(raw))
    bounds[: len(raw), :2] = np.minimum(bounds[: len(raw), :2], own[:, :2])
    bounds[: len(raw), 2:] = np.maximum(bounds[: len(raw), 2:], own[:, 2:])
    return np.asarray(shapely.box(*(bounds + np.array([-1, -1, 1, 1]) * _COMMON).T))


def _overlap(one: shapely.Polygon, other: shapely.Polygon) -> bool:
    return bool(one.intersects(other)) and one.intersection(other).area > _NOTHING


def _without(polygon: shapely.Polygon, others: Sequence[shapely.Polygon]) -> shapely.Polygon | None:
    """The greatest part of a polygon that others do not cover; None where there is none."""
    for other in others:
        if _overlap(polygon, other):
            parts = [part for part in shapely.get_parts(polygon.difference(other)) if isinstance(part, shapely.Polygon)]
            if not parts:
                return None
            polygon = max(parts, key=lambda part: part.area)
    return polygon


def _with_common_walls(own: shapely.Polygon, others: Sequence[shapely.Polygon]) -> shapely.Polygon:
    """The footprint with its walls on those of others that run beside them."""
    near = [other for other in others if own.distance(other) < _COMMON]
    if not near or own.interiors:
        return own
    walls = _walls_of_polygon(own)
    beside = np.concatenate([_walls_of_polygon(other) for other in near])
    ends = np.concatenate([_middles_and_halves(other) for other in near])
    for wall, (x, y, _) in zip(walls, _middles_and_halves(own), strict=True):
        match = _match(wall, np.array([x, y]), beside, ends)
        if match is not None:
            wall[OFFSET], wall[ANGLE] = -match[OFFSET], match[ANGLE] + np.pi
    points, _ = corners(walls)
    moved = shapely.Polygon(points) if np.isfinite(points).all() else own
    return moved if moved.is_valid and moved.area > 0 else own


def _match(
    wall: NDArray[np.float64], middle: NDArray[np.float64], beside: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """The nearest wall of a neighbour that runs beside the middle of a wall, the other way."""
    normals = np.stack([np.cos(beside[:, ANGLE]), np.sin(beside[:, ANGLE])], axis=1)
    far = np.abs(normals @ middle - beside[:, OFFSET])
    along = np.hypot(ends[:, 0] - middle[0], ends[:, 1] - middle[1])
    fits = (np.cos(beside[:, ANGLE] - wall[ANGLE]) < -_ALIKE) & (far < _COMMON) & (along < ends[:, 2] + 1)
    return beside[np.where(fits, far, np.inf).argmin()] if fits.any() else None


def _walls_of_polygon(polygon: shapely.Polygon) -> NDArray[np.float64]:
    """The walls (walls, 4) of a shell, normals outwards."""
    points = _points(polygon)
    x, y = (np.roll(points, -1, axis=0) - points).T
    angles = np.arctan2(-x, y)
    middles = _middles_and_halves(polygon)
    offsets = middles[:, 0] * np.cos(angles) + middles[:, 1] * np.sin(angles)
    return np.column_stack([offsets, angles, np.zeros((len(angles), 2))])


def _middles_and_halves(polygon: shapely.Polygon) -> NDArray[np.float64]:
    """Middle and half the length of each wall of a shell (walls, 3)."""
    points = _points(polygon)
    after = np.roll(points, -1, axis=0)
    return np.column_stack([(points + after) / 2, np.hypot(*(after - points).T) / 2])


def _points(polygon: shapely.Polygon) -> NDArray[np.float64]:
    """Corners of a shell, clockwise as seen with rows downwards, without the last."""
    return shapely.get_coordinates(shapely.orient_polygons(polygon, exterior_cw=False).exterior)[:-1]
