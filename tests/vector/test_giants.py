"""Pieces of a giant region are what of it hangs together in a block."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from geoseg.vector.generalize import generalize
from geoseg.vector.giants import cut_giants
from geoseg.vector.regions import RegionBlock, Regions, find_regions, relabelled
from geoseg.window import Window

RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 1, 255]),
)


def regions_of(class_ids: np.ndarray, block_rows: int, smallest: int) -> Regions:
    blocks = [
        RegionBlock(
            window=Window(row=top, col=0, height=len(class_ids[top : top + block_rows]), width=class_ids.shape[1]),
            class_ids=class_ids[top : top + block_rows],
        )
        for top in range(0, len(class_ids), block_rows)
    ]
    regions = find_regions(blocks, areas=None, with_borders=smallest > 0, workers=1)
    if regions.borders is None:
        return regions
    table, new_ids = generalize(regions.table, regions.borders, smallest)
    return relabelled(regions, new_ids, table)


def ids_of(regions: Regions, class_ids: np.ndarray, block_rows: int) -> np.ndarray:
    tops = range(0, len(class_ids), block_rows)
    rows = [regions.block_ids(at, class_ids[top : top + block_rows]) for at, top in enumerate(tops)]
    for above, below in pairwise(rows):
        assert np.array_equal(above[-2:], below[:2])
    return np.vstack([ids[1:-1] for ids in rows])


def oracle_pieces(ids: np.ndarray, sides: np.ndarray, most_sides: int, block_rows: int) -> np.ndarray:
    """Label each block of each giant on its own, then number everything by its first pixel."""
    pieces = np.zeros_like(ids)
    for region in range(1, ids.max(initial=0) + 1):
        step = block_rows if sides[region - 1] > most_sides else len(ids)
        for top in range(0, len(ids), step):
            of_block, _ = ndimage.label(ids[top : top + step] == region)
            at = of_block > 0
            pieces[top : top + step][at] = of_block[at] + pieces.max()
    order = [int(piece) for piece in dict.fromkeys(pieces.ravel().tolist()) if piece > 0]
    return np.array([0, *(np.argsort(order) + 1)])[pieces] if order else pieces


@settings(max_examples=100)
@given(class_ids=RASTERS, block_rows=st.integers(1, 12), smallest=st.integers(0, 6), most_sides=st.integers(1, 40))
def test_pieces_are_the_components_of_giants_in_each_block(class_ids, block_rows, smallest, most_sides):
    regions = regions_of(class_ids, block_rows, smallest)
    cut = cut_giants(regions, most_sides)
    before = ids_of(regions, class_ids, block_rows)
    after = ids_of(cut, class_ids, block_rows)
    assert np.array_equal(after, oracle_pieces(before, regions.table.sides, most_sides, block_rows))
    assert len(cut.table) == after.max(initial=0)
    for position in range(len(cut.table)):
        inside = after == position + 1
        region = before[inside][0] - 1
        rows = np.nonzero(inside)[0]
        framed = np.pad(inside, 1)
        assert cut.table.class_ids[position] == regions.table.class_ids[region]
        assert cut.table.pixels[position] == inside.sum()
        assert (cut.table.tops[position], cut.table.bottoms[position]) == (rows.min(), rows.max() + 1)
        assert cut.table.sides[position] == sum(np.count_nonzero(np.diff(framed, axis=axis)) for axis in (0, 1))
        assert cut.table.region_ids[position] == after[before == region + 1].min()


def test_a_region_with_a_short_outline_stays_whole():
    class_ids = np.zeros((9, 4), dtype=np.uint8)
    regions = regions_of(class_ids, 3, 0)
    assert cut_giants(regions, 26) is regions
    assert cut_giants(regions, 25).table.pixels.tolist() == [12, 12, 12]
    assert cut_giants(regions, 25).table.region_ids.tolist() == [1, 1, 1]
