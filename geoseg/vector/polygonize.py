"""From regions to polygons that fit together without gaps, overlaps or missing corners.

Blocks of rows are traced to arcs by several threads; the arcs are linked to outlines in the caller's thread. Outlines
keep their nodes, so neighbours share all their vertices and the polygons are a valid coverage. Knows no files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from geoseg.ahead import in_order
from geoseg.vector.arcs import Arcs, trace_arcs
from geoseg.vector.geometries import to_shapely, to_wkb
from geoseg.vector.outlines import Outlines
from geoseg.vector.regions import RegionBlock, find_regions
from geoseg.vector.rings import Joints, Outliner
from geoseg.window import Window

__all__ = ["Shaping", "link_arcs", "polygonize", "polygons_of", "to_shapely", "to_wkb"]

_MOST_POINTS = 1 << 22
"""Points of a batch of outlines: 64 MiB of coordinates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaping:
    """What happens to the arcs of a block after they were traced."""

    apply: Callable[[Arcs, NDArray[np.int32], int], Arcs]
    """Takes arcs, the ids (rows + 2, width) of the block and its first row; may run in several threads at once."""

    joints: Joints
    """What becomes of joints then."""


def polygonize(
    blocks: Iterable[tuple[int, NDArray[np.int32]]],
    bottoms: NDArray[np.int64],
    *,
    height: int,
    workers: int,
    shaping: Shaping | None = None,
    strict: bool = False,
) -> Iterator[Outlines]:
    """Outline 4-connected regions. The outlines do not depend on the blocks nor on the threads.

    Args:
        blocks: first row and region ids (rows + 2, width), with the row above and the row below, of full-width rows
            from the top of the raster to its bottom; 0 is no region. They are drawn in the caller's thread.
        bottoms: first row below region `i + 1` at position `i`.
        height: rows of the raster.
        workers: threads.
        shaping: smooths or simplifies the arcs; None leaves them as they are.
        strict: True drops nodes where an outline goes straight on, as GDAL does.

    Yields:
        Outlines of the regions that ended in a block.
    """

    def trace(block: tuple[int, NDArray[np.int32]]) -> tuple[int, Arcs]:
        first_row, ids = block
        arcs = trace_arcs(ids, first_row=first_row, height=height)
        return first_row + len(ids) - 2, arcs if shaping is None else shaping.apply(arcs, ids, first_row)

    outliner = Outliner(joints="corners" if shaping is None else shaping.joints, keep_nodes=not strict)
    yield from link_arcs(in_order(trace, blocks, workers=workers), bottoms, outliner, height=height)


def link_arcs(
    blocks: Iterable[tuple[int, Arcs]], bottoms: NDArray[np.int64], outliner: Outliner, *, height: int
) -> Iterator[Outlines]:
    """Link the arcs of blocks to outlines.

    Args:
        blocks: first row below a block, and its arcs; from the top of the raster to its bottom.
        bottoms: first row below region `i + 1` at position `i`.
        outliner: without arcs.
        height: rows of the raster.

    Yields:
        Outlines of the regions that ended in a block, in parts of about 64 MB.
    """
    complete = np.zeros(len(bottoms) + 1, dtype=np.bool_)
    for below, arcs in blocks:
        outliner.add(arcs)
        np.less(bottoms, height + 1 if below == height else below, out=complete[1:])
        yield from outliner.take(complete).parts(_MOST_POINTS)


def polygons_of(
    class_ids: NDArray[np.uint8],
    transform: Affine | None = None,
    *,
    strict: bool = False,
    workers: int = 0,
    block_rows: int = 1024,
) -> tuple[NDArray[np.uint8], NDArray[np.object_]]:
    """Polygons of the 4-connected regions of a class raster in memory.

    Args:
        class_ids: (height, width); 255 is nodata and gets no polygon.
        transform: from (column, row) to map (x, y); without it that is what coordinates are.
        strict: True for polygons vertex by vertex as GDAL makes them. They are no valid coverage: a polygon has no
            vertex where two others meet on a straight piece of its outline.
        workers: threads; 0 takes one for each core.
        block_rows: rows that a thread takes at once. The polygons are the same.

    Returns:
        Class ids and shapely polygons, in the order of the regions' first pixels, row by row.
    """
    height, width = class_ids.shape
    threads = workers or os.cpu_count() or 1
    place = Affine.identity() if transform is None else transform
    windows = [Window.between(top, min(top + block_rows, height), 0, width) for top in range(0, height, block_rows)]
    blocks = [RegionBlock(window=each, class_ids=class_ids[each.row : each.row + each.height]) for each in windows]
    regions = find_regions(blocks, areas=None, with_borders=False, workers=threads)

    def trace(index: int) -> tuple[int, Arcs]:
        window = windows[index]
        ids = regions.block_ids(index, blocks[index].class_ids)
        return window.row + window.height, trace_arcs(ids, first_row=window.row, height=height)

    traced = in_order(trace, range(len(blocks)), workers=threads)
    polygons = np.empty(len(regions.table), dtype=object)
    for outlines in link_arcs(traced, regions.table.bottoms, Outliner(keep_nodes=not strict), height=height):
        polygons[outlines.region_ids - 1] = to_shapely(outlines, place)
    return regions.table.class_ids, polygons
