"""What is decided for a pixel does not depend on how the work was cut, nor on ground it cannot see."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.inference.decide import decide, joined
from geoseg.inference.segment import segment
from geoseg.tiling.blocks import split_into_blocks
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

RANDOM = np.random.default_rng(9)
HEIGHT, WIDTH, TILE = 230, 170, 64
IMAGE = RANDOM.integers(0, 256, (2, HEIGHT + 1, WIDTH + 1), dtype=np.uint8)
VALID = RANDOM.random((HEIGHT + 1, WIDTH + 1)) > 0.05
VALID[60:150, :70] = False


@pytest.fixture
def decided(fake_scene, fake_engine, legend):
    """Class ids and confidence of a scene, as bytes in two arrays."""

    def run(height=HEIGHT, width=WIDTH, blocks=None, batch_size=3):
        scene = fake_scene(image=IMAGE[:, :height, :width], valid=VALID[:height, :width])
        grid = TileGrid(height=height, width=width, tile=TILE, overlap=32)
        ids, confidence = np.empty((2, height, width), dtype=np.uint8)
        for block in blocks or [grid.scene]:
            strips = segment(scene, grid, fake_engine(), block=block, batch_size=batch_size)
            decision = joined(decide(strip, legend, with_probabilities=False) for strip in strips)
            assert decision.window == block
            ids[block.slices_in(grid.scene)] = decision.class_ids
            confidence[block.slices_in(grid.scene)] = decision.confidence
        return ids, confidence

    return run


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_fakes_give_a_map_worth_comparing(decided):
    ids, confidence = decided()
    assert set(np.unique(ids).tolist()) == {0, 3, 7, 255}
    assert np.array_equal(ids == 255, ~VALID[:HEIGHT, :WIDTH])
    assert np.array_equal(confidence == 255, ids == 255)
    assert len(np.unique(confidence)) > 20


@pytest.mark.parametrize("rows", [1, 64, 100, 1000])
def test_any_height_of_blocks_gives_the_same_bytes(decided, rows):
    scene = Window.of_shape(HEIGHT, WIDTH)
    scene = Window.of_shape(40, WIDTH) if rows == 1 else scene
    blocks = list(split_into_blocks(scene, rows=rows))
    assert same(decided(scene.height, blocks=blocks), decided(scene.height))


def test_blocks_cut_in_columns_give_the_same_bytes(decided):
    rows, cols = (0, 33, 64, HEIGHT), (0, 1, 90, WIDTH)
    blocks = [Window.between(rows[i], rows[i + 1], cols[j], cols[j + 1]) for i in range(3) for j in range(3)]
    assert same(decided(blocks=blocks), decided())


@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_any_batch_size_gives_the_same_bytes(decided, batch_size):
    assert same(decided(batch_size=batch_size), decided())


@pytest.mark.parametrize(("more_rows", "more_cols"), [(1, 0), (0, 1)])
def test_one_more_row_or_column_changes_nothing_farther_than_a_tile_from_it(decided, more_rows, more_cols):
    grown = decided(HEIGHT + more_rows, WIDTH + more_cols)
    far = np.s_[: HEIGHT - TILE * more_rows, : WIDTH - TILE * more_cols]
    assert same([layer[far] for layer in grown], [layer[far] for layer in decided()])


def test_a_scene_of_nodata_costs_no_network(fake_scene, fake_engine):
    engine = fake_engine()
    scene = fake_scene(image=IMAGE, valid=np.zeros_like(VALID))
    grid = TileGrid(height=HEIGHT + 1, width=WIDTH + 1, tile=TILE, overlap=0)
    strips = list(segment(scene, grid, engine, block=grid.scene, batch_size=2))
    assert engine.tiles_seen == 0
    assert not any(strip.valid.any() for strip in strips)
    assert sum(strip.window.height for strip in strips) == HEIGHT + 1
