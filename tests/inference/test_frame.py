"""Blending and deciding in one pass against doing one after the other on the whole scene, to the bit."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.inference.batches import TiledBlock
from geoseg.inference.decide import DecisionRule, decide, joined
from geoseg.inference.frame import ComputedTile, Deciding, Summing, finished_rows
from geoseg.tiling.blend import RowBlender
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

CLASSES = 3


@functools.lru_cache(maxsize=256)
def tile_of(window):
    """Probabilities and valid pixels that depend on the tile alone; where nothing is valid it is not computed."""
    random = np.random.default_rng([window.row, window.col, window.height, window.width])
    probabilities = random.dirichlet(np.ones(CLASSES), size=window.shape).astype(np.float32)
    return np.ascontiguousarray(np.moveaxis(probabilities, -1, 0))


def valid_of(grid, window):
    rows, cols = np.ogrid[window.row : window.bottom, window.col : window.right]
    inside = (rows < grid.height) & (cols < grid.width)
    return inside & ((rows // 37 + cols // 41) % 3 != 0) & ((rows < 40) | (rows > 130) | (cols > 70))


def computed(grid, block):
    for window in grid.windows(block):
        valid = valid_of(grid, window)
        if valid.any():
            yield ComputedTile(window=window, probabilities=tile_of(window), valid=valid)


def one_after_the_other(grid, rule):
    blender, strips, row = RowBlender(grid, grid.scene, classes=CLASSES, device=torch.device("cpu")), [], 0
    for tile in computed(grid, grid.scene):
        while row < tile.window.row:
            row += grid.stride
            strips.extend(blender.finish(row))
        blender.add(tile.window, torch.from_numpy(tile.probabilities), tile.valid)
    while row <= grid.height:
        row += grid.stride
        strips.extend(blender.finish(min(row, grid.height)))
    return strips, joined(decide(strip, rule) for strip in strips)


@st.composite
def blocks_of_a_grid(draw):
    tile, overlap, margin, edge_step = draw(
        st.sampled_from([(64, 32, 0, 0), (64, 0, 0, 32), (96, 32, 5, 32), (128, 64, 32, 64), (64, 32, 16, 64)])
    )
    height, width = draw(st.integers(1, 200)), draw(st.integers(1, 200))
    grid = TileGrid(height=height, width=width, tile=tile, overlap=overlap, margin=margin, edge_step=edge_step)
    rows = sorted({0, height, *draw(st.lists(st.integers(1, height), max_size=4))})
    cols = sorted({0, width, *draw(st.lists(st.integers(1, width), max_size=3))})
    return grid, [
        Window.between(*down, *across)
        for down, across in itertools.product(itertools.pairwise(rows), itertools.pairwise(cols))
    ]


@given(blocks_of_a_grid(), st.booleans(), st.sampled_from([(), (0.6, 0.0, 0.4), (0.9, 0.9, 0.9)]))
@settings(max_examples=60)
def test_decisions_are_those_of_blending_and_then_deciding(legend, cut, with_probabilities, thresholds):
    grid, blocks = cut
    rule = DecisionRule(classes=legend, with_probabilities=with_probabilities, thresholds=thresholds)
    _, expected = one_after_the_other(grid, rule)
    for block in blocks:
        part = TiledBlock(grid=grid, window=block)
        found = joined(finished_rows(computed(grid, block), part, CLASSES, Deciding(rule)))
        there = block.slices_in(grid.scene)
        assert found.window == block
        assert np.array_equal(found.class_ids, expected.class_ids[there])
        assert np.array_equal(found.confidence, expected.confidence[there])
        if with_probabilities:
            assert np.array_equal(found.probabilities, expected.probabilities[:, *there])


@given(blocks_of_a_grid())
@settings(max_examples=30)
def test_strips_are_those_of_the_row_blender_also_where_nothing_was_computed(legend, cut):
    grid, blocks = cut
    strips, _ = one_after_the_other(grid, DecisionRule(classes=legend))
    expected = np.concatenate([strip.probabilities.numpy() for strip in strips], axis=1)
    valid = np.concatenate([strip.valid for strip in strips])
    for block in blocks:
        part, row = TiledBlock(grid=grid, window=block), block.row
        for strip in finished_rows(computed(grid, block), part, CLASSES, Summing(CLASSES)):
            there = strip.window.slices_in(grid.scene)
            assert (strip.window.row, strip.window.col, strip.window.right) == (row, block.col, block.right)
            assert np.array_equal(strip.valid, valid[there])
            assert np.array_equal(strip.probabilities.numpy(), expected[:, *there])
            row = strip.window.bottom
        assert row == block.bottom
