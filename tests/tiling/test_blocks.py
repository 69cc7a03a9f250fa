"""Blocks share out a scene, and their memory is known before they run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import GridError
from geoseg.tiling.blocks import MAX_BLOCK_WIDTH, block_bytes, default_block_rows, split_into_blocks
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window


@given(height=st.integers(1, 300), width=st.integers(1, 40), rows=st.integers(1, 400))
def test_every_pixel_is_in_one_block(height, width, rows):
    count = np.zeros((height, width), dtype=np.uint8)
    for block in split_into_blocks(Window.of_shape(height, width), rows=rows):
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


@given(width=st.integers(1, 200_000), tile=st.sampled_from([64, 512]))
def test_default_blocks_are_whole_strides_of_bounded_size(width, tile):
    grid = TileGrid(height=10, width=width, tile=tile, overlap=tile // 4 // 32 * 32)
    rows = default_block_rows(grid)
    assert rows % grid.stride == 0
    assert rows >= 4 * grid.stride
    assert rows * min(width, MAX_BLOCK_WIDTH) <= max(2**26, 4 * grid.stride * MAX_BLOCK_WIDTH)


def test_the_memory_of_a_block_grows_with_its_height_by_its_result_alone():
    grid = TileGrid(height=100_000, width=5000, tile=512, overlap=128)
    low, high = (
        block_bytes(grid, Window.of_shape(rows, 5000), classes=6, bands=3, itemsize=2) for rows in (1000, 2000)
    )
    assert high - low == 3 * 1000 * 5000
    assert low >= 4 * 6 * 512 * 5000
