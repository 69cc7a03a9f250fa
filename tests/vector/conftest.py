"""A small map as the layers of a vector file, made from arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from affine import Affine
from pyproj import CRS

from geoseg.classes import ClassMap
from geoseg.georef import GeoRef
from geoseg.vector.attributes import OpenRegions
from geoseg.vector.boundaries import BoundaryLines, Ground
from geoseg.vector.columns import BOUNDARIES, CLASS_COLUMN, LANDCOVER, REVIEW, LandcoverRows, Provenance
from geoseg.vector.geometries import to_wkb
from geoseg.vector.layers import Layer, Table
from geoseg.vector.perimeter import ground_metric, perimeters
from geoseg.vector.polygonize import Outliner, link_arcs, trace_arcs
from geoseg.vector.regions import RegionBlock, find_regions
from geoseg.vector.review import ReviewList
from geoseg.vector.run_table import RunRecord, run_table
from geoseg.vector.style import boundary_style, polygon_style, review_style
from geoseg.vector.summary import summarize, summary_table
from geoseg.window import Window

LEGEND = ClassMap.of([(4, "forest", "#228833"), (0, "water", "#4477aa"), (9, "crops & fields", "#ccbb44")])
UTM = CRS.from_epsg(32633).to_wkt()
NORTH_UP = Affine(2.0, 0.0, 500_000.0, 0.0, -2.0, 5_000_000.0)
PROVENANCE = Provenance(scene="scene.tif", acquired=date(2024, 5, 6), model="demo", run_id="0123456789abcdef")


@dataclass
class SmallMap:
    """All rows of a small map."""

    georef: GeoRef
    landcover: list[pa.RecordBatch]
    boundaries: list[pa.RecordBatch]
    review: list[pa.RecordBatch]
    tables: list[Table]

    def layers(self) -> list[Layer]:
        return [
            Layer(
                name="landcover",
                description="Land cover",
                schema=LANDCOVER,
                geometry="Polygon",
                batches=self.landcover,
                style=polygon_style(LEGEND, CLASS_COLUMN),
            ),
            Layer(
                name="boundaries",
                description="Boundaries between classes",
                schema=BOUNDARIES,
                geometry="LineString",
                batches=self.boundaries,
                style=boundary_style("left_class"),
            ),
            Layer(
                name="review",
                description="Regions to look at",
                schema=REVIEW,
                geometry="Point",
                batches=self.review,
                style=review_style(LEGEND, CLASS_COLUMN),
            ),
        ]


def make_map(
    class_ids: np.ndarray,
    *,
    block_rows: int = 1024,
    crs: str | None = UTM,
    transform: Affine = NORTH_UP,
    confidence: np.ndarray | None = None,
    probabilities: np.ndarray | None = None,
    review: int = 5,
) -> SmallMap:
    height, width = class_ids.shape
    georef = GeoRef(crs=crs, transform=transform, height=height, width=width)
    metric = ground_metric(georef)
    windows = [Window.between(top, min(top + block_rows, height), 0, width) for top in range(0, height, block_rows)]
    blocks = [RegionBlock(window=window, class_ids=class_ids[window.row : window.bottom]) for window in windows]
    areas = None if crs is None else lambda window: np.rint(georef.pixel_areas(window) * 1024).astype(np.int64)
    regions = find_regions(blocks, areas=areas, with_borders=False, workers=1)
    open_regions = OpenRegions(regions.table, LEGEND)
    lines = BoundaryLines(regions.table, LEGEND, Ground(transform=transform, metric=metric))
    boundaries = []

    def bands():
        for index, window in enumerate(windows):
            ids = regions.block_ids(index, blocks[index].class_ids)
            rows = slice(window.row, window.bottom)
            open_regions.add(
                open_regions.measure(
                    ids,
                    window.row,
                    confidence=None if confidence is None else confidence[rows],
                    probabilities=None if probabilities is None else probabilities[:, window.row : window.bottom + 2],
                )
            )
            arcs = trace_arcs(ids, first_row=window.row, height=height)
            boundaries.append(lines.add(arcs))
            yield window.bottom, arcs

    rows = LandcoverRows(regions.table, LEGEND, PROVENANCE, area_scale=1024)
    reviewed = ReviewList(review)
    landcover = []
    for outlines in link_arcs(bands(), regions.table.bottoms, Outliner(), height=height):
        batch = rows.batch(
            outlines.region_ids,
            to_wkb(outlines, transform),
            perimeters=None if metric is None else perimeters(outlines, metric),
            certainty=None if confidence is None else open_regions.of(outlines.region_ids),
        )
        reviewed.look_at(batch)
        landcover.append(batch)
    means = None if confidence is None else open_regions.class_means()
    summaries = summarize(regions.table, LEGEND, 1024, means=means)
    tables = [summary_table(summaries), run_table(RunRecord(provenance=PROVENANCE, options={"simplify": 1.5}))]
    return SmallMap(georef, landcover, boundaries, list(reviewed.batches()), tables)


@pytest.fixture
def small_map() -> Callable[..., SmallMap]:
    """Makes a map from class ids."""
    return make_map
