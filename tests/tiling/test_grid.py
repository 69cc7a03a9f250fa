"""The lattice is a function of the scene's origin alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import GridError
from geoseg.tiling.grid import NETWORK_STRIDE, TileGrid
from geoseg.window import Window

LATTICES = st.integers(1, 6).flatmap(
    lambda tile: st.tuples(st.just(tile * NETWORK_STRIDE), st.integers(0, tile // 2).map(lambda n: n * NETWORK_STRIDE))
)
GRIDS = st.builds(
    lambda height, width, lattice, edge: TileGrid(
        height=height, width=width, tile=lattice[0], overlap=lattice[1], edge_step=min(edge, lattice[0])
    ),
    st.integers(1, 300),
    st.integers(1, 300),
    LATTICES,
    st.sampled_from([0, 32, 64]),
)


@st.composite
def grids_with_a_block(draw):
    grid = draw(GRIDS)
    row, col = draw(st.integers(0, grid.height - 1)), draw(st.integers(0, grid.width - 1))
    height, width = draw(st.integers(1, grid.height - row)), draw(st.integers(1, grid.width - col))
    return grid, Window(row=row, col=col, height=height, width=width)


@given(GRIDS)
def test_every_pixel_is_covered(grid):
    covered = np.zeros((grid.height, grid.width), dtype=np.uint8)
    for window in grid.windows():
        covered[window.row : window.bottom, window.col : window.right] += 1
    assert covered.min() >= 1
    assert covered.max() <= (4 if grid.overlap else 1)


@given(GRIDS)
def test_tiles_start_at_multiples_of_the_stride_and_of_the_networks_pooling(grid):
    for window in grid.windows():
        assert window.row % grid.stride == window.col % grid.stride == 0
        assert window.row % NETWORK_STRIDE == window.col % NETWORK_STRIDE == 0
        assert 0 <= window.row < grid.height
        assert 0 <= window.col < grid.width


@given(GRIDS, st.integers(0, 300), st.integers(0, 300))
def test_growing_a_scene_moves_no_tile_and_changes_none_but_the_last(grid, more_rows, more_cols):
    larger = replace(grid, height=grid.height + more_rows, width=grid.width + more_cols)
    origins = {(window.row, window.col) for window in larger.windows()}
    assert {(window.row, window.col) for window in grid.windows()} <= origins
    inner = {w for w in grid.windows() if w.row < grid.last_row and w.col < grid.last_col}
    assert inner <= set(larger.windows())


@given(GRIDS)
def test_a_row_of_tiles_ends_with_the_first_that_reaches_the_edge(grid):
    for origins, size in ((grid.row_origins(grid.scene), grid.height), (grid.col_origins(grid.scene), grid.width)):
        assert all(origin + grid.tile < size for origin in origins[:-1])
        assert origins[-1] + grid.tile >= size


@given(GRIDS)
def test_a_tile_is_cut_only_beyond_the_scene_and_to_a_multiple_of_the_step(grid):
    for window in grid.windows():
        for start, side, size in ((window.row, window.height, grid.height), (window.col, window.width, grid.width)):
            whole = min(start + grid.tile, size) - start
            assert whole <= side <= grid.tile
            if side < grid.tile:
                assert side - whole < grid.edge_step
                assert side % grid.edge_step == 0


@given(GRIDS)
def test_computed_pixels_are_those_of_all_tiles(grid):
    assert grid.computed_pixels() == sum(window.height * window.width for window in grid.windows())


@given(grids_with_a_block())
def test_the_tiles_of_a_block_are_those_that_touch_it(grid_and_block):
    grid, block = grid_and_block
    touching = [window for window in grid.windows() if window.intersect(block)]
    assert list(grid.windows(block)) == touching


@given(GRIDS)
def test_tiles_come_row_major(grid):
    windows = list(grid.windows())
    assert windows == sorted(windows)


@pytest.mark.parametrize("wrong", [{"margin": 17}, {"margin": -1}, {"edge_step": 48}, {"edge_step": 96}])
def test_an_impossible_margin_or_step_cannot_be(wrong):
    with pytest.raises(GridError, match=r"margin is|edge step is"):
        TileGrid(height=5, width=5, tile=64, overlap=32, **wrong)


@pytest.mark.parametrize(
    ("size", "tile", "overlap", "message"),
    [
        ((0, 5), 64, 0, "positive size"),
        ((5, 5), 0, 0, "tile is 0 px: it must be a multiple of 32"),
        ((5, 5), 100, 0, "multiple of 32"),
        ((5, 5), 64, 48, "from 0 to half a tile"),
        ((5, 5), 64, 64, r"from 0 to half a tile \(32 px\)"),
        ((5, 5), 64, -32, "from 0 to half a tile"),
    ],
)
def test_an_impossible_lattice_cannot_be(size, tile, overlap, message):
    with pytest.raises(GridError, match=message):
        TileGrid(height=size[0], width=size[1], tile=tile, overlap=overlap)
