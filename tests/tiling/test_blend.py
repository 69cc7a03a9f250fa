"""Blending against the dense sum it stands for."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import GridError
from geoseg.tiling.blend import RowBlender
from geoseg.tiling.grid import TileGrid
from geoseg.tiling.weights import TileWeights
from geoseg.window import Window

CLASSES = 3
CPU = torch.device("cpu")


@functools.lru_cache(maxsize=256)
def tile_of(window):
    """Probabilities and valid pixels that depend on the tile alone."""
    random = np.random.default_rng([window.row, window.col])
    probabilities = random.dirichlet(np.ones(CLASSES), size=(window.height, window.width)).astype(np.float32)
    return torch.from_numpy(np.moveaxis(probabilities, -1, 0).copy()), random.random(window.shape) > 0.5


def dense(grid):
    """Sum of all weighted tiles on an array of the whole scene, in float64."""
    total = np.zeros((CLASSES, grid.height, grid.width))
    valid = np.zeros((grid.height, grid.width), dtype=bool)
    weights = TileWeights(grid)
    for window in grid.windows():
        probabilities, tile_valid = tile_of(window)
        down, across = (weight.astype(np.float64) for weight in (weights.down(window), weights.across(window)))
        part = window.intersect(grid.scene)
        rows, cols = part.slices_in(window)
        total[:, *part.slices_in(grid.scene)] += (probabilities.numpy() * np.outer(down, across))[:, rows, cols]
        valid[part.slices_in(grid.scene)] |= tile_valid[rows, cols]
    return total, valid


def blended(grid, block):
    blender = RowBlender(grid, block, classes=CLASSES, device=CPU)
    strips, row = [], None
    for window in grid.windows(block):
        if window.row != row:
            row = window.row
            strips.extend(blender.finish(row))
        blender.add(window, *tile_of(window))
    strips.extend(blender.finish(block.bottom))
    return strips


def pasted(grid, blocks):
    total = torch.full((CLASSES, grid.height, grid.width), torch.nan)
    valid = np.zeros((grid.height, grid.width), dtype=bool)
    for block in blocks:
        next_row = block.row
        for strip in blended(grid, block):
            assert strip.window.row == next_row
            next_row = strip.window.bottom
            there = strip.window.slices_in(grid.scene)
            total[:, *there], valid[there] = strip.probabilities, strip.valid
        assert next_row == block.bottom
    return total, valid


@st.composite
def partitions(draw):
    tile, overlap, margin, edge_step = draw(
        st.sampled_from([(64, 32, 0, 0), (64, 0, 0, 32), (96, 32, 5, 32), (128, 64, 32, 64)])
    )
    height, width = draw(st.integers(1, 160)), draw(st.integers(1, 150))
    grid = TileGrid(height=height, width=width, tile=tile, overlap=overlap, margin=margin, edge_step=edge_step)
    rows = sorted({0, grid.height, *draw(st.lists(st.integers(1, grid.height), max_size=5))})
    cols = sorted({0, grid.width, *draw(st.lists(st.integers(1, grid.width), max_size=2))})
    blocks = [
        Window.between(top, bottom, left, right)
        for top, bottom in itertools.pairwise(rows)
        for left, right in itertools.pairwise(cols)
    ]
    return grid, blocks


@given(partitions())
@settings(max_examples=10)
def test_blocks_add_up_to_the_dense_sum_and_their_cuts_leave_no_trace(partition):
    grid, blocks = partition
    total, valid = pasted(grid, blocks)
    whole, whole_valid = pasted(grid, [grid.scene])
    assert torch.equal(total, whole)
    assert np.array_equal(valid, whole_valid)
    expected, expected_valid = dense(grid)
    np.testing.assert_allclose(whole.numpy(), expected, atol=1e-6)
    assert np.array_equal(whole_valid, expected_valid)
    np.testing.assert_allclose(whole.sum(dim=0).numpy(), 1, atol=1e-6)


def test_memory_follows_the_tile_not_the_height_of_the_block():
    grid = TileGrid(height=10_000, width=64, tile=64, overlap=32)
    blender = RowBlender(grid, grid.scene, classes=CLASSES, device=CPU)
    assert blender._ring.shape == (CLASSES, 64, 64)


def test_strips_own_their_pixels():
    grid = TileGrid(height=200, width=64, tile=64, overlap=32)
    strips = blended(grid, grid.scene)
    before = [strip.probabilities.clone() for strip in strips]
    blended(grid, grid.scene)
    assert all(torch.equal(strip.probabilities, old) for strip, old in zip(strips, before, strict=True))
    assert len({strip.probabilities.data_ptr() for strip in strips}) == len(strips)


@pytest.mark.parametrize(
    "window", [Window(row=0, col=0, height=64, width=64), Window(row=0, col=640, height=64, width=64)]
)
def test_a_tile_that_comes_too_late_or_off_the_block_is_refused(window):
    grid = TileGrid(height=300, width=300, tile=64, overlap=32)
    blender = RowBlender(grid, grid.scene, classes=CLASSES, device=CPU)
    list(blender.finish(32))
    with pytest.raises(GridError, match="too late or not on block"):
        blender.add(window, *tile_of(window))
