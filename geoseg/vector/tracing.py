"""One block after the other on the way from pixels to arcs. Knows arrays, no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geoseg.ahead import in_order
from geoseg.classes import NODATA_ID, ClassMap
from geoseg.vector.arcs import Arcs, trace_arcs
from geoseg.vector.attributes import OpenPart, OpenRegions
from geoseg.vector.blocks import BlockPixels
from geoseg.vector.options import Method, VectorOptions
from geoseg.vector.regions import Regions
from geoseg.vector.rings import Joints
from geoseg.vector.simplify import Seams, simplify_arcs
from geoseg.vector.smooth import smooth_arcs


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TracedBlock:
    """What a block adds to the polygons."""

    below: int
    """First row below it."""

    arcs: Arcs
    """Its arcs, as they are to be."""

    plain: Arcs | None
    """Those beside chosen regions as they were traced, with nothing on the other side; None where none are chosen."""

    certainty: OpenPart
    """What its pixels say of its regions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """How arcs are changed before they become outlines."""

    tolerance: float
    """How far they may move to have fewer points, px; 0 leaves them all."""

    method: Method
    """Which points they lose."""

    smooth: bool
    """True where they move to where probabilities are equal."""

    height: int
    """Rows of the raster."""

    kept_plain: NDArray[np.bool_] | None
    """(regions + 1,) by region id: True where the arcs as they were traced are wanted too; None where nowhere."""

    positions: NDArray[np.int16]
    """(regions + 1,) by region id: position of its class in the legend; -1 for none."""

    @classmethod
    def of(
        cls, options: VectorOptions, regions: Regions, classes: ClassMap, *, height: int, gsd: float | None
    ) -> Shape:
        """As the options say.

        Args:
            options: of the run.
            regions: whose arcs they are.
            classes: the legend.
            height: rows of the raster.
            gsd: of the raster, m; None without a CRS, and the tolerance is in pixels.
        """
        positions = classes.indices_of_ids().astype(np.int16)[regions.table.class_ids]
        changes = options.smooth or options.simplify > 0
        buildings = [entry.id for entry in classes.classes if entry.name in options.regularize]
        wanted = np.append(False, np.isin(regions.table.class_ids, buildings))
        return cls(
            kept_plain=wanted if changes and buildings else None,
            tolerance=options.simplify / (gsd or 1.0),
            method=options.simplify_method,
            smooth=options.smooth,
            height=height,
            positions=np.concatenate([np.array([-1], dtype=np.int16), positions]),
        )

    @property
    def joints(self) -> Joints:
        """What becomes of the ends of arcs at seams."""
        if self.tolerance > 0:
            return "all"
        return "none" if self.smooth else "corners"

    def plain(self, arcs: Arcs) -> Arcs | None:
        """The arcs beside chosen regions."""
        if self.kept_plain is None:
            return None
        left = np.where(self.kept_plain[arcs.left], arcs.left, 0)
        right = np.where(self.kept_plain[arcs.right], arcs.right, 0)
        return replace(arcs, left=left, right=right)

    def apply(self, arcs: Arcs, ids: NDArray[np.int32], pixels: BlockPixels) -> Arcs:
        """Smooth and simplify the arcs of a block."""
        window = pixels.window
        if self.smooth and pixels.probabilities is not None:
            arcs = smooth_arcs(arcs, ids, pixels.probabilities, self.positions, first_row=window.row)
        seams = Seams(first_row=window.row, last_row=window.bottom, height=self.height)
        return simplify_arcs(arcs, self.tolerance, self.method, seams)


def traced_blocks(
    blocks: Iterable[BlockPixels], regions: Regions, shape: Shape, certainty: OpenRegions, *, workers: int
) -> Iterator[TracedBlock]:
    """Trace blocks by several threads.

    Args:
        blocks: the raster, cut as the regions were found in it; drawn in the caller's thread.
        regions: which region each pixel belongs to.
        shape: what happens to the arcs.
        certainty: measures pixels; what it measured is the caller's to add.
        workers: threads.
    """

    def traced(numbered: tuple[int, BlockPixels]) -> TracedBlock:
        number, pixels = numbered
        window = pixels.window
        ids = regions.block_ids(number, pixels.class_ids)
        part = certainty.measure(ids, window.row, confidence=pixels.confidence, probabilities=pixels.probabilities)
        arcs = trace_arcs(ids, first_row=window.row, height=shape.height)
        return TracedBlock(
            below=window.bottom, arcs=shape.apply(arcs, ids, pixels), plain=shape.plain(arcs), certainty=part
        )

    return in_order(traced, enumerate(blocks), workers=workers)


def second_classes(
    blocks: Iterable[BlockPixels], regions: Regions, classes: ClassMap, *, workers: int
) -> NDArray[np.uint8]:
    """Class (regions,) that is the most probable after a region's own, by the mean over its pixels; 255 for none.

    Args:
        blocks: the raster, cut as the regions were found in it; drawn in the caller's thread.
        regions: which region each pixel belongs to.
        classes: the legend.
        workers: threads.
    """
    certainty = OpenRegions(regions.table, classes)

    def measured(numbered: tuple[int, BlockPixels]) -> OpenPart:
        number, pixels = numbered
        ids = regions.block_ids(number, pixels.class_ids)
        return certainty.measure(ids, pixels.window.row, confidence=None, probabilities=pixels.probabilities)

    for part in in_order(measured, enumerate(blocks), workers=workers):
        certainty.add(part)
    second = certainty.of(np.arange(1, len(regions.table) + 1)).second_class
    return np.where(second < 0, NODATA_ID, second).astype(np.uint8)
