"""What is decided for a pixel does not depend on how the work was cut, nor on ground it cannot see."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.inference import segment
from geoseg.inference.batches import TiledBlock
from geoseg.inference.decide import DecisionRule, decide, joined
from geoseg.inference.segment import decisions, strips
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

    def run(height=HEIGHT, width=WIDTH, blocks=None, batch_size=3, **options):
        engine = fake_engine(**options)
        scene = fake_scene(image=IMAGE[:, :height, :width], valid=VALID[:height, :width])
        grid = TileGrid(height=height, width=width, tile=TILE, overlap=32)
        ids, confidence = np.empty((2, height, width), dtype=np.uint8)
        for block in blocks or [grid.scene]:
            part = TiledBlock(grid=grid, window=block)
            decision = joined(decisions(scene, part, engine, DecisionRule(classes=legend), batch_size=batch_size))
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
def test_blending_on_a_device_gives_the_same_bytes_whatever_the_batch_size(decided, monkeypatch, batch_size):
    here = decided()
    monkeypatch.setattr(segment, "_blends_here", lambda _engine: False)
    assert same(decided(batch_size=batch_size), here)


@pytest.mark.parametrize("threads", [2, 5])
def test_any_number_of_threads_gives_the_same_bytes(decided, threads):
    assert same(decided(threads=threads), decided())


def test_strips_hold_the_probabilities_that_were_decided_on(fake_scene, fake_engine, legend, decided):
    scene = fake_scene(image=IMAGE[:, :HEIGHT, :WIDTH], valid=VALID[:HEIGHT, :WIDTH])
    grid = TileGrid(height=HEIGHT, width=WIDTH, tile=TILE, overlap=32)
    found = strips(scene, TiledBlock(grid=grid, window=grid.scene), fake_engine(threads=2), batch_size=1)
    decision = joined(decide(strip, DecisionRule(classes=legend)) for strip in found)
    assert same((decision.class_ids, decision.confidence), decided())


def test_only_what_is_wanted_is_decided_and_tiles_without_it_are_not_computed(fake_scene, fake_engine, legend, decided):
    scene = fake_scene(image=IMAGE[:, :HEIGHT, :WIDTH], valid=VALID[:HEIGHT, :WIDTH])
    grid = TileGrid(height=HEIGHT, width=WIDTH, tile=TILE, overlap=32)
    area, engine = np.zeros((HEIGHT + TILE, WIDTH + TILE), dtype=bool), fake_engine()
    area[150:180, 100:130] = True

    def wanted(window):
        return area[window.row : window.bottom, window.col : window.right]

    block = TiledBlock(grid=grid, window=grid.scene, wanted=wanted)
    found = joined(decisions(scene, block, engine, DecisionRule(classes=legend), batch_size=1))
    inside = area[:HEIGHT, :WIDTH]
    whole, _ = decided()
    assert np.array_equal(found.class_ids[inside], whole[inside])
    assert (found.class_ids[~inside] == 255).all()
    assert engine.tiles_seen == sum(wanted(window).any() for window in grid.windows())


@pytest.mark.parametrize(("more_rows", "more_cols"), [(1, 0), (0, 1)])
def test_one_more_row_or_column_changes_nothing_farther_than_a_tile_from_it(decided, more_rows, more_cols):
    grown = decided(HEIGHT + more_rows, WIDTH + more_cols)
    far = np.s_[: HEIGHT - TILE * more_rows, : WIDTH - TILE * more_cols]
    assert same([layer[far] for layer in grown], [layer[far] for layer in decided()])


def test_a_scene_of_nodata_costs_no_network(fake_scene, fake_engine):
    engine = fake_engine()
    scene = fake_scene(image=IMAGE, valid=np.zeros_like(VALID))
    grid = TileGrid(height=HEIGHT + 1, width=WIDTH + 1, tile=TILE, overlap=0)
    found = list(strips(scene, TiledBlock(grid=grid, window=grid.scene), engine, batch_size=2))
    assert engine.tiles_seen == 0
    assert not any(strip.valid.any() for strip in found)
    assert sum(strip.window.height for strip in found) == HEIGHT + 1
