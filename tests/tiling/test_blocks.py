"""Blocks share out a scene, and little is done twice where it is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import GridError
from geoseg.tiling.blocks import MAX_BLOCK_WIDTH, column_cuts, default_block_rows, split_into_blocks
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

WIDE = st.integers(2049, 200_000)
MOST = st.sampled_from([1024, 4096, 16_384])
OVERLAP = st.sampled_from([0, 32, 64, 128, 256])
STORAGE = st.sampled_from([1, 256, 512, 1024, 100_000])


@given(height=st.integers(1, 300), width=st.integers(1, 40), rows=st.integers(1, 400))
def test_every_pixel_is_in_one_block(height, width, rows):
    count = np.zeros((height, width), dtype=np.uint8)
    for block in split_into_blocks(Window.of_shape(height, width), rows=rows, cuts=(width // 2,) if width // 2 else ()):
        count[block.slices_in(Window.of_shape(height, width))] += 1
        assert block.height <= rows
    assert (count == 1).all()


def test_a_very_wide_scene_is_cut_in_columns_too_row_by_row():
    blocks = list(split_into_blocks(Window.of_shape(3, 2 * MAX_BLOCK_WIDTH + 1), rows=2))
    assert [(block.row, block.col) for block in blocks] == [(r, c * MAX_BLOCK_WIDTH) for r in (0, 2) for c in range(3)]
    assert [block.width for block in blocks[:3]] == [MAX_BLOCK_WIDTH, MAX_BLOCK_WIDTH, 1]


@pytest.mark.parametrize("rows", [0, -1])
def test_blocks_need_rows(rows):
    with pytest.raises(GridError, match=f"block rows are {rows}"):
        list(split_into_blocks(Window.of_shape(3, 3), rows=rows))


@given(width=WIDE, overlap=OVERLAP, most=MOST, storage_cols=STORAGE, left=st.integers(0, 5000))
def test_one_column_of_tiles_lies_over_a_cut(width, overlap, most, storage_cols, left):
    grid = TileGrid(height=10, width=left + width, tile=512, overlap=overlap)
    scene = Window(row=0, col=left, height=10, width=width)
    cuts = column_cuts(grid, scene, storage_cols=storage_cols, most=most)
    blocks = list(split_into_blocks(scene, rows=10, cuts=cuts))
    columns = [set(grid.col_origins(block)) for block in blocks]
    assert sum(map(len, columns)) - len(set.union(*columns)) <= len(cuts)
    assert len(cuts) == -(-width // most) - 1
    assert all(block.width <= most + 2 * grid.tile for block in blocks)


@given(width=st.integers(30_000, 200_000), overlap=st.sampled_from([32, 64, 96]))
def test_of_a_scene_in_usual_storage_blocks_at_most_two_columns_of_them_are_decoded_twice_for_a_cut(width, overlap):
    grid = TileGrid(height=10, width=width, tile=512, overlap=overlap)
    cuts = column_cuts(grid, grid.scene, storage_cols=512)
    blocks = split_into_blocks(grid.scene, rows=10, cuts=cuts)
    decoded = 0
    for block in blocks:
        origins = grid.col_origins(block)
        left, right = origins[0], min(origins[-1] + grid.tile, width)
        decoded += min(-(-right // 512) * 512, width) - left // 512 * 512
    assert width <= decoded <= width + 2 * 512 * len(cuts) <= 1.11 * width


def test_a_scene_that_is_narrow_enough_is_not_cut():
    grid = TileGrid(height=10, width=MAX_BLOCK_WIDTH, tile=512, overlap=64)
    assert column_cuts(grid, grid.scene) == ()


@given(width=st.integers(1, 200_000), tile=st.sampled_from([64, 512]))
def test_default_blocks_are_whole_strides_of_bounded_size(width, tile):
    grid = TileGrid(height=10, width=width, tile=tile, overlap=tile // 4 // 32 * 32)
    rows = default_block_rows(grid)
    assert rows % grid.stride == 0
    assert rows >= 4 * grid.stride
    assert rows * min(width, MAX_BLOCK_WIDTH) <= max(2**26, 4 * grid.stride * MAX_BLOCK_WIDTH)
