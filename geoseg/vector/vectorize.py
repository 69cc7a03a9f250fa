"""From a class raster to a file of polygons: regions, mapping unit, arcs, outlines, layers.

The rasters are read twice by blocks. What is in memory are some blocks, the table of regions with their borders, and
the arcs of the regions that are not yet complete.
"""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import ClassMap
from geoseg.errors import ConfigError, SceneError
from geoseg.georef import GeoRef
from geoseg.vector.blocks import BLOCK_ROWS, ClassRasters, ClassSource
from geoseg.vector.columns import BOUNDARIES, FOOTPRINTS
from geoseg.vector.generalize import Merges, generalize
from geoseg.vector.giants import cut_giants
from geoseg.vector.layer_making import LayerMaking, Spools
from geoseg.vector.layers import Table
from geoseg.vector.options import VectorOptions
from geoseg.vector.regions import Regions, RegionTable, find_regions, relabelled
from geoseg.vector.run_table import RunRecord, run_table
from geoseg.vector.spool import Spool
from geoseg.vector.summary import ClassSummary, summary_table
from geoseg.vector.tracing import second_classes
from geoseg.vector.vector_file import hidden_folder, holds_one_layer, refuse_suffix, write_vector
from geoseg.window import Window

__all__ = ["ClassRasters", "ClassSummary", "VectorSummary", "vectorize"]

MOST_SIDES = 1 << 23
"""Longest outline of a polygon, pixel sides; a region with a longer one is written in pieces."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorSummary:
    """What was made of a class raster."""

    classes: list[ClassSummary]
    """What there is of each class, in the order of the legend."""

    polygons: int
    """How many there are."""

    merges: Merges | None
    """What the mapping unit did; None without one."""


def vectorize(
    rasters: ClassRasters,
    out: Path,
    *,
    classes: ClassMap,
    options: VectorOptions,
    record: RunRecord,
    progress: Callable[[int, int], None] | None = None,
) -> VectorSummary:
    """Turn a class raster into polygons.

    Args:
        rasters: the class raster, and confidence and probabilities where there are any.
        out: .gpkg, .parquet or .fgb; a file there is replaced at the end. Scratch files stand beside it meanwhile.
        classes: the legend.
        options: what becomes of the regions.
        record: how the map was made, for the file.
        progress: is told rows done and rows to do; every row counts as often as it is read, two or three times.

    Raises:
        ConfigError: if boundaries are to be smoothed without probabilities, or the ending of `out` says no format.
        SceneError: if a raster cannot be read, does not fit the others, or holds an unknown class.
        OutputError: if the file or a scratch file cannot be written.
    """
    refuse_suffix(out)
    _require_probabilities(rasters, options)
    if rasters.confidence is None:
        options = replace(options, review=0)
    workers = options.workers or os.cpu_count() or 1
    with ExitStack() as stack:
        source = stack.enter_context(ClassSource(rasters, classes))
        scratch = stack.enter_context(hidden_folder(out))
        spools = Spools(
            lines=stack.enter_context(Spool(scratch / "lines.arrow", BOUNDARIES)) if options.boundaries else None,
            footprints=stack.enter_context(Spool(scratch / "footprints.arrow", FOOTPRINTS))
            if options.regularize
            else None,
        )
        by_probability = options.mapping_unit > 0 and options.mapping_by == "probability"
        tell = _Rows((3 if by_probability else 2) * source.georef.height, progress)
        regions = find_regions(
            source.class_blocks(tell, rows=BLOCK_ROWS),
            areas=source.areas,
            with_borders=options.mapping_unit > 0,
            workers=workers,
        )
        _refuse_unknown_classes(rasters.class_raster, regions.table, classes)
        blocks = source.pixel_blocks(tell, rows=BLOCK_ROWS) if by_probability else None
        second = None if blocks is None else second_classes(blocks, regions, classes, workers=workers)
        regions, merges = _generalized(regions, options.mapping_unit, source.area_scale, second)
        if not options.strict:
            regions = cut_giants(regions, MOST_SIDES)
        making = LayerMaking(source, regions, classes, options)
        layers = making.layers(source.pixel_blocks(tell, rows=BLOCK_ROWS), record.provenance, spools, workers=workers)
        wanted = layers[:1] if holds_one_layer(out) else layers
        tables = functools.partial(_tables, making, record, source.georef)
        write_vector(out, wanted, crs=source.georef.crs, tables=tables)
        return VectorSummary(classes=making.summaries(), polygons=len(regions.table), merges=merges)


def _tables(making: LayerMaking, record: RunRecord, grid: GeoRef) -> list[Table]:
    return [summary_table(making.summaries()), run_table(record, grid)]


def _require_probabilities(rasters: ClassRasters, options: VectorOptions) -> None:
    if rasters.probabilities is not None:
        return
    if options.smooth:
        raise ConfigError("smooth needs the probabilities of the classes: give their raster, or leave smooth out")
    if options.mapping_by == "probability":
        raise ConfigError("mapping_by probability needs those of the classes: give their raster, or join by border")


def _generalized(
    regions: Regions, mapping_unit: float, area_scale: float, second: NDArray[np.uint8] | None
) -> tuple[Regions, Merges | None]:
    """The regions once none is below the mapping unit, and what that did."""
    if regions.borders is None:
        return regions, None
    before = regions.table
    smallest = math.ceil(mapping_unit * (1.0 if before.areas is None else area_scale))
    table, new_ids = generalize(before, regions.borders, smallest, second=second)
    merges = Merges.between(before, table, new_ids, smallest)
    log.info(
        "mapping unit of %g %s: %d of %d regions were smaller, %d polygons are left; %d px changed their class",
        *(mapping_unit, "px" if table.areas is None else "m²", merges.below, len(before), len(table), merges.pixels),
    )
    if merges.left:
        log.warning("%d regions stay below the mapping unit: they have no neighbour to join", merges.left)
    return relabelled(regions, new_ids, table), merges


class _Rows:
    """Counts the rows that are done."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._total = total
        self._done = 0
        self._progress = progress

    def __call__(self, window: Window) -> None:
        self._done += window.height
        if self._progress is not None:
            self._progress(self._done, self._total)


def _refuse_unknown_classes(path: Path, table: RegionTable, classes: ClassMap) -> None:
    unknown = set(np.unique(table.class_ids).tolist()) - set(classes.ids)
    if unknown:
        raise SceneError(f"{path}: holds class {min(unknown)}, which is not in the legend: give its own legend")
