"""The layers of a map, made together while its blocks pass by once. Knows regions and rows, no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from geoseg.classes import ClassMap
from geoseg.vector.arcs import Arcs
from geoseg.vector.attributes import OpenRegions
from geoseg.vector.blocks import BlockPixels, ClassSource
from geoseg.vector.boundaries import BoundaryLines, Ground
from geoseg.vector.columns import BOUNDARIES, CLASS_COLUMN, FOOTPRINTS, LANDCOVER, REVIEW, LandcoverRows, Provenance
from geoseg.vector.footprint_rows import FootprintRows
from geoseg.vector.layers import BOUNDARIES_LAYER, FOOTPRINTS_LAYER, LANDCOVER_LAYER, REVIEW_LAYER, Layer
from geoseg.vector.options import VectorOptions
from geoseg.vector.outlines import Outlines
from geoseg.vector.perimeter import ground_metric, perimeters
from geoseg.vector.polygonize import link_arcs, to_wkb
from geoseg.vector.regions import Regions
from geoseg.vector.review import ReviewList
from geoseg.vector.rings import Outliner
from geoseg.vector.spool import Spool
from geoseg.vector.style import boundary_style, footprint_style, polygon_style, review_style
from geoseg.vector.summary import ClassSummary, summarize
from geoseg.vector.tracing import Shape, traced_blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class Spools:
    """Where features of further layers wait: a file takes one layer after the other."""

    lines: Spool | None
    """For boundaries; None where none are wanted."""

    footprints: Spool | None
    """For buildings; None where none are wanted."""


class LayerMaking:
    """Makes polygons, and on the way lines and points, of regions that are known."""

    def __init__(self, source: ClassSource, regions: Regions, classes: ClassMap, options: VectorOptions) -> None:
        """Know what is to be made.

        Args:
            source: the rasters.
            regions: theirs, found in the blocks that will pass by.
            classes: the legend.
            options: which layers, and how.
        """
        georef = source.georef
        self._regions, self._classes, self._options = regions, classes, options
        self._georef, self._area_scale = georef, source.area_scale
        self._ground = Ground(transform=georef.transform, metric=ground_metric(georef))
        self._shape = Shape.of(options, regions, classes, height=georef.height, gsd=georef.gsd)
        self._certainty = OpenRegions(regions.table, classes)
        self._review = ReviewList(options.review)
        reader = source.class_against_others if source.has_probabilities else None
        self._plain = Outliner()
        self._footprints = FootprintRows(regions.table, classes, options.regularize, georef, reader)
        self._lines = BoundaryLines(regions.table, classes, self._ground, joints=self._shape.joints)

    def layers(
        self, blocks: Iterable[BlockPixels], provenance: Provenance, spools: Spools, *, workers: int
    ) -> list[Layer]:
        """The layers, to be written one after the other.

        Args:
            blocks: the raster from top to bottom; drawn while the rows of the first layer are.
            provenance: stands in every row.
            spools: where other features wait until the polygons are written.
            workers: threads.
        """
        polygons = Layer(
            name=LANDCOVER_LAYER,
            description="Land cover",
            schema=LANDCOVER,
            geometry="Polygon",
            batches=self._polygons(blocks, provenance, spools, workers),
            style=polygon_style(self._classes, CLASS_COLUMN),
        )
        return [polygons, *self._further(spools)]

    def summaries(self) -> list[ClassSummary]:
        """What there is of each class; asked when the layers are written."""
        means = self._certainty.class_means()
        return summarize(self._regions.table, self._classes, self._area_scale, means=means)

    def _further(self, spools: Spools) -> Iterator[Layer]:
        if spools.lines is not None:
            yield Layer(
                name=BOUNDARIES_LAYER,
                description="Boundaries between classes",
                schema=BOUNDARIES,
                geometry="LineString",
                batches=spools.lines.batches(),
                style=boundary_style("left_class"),
            )
        if spools.footprints is not None:
            yield Layer(
                name=FOOTPRINTS_LAYER,
                description="Buildings with right angles",
                schema=FOOTPRINTS,
                geometry="Polygon",
                batches=spools.footprints.batches(),
                style=footprint_style(self._classes, CLASS_COLUMN),
            )
        if self._options.review:
            yield Layer(
                name=REVIEW_LAYER,
                description="The least certain regions",
                schema=REVIEW,
                geometry="Point",
                batches=self._review.batches(),
                style=review_style(self._classes, CLASS_COLUMN),
            )

    def _polygons(
        self, blocks: Iterable[BlockPixels], provenance: Provenance, spools: Spools, workers: int
    ) -> Iterator[pa.RecordBatch]:
        table = self._regions.table
        rows = LandcoverRows(table, self._classes, provenance, area_scale=self._area_scale)
        outliner = Outliner(joints=self._shape.joints, keep_nodes=not self._options.strict)
        arcs = self._arcs(blocks, spools.lines, workers)
        for outlines in link_arcs(arcs, table.bottoms, outliner, height=self._georef.height):
            if len(outlines):
                batch = self._batch(outlines, rows)
                self._review.look_at(batch)
                if spools.footprints is not None:
                    for footprints in self._footprints.batches(self._buildings(outlines)):
                        spools.footprints.write(footprints)
                yield batch

    def _arcs(self, blocks: Iterable[BlockPixels], spool: Spool | None, workers: int) -> Iterator[tuple[int, Arcs]]:
        """Arcs of the blocks, with the first row below each; notes on the way what else is wanted of a block."""
        for block in traced_blocks(blocks, self._regions, self._shape, self._certainty, workers=workers):
            self._certainty.add(block.certainty)
            if block.plain is not None:
                self._plain.add(block.plain)
            if spool is not None:
                spool.write(self._lines.add(block.arcs))
            yield block.below, block.arcs

    def _buildings(self, outlines: Outlines) -> Outlines:
        """The regions, those that are buildings as they were traced: footprints are better than that or not at all."""
        if self._shape.kept_plain is None:
            return outlines
        complete = np.zeros_like(self._shape.kept_plain)
        complete[outlines.region_ids] = True
        return self._plain.take(complete & self._shape.kept_plain)

    def _batch(self, outlines: Outlines, rows: LandcoverRows) -> pa.RecordBatch:
        metric = self._ground.metric
        return rows.batch(
            outlines.region_ids,
            to_wkb(outlines, self._georef.transform),
            perimeters=None if metric is None else perimeters(outlines, metric),
            certainty=self._certainty.of(outlines.region_ids),
        )
