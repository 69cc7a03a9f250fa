"""Rows of the layer of footprints, made while regions are completed. Knows columns and the grid, no files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from affine import Affine
from numpy.typing import NDArray

from geoseg.classes import ClassMap
from geoseg.errors import ConfigError
from geoseg.georef import GeoRef
from geoseg.vector.columns import CLASS_COLUMN, FOOTPRINTS, GEOMETRY, batch_of, class_names
from geoseg.vector.geometries import to_shapely
from geoseg.vector.outlines import Outlines
from geoseg.vector.regularize import regularize
from geoseg.vector.table import RegionTable
from geoseg.window import Window

_SHORTEST_PX, _SHORTEST_METRES = 3.0, 1.0  # wall of a footprint, whichever is longer
_NEAR = 3  # px: what is farther apart than this cannot come to overlap
_AROUND = 16  # px of probabilities that are read round a batch
_HALF_TURN = 180.0

Reader = Callable[[Window, int], NDArray[np.float32]]
"""Gives how the class at a position in the legend stands against others in a window (height, width), 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """Footprints that others may still come to lie beside."""

    polygons: list[shapely.Polygon]
    bottoms: NDArray[np.float64]

    def reaching(self, row: float) -> _Made:
        kept = np.flatnonzero(self.bottoms >= row)
        return _Made(polygons=[self.polygons[at] for at in kept], bottoms=self.bottoms[kept])


class FootprintRows:
    """Takes the outlines of complete regions and gives footprints of those that are buildings.

    What it holds are the footprints that reach as far down as regions which are not yet complete.
    """

    def __init__(
        self,
        table: RegionTable,
        classes: ClassMap,
        names: tuple[str, ...],
        georef: GeoRef,
        probabilities: Reader | None,
    ) -> None:
        """Know the regions.

        Args:
            table: of the regions whose ids the outlines have.
            classes: the legend.
            names: the classes of buildings.
            georef: grid of the raster.
            probabilities: how classes stand against others; None where only the regions are known.

        Raises:
            ConfigError: if one is not in the legend.
        """
        unknown = [name for name in names if name not in classes.names]
        if unknown:
            raise ConfigError(f"regularize: there is no class {unknown[0]!r}: it has {', '.join(classes.names)}")
        self._wanted = [entry for entry in classes.classes if entry.name in names]
        self._table, self._names, self._georef = table, class_names(classes), georef
        self._positions, self._probabilities = classes.indices_of_ids(), probabilities
        self._waiting = np.isin(table.class_ids, [entry.id for entry in self._wanted])
        self._shortest = max(_SHORTEST_PX, _SHORTEST_METRES / (georef.gsd or math.inf))
        self._made = _Made(polygons=[], bottoms=np.empty(0))

    def batches(self, outlines: Outlines) -> Iterator[pa.RecordBatch]:
        """Rows of the layer `footprints`, for those of the regions that are buildings."""
        raw = to_shapely(outlines, Affine.identity())
        classes_of = self._table.class_ids[outlines.region_ids - 1]
        for entry in self._wanted:
            at = np.flatnonzero(classes_of == entry.id)
            if len(at):
                yield self._rows(outlines.region_ids[at], list(raw[at]), entry.id)
        self._waiting[outlines.region_ids - 1] = False
        still = self._table.tops[self._waiting]
        self._made = self._made.reaching(float(still.min()) - _NEAR if len(still) else math.inf)

    def _rows(self, region_ids: NDArray[np.int32], raw: list[shapely.Polygon], class_id: int) -> pa.RecordBatch:
        probability = self._probability(raw, class_id)
        footprints = regularize(raw, probability, shortest=self._shortest, fixed=self._made.polygons)
        self._made = _Made(
            polygons=[*self._made.polygons, *footprints],
            bottoms=np.concatenate([self._made.bottoms, shapely.bounds(footprints)[:, 3]]),
        )
        a, b, c, d, e, f = tuple(self._georef.transform)[:6]
        on_map = shapely.affinity.affine_transform
        placed = [on_map(footprint, (a, b, d, e, c, f)) for footprint in footprints]
        columns = {
            CLASS_COLUMN: np.full(len(raw), class_id, dtype=np.int16),
            "class_name": self._names[class_id],
            "area_m2": self._areas(footprints),
            "iou": _overlaps(footprints, raw),
            "angle": np.array([_angle(polygon) for polygon in placed]),
            "region_id": self._table.region_ids[region_ids - 1],
            GEOMETRY: pa.array(shapely.to_wkb(shapely.orient_polygons(placed), flavor="iso"), pa.binary()),
        }
        return batch_of(FOOTPRINTS, columns, len(raw))

    def _probability(
        self, raw: list[shapely.Polygon], class_id: int
    ) -> Callable[[Window], NDArray[np.floating]] | None:
        """Probabilities round some regions, read once, 0 to 1."""
        if self._probabilities is None:
            return None
        left, top, right, bottom = shapely.total_bounds(raw)
        rows = math.floor(top) - _AROUND, math.ceil(bottom) + _AROUND
        around = Window.between(*rows, math.floor(left) - _AROUND, math.ceil(right) + _AROUND)
        inside = around.intersect(self._georef.window)
        if inside is None:
            return None
        known = self._probabilities(inside, int(self._positions[class_id]))

        def probability(window: Window) -> NDArray[np.floating]:
            found = np.zeros(window.shape, dtype=np.float32)
            part = window.intersect(inside)
            if part is not None:
                found[part.slices_in(window)] = known[part.slices_in(inside)]
            return found

        return probability

    def _areas(self, footprints: list[shapely.Polygon]) -> NDArray[np.float64] | None:
        """Ground areas, m²: pixels times the area of the one in the middle."""
        areas = np.empty(len(footprints))
        for at, footprint in enumerate(footprints):
            middle = footprint.centroid
            row = min(max(int(middle.y), 0), self._georef.height - 1)
            col = min(max(int(middle.x), 0), self._georef.width - 1)
            pixel = self._georef.pixel_areas(Window(row=row, col=col, height=1, width=1))
            if pixel is None:
                return None
            areas[at] = footprint.area * pixel.item()
        return areas


def _overlaps(footprints: list[shapely.Polygon], raw: list[shapely.Polygon]) -> NDArray[np.float64]:
    """Intersection over union with the regions, 0 to 1."""
    common = shapely.area(shapely.intersection(footprints, raw))
    return np.asarray(common / (shapely.area(footprints) + shapely.area(raw) - common))


def _angle(polygon: shapely.Polygon) -> float:
    """Direction of the longest wall on the map, degrees from east to north, 0 to below 180."""
    points = shapely.get_coordinates(polygon.exterior)
    steps = np.diff(points, axis=0)
    x, y = steps[np.hypot(steps[:, 0], steps[:, 1]).argmax()]
    return math.degrees(math.atan2(y, x)) % _HALF_TURN
