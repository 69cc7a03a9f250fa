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
from geoseg.tiling.blend import RowBlender, flat_top_cosine
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

CLASSES = 3
CPU = torch.device("cpu")


@pytest.mark.parametrize(("tile", "overlap"), [(64, 0), (64, 32), (96, 32), (256, 128), (512, 64)])
def test_neighbouring_weights_sum_to_one(tile, overlap):
    stride = tile - overlap
    total = torch.zeros(stride * 4 + tile, dtype=torch.float64)
    for place in range(5):
        total[place * stride : place * stride + tile] += flat_top_cosine(tile, overlap, first=place == 0)
    assert torch.allclose(total[: 4 * stride + tile - overlap], torch.ones(1, dtype=torch.float64), atol=1e-7)


@pytest.mark.parametrize("overlap", [0, 32])
def test_the_first_tile_of_the_lattice_counts_fully_up_to_the_edge_of_the_scene(overlap):
    assert (flat_top_cosine(64, overlap, first=True)[: 64 - overlap] == 1).all()


def test_the_ramp_is_a_raised_cosine():
    ramp = flat_top_cosine(64, 32, first=False)[:32]
    expected = [(1 - np.cos(np.pi * (k + 0.5) / 32)) / 2 for k in range(32)]
    assert ramp.numpy() == pytest.approx(expected, abs=1e-7)
    assert torch.equal(flat_top_cosine(64, 32, first=False)[32:], ramp.flip(0))


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
    for window in grid.windows():
        probabilities, tile_valid = tile_of(window)
        down = flat_top_cosine(grid.tile, grid.overlap, first=window.row == 0).double().numpy()
        across = flat_top_cosine(grid.tile, grid.overlap, first=window.col == 0).double().numpy()
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
    tile, overlap = draw(st.sampled_from([(64, 32), (64, 0), (96, 32)]))
    grid = TileGrid(height=draw(st.integers(1, 160)), width=draw(st.integers(1, 150)), tile=tile, overlap=overlap)
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
