"""Footprints of buildings: outlines with right angles that fit the probabilities better than the pixels do."""

from __future__ import annotations

from collections.abc import Sequence

import shapely

from geoseg.vector.footprints.candidates import best_outline
from geoseg.vector.footprints.evidence import Evidence, Probability, evidence_of
from geoseg.vector.footprints.neighbours import Town


def regularize(
    polygons: Sequence[shapely.Polygon],
    probability: Probability | None = None,
    *,
    shortest: float = 3.0,
    fixed: Sequence[shapely.Polygon] = (),
) -> list[shapely.Polygon]:
    """Give buildings right-angled outlines.

    A footprint has walls along and across the main direction of its building. Where they run is fitted to the
    probabilities near the raw outline, taken as shares of the pixels' area: the sum of squared differences between the
    blurred footprint and the probabilities is least. A building that right angles do not fit gets diagonals, walls of
    any angle, or in the end its raw polygon: in no case is the soft IoU of footprint and probabilities below that of
    the raw polygon, but where `fixed` ones take ground from it.

    Args:
        polygons: raw polygons of buildings in the scene's pixel coordinates (column, row). No two overlap.
        probability: of the buildings' class in a window of the scene; one half is where its regions end. None where
            only the polygons are known.
        shortest: length of walls and width of holes below which they are left out, px.
        fixed: footprints made before, which are not changed and not overlapped.

    Returns:
        One valid polygon for each, in their order. No two overlap, and those that are beside each other share the wall
        between them.
    """
    if not polygons:
        return []

    def suits(each: int, polygon: shapely.Polygon) -> bool:
        evidence = evidence_of(polygons[each], probability)
        return evidence is None or evidence.suits(polygon)

    footprints = [_footprint(polygon, evidence_of(polygon, probability), shortest) for polygon in polygons]
    return Town(footprints, polygons, suits, fixed).settle()


def _footprint(raw: shapely.Polygon, evidence: Evidence | None, shortest: float) -> shapely.Polygon:
    return raw if evidence is None else best_outline(evidence, shortest)
