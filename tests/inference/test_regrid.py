"""Back on the scene's own grid: the same whatever the block, valid exactly where the scene is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.inference.batches import TiledBlock
from geoseg.inference.regrid import regrid, window_on_model_grid
from geoseg.inference.segment import strips
from geoseg.raster.resample import ResampledScene
from geoseg.tiling.blocks import split_into_blocks
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

RANDOM = np.random.default_rng(10)


def a_scene(fake_scene, height, width):
    image = RANDOM.integers(0, 256, (1, height, width), dtype=np.uint8)
    return fake_scene(image=image, valid=RANDOM.random((height, width)) > 0.2)


def on_own_grid(scene, engine, factor, rows):
    seen = ResampledScene(scene, factor)
    grid = TileGrid(height=seen.georef.height, width=seen.georef.width, tile=64, overlap=32)
    probabilities = np.full((engine.classes, *scene.valid.shape), np.nan, dtype=np.float32)
    valid = np.zeros(scene.valid.shape, dtype=bool)
    whole = scene.georef.window
    for block in split_into_blocks(whole, rows=rows):
        part = window_on_model_grid(block, grid.scene, factor=factor)
        found = strips(seen, TiledBlock(grid=grid, window=part), engine, batch_size=2)
        for strip in regrid(found, scene, block=block, factor=factor):
            there = strip.window.slices_in(whole)
            probabilities[:, *there], valid[there] = strip.probabilities.numpy(), strip.valid
    return probabilities, valid


@given(factor=st.sampled_from([0.4, 0.75, 1.5, 2.0, 3.7]), rows=st.sampled_from([7, 32, 50]))
@settings(max_examples=8)
def test_any_height_of_blocks_gives_the_same_bits(fake_scene, fake_engine, factor, rows):
    scene = a_scene(fake_scene, 61, 45)
    parts, valid = on_own_grid(scene, fake_engine(), factor, rows)
    whole, _ = on_own_grid(scene, fake_engine(), factor, 1000)
    assert np.array_equal(parts, whole)
    assert np.array_equal(valid, scene.valid)


@pytest.mark.parametrize(("height", "width", "factor"), [(1, 1, 3.0), (1, 1, 0.3), (1, 50, 2.3), (50, 1, 0.6)])
def test_the_smallest_scenes_come_back_whole(fake_scene, fake_engine, height, width, factor):
    scene = a_scene(fake_scene, height, width)
    scene.valid[:] = True
    probabilities, valid = on_own_grid(scene, fake_engine(), factor, 16)
    assert valid.all()
    np.testing.assert_allclose(probabilities.sum(axis=0), 1, atol=1e-5)


@given(size=st.integers(1, 200), factor=st.floats(0.2, 8), start=st.floats(0, 0.99), length=st.integers(1, 100))
def test_the_model_window_of_a_block_lies_in_the_models_scene(size, factor, start, length):
    first = int(start * size)
    block = Window.between(first, min(size, first + length), 0, 1)
    model_scene = Window.of_shape(max(1, int(size / factor + 0.5)), 1)
    window = window_on_model_grid(block, model_scene, factor=factor)
    assert window.intersect(model_scene) == window
