"""Tiles hold what the scene holds, reflected at its edges, and every row of the file is decoded once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.inference.batches import TiledBlock, batches, reflected, tiles
from geoseg.tiling.blocks import split_into_blocks
from geoseg.tiling.grid import TileGrid
from geoseg.window import Window

RANDOM = np.random.default_rng(8)


def a_scene(fake_scene, height, width, **options):
    image = RANDOM.integers(0, 256, (2, height, width), dtype=np.uint8)
    return fake_scene(image=image, valid=RANDOM.random((height, width)) > 0.1, **options)


def a_grid(height, width, tile=64, overlap=32):
    return TileGrid(height=height, width=width, tile=tile, overlap=overlap)


@given(size=st.integers(1, 12), start=st.integers(0, 20), length=st.integers(1, 30))
def test_reflection_is_that_of_numpy(size, start, length):
    pixels = np.arange(size)
    expected = np.pad(pixels, (0, start + length), mode="reflect")[start : start + length]
    assert reflected(start, start + length, size).tolist() == expected.tolist()


@given(height=st.integers(1, 150), width=st.integers(1, 150), storage_rows=st.sampled_from([1, 7, 64, 200]))
def test_tiles_are_cut_out_of_the_reflected_scene(fake_scene, height, width, storage_rows):
    scene = a_scene(fake_scene, height, width, storage_rows=storage_rows)
    padded = np.pad(scene.image, ((0, 0), (0, 64), (0, 64)), mode="reflect")
    usable = np.pad(scene.valid, ((0, 64), (0, 64)), mode="reflect")
    valid = np.pad(scene.valid, ((0, 64), (0, 64)))
    expected = [window for window in a_grid(height, width).windows() if valid[cut(window)].any()]
    found = list(tiles(scene, TiledBlock(grid=a_grid(height, width), window=Window.of_shape(height, width))))
    assert [tile.window for tile in found] == expected
    for tile in found:
        assert np.array_equal(tile.image, padded[:, *cut(tile.window)])
        assert np.array_equal(tile.usable, usable[cut(tile.window)])
        assert np.array_equal(tile.valid, valid[cut(tile.window)])


def cut(window):
    return slice(window.row, window.bottom), slice(window.col, window.right)


@given(rows=st.integers(1, 200), height=st.integers(1, 200))
def test_a_tile_does_not_depend_on_the_block_it_is_read_for(fake_scene, rows, height):
    scene, grid = a_scene(fake_scene, height, 70), a_grid(height, 70)
    whole = {tile.window: tile for tile in tiles(scene, TiledBlock(grid=grid, window=grid.scene))}
    for block in split_into_blocks(grid.scene, rows=rows):
        for tile in tiles(scene, TiledBlock(grid=grid, window=block)):
            assert np.array_equal(tile.image, whole[tile.window].image)
            assert np.array_equal(tile.valid, whole[tile.window].valid)


@pytest.mark.parametrize("storage_rows", [1, 16, 100, 512])
def test_every_row_is_decoded_once(fake_scene, storage_rows):
    scene = a_scene(fake_scene, 512, 40, storage_rows=storage_rows)
    grid = a_grid(512, 40)
    list(tiles(scene, TiledBlock(grid=grid, window=grid.scene)))
    rows = np.concatenate([np.arange(read.row, read.bottom) for read in scene.reads])
    assert np.array_equal(rows, np.arange(512))
    assert all(read.row % storage_rows == 0 for read in scene.reads)


def test_only_the_columns_of_the_block_are_read(fake_scene):
    scene = a_scene(fake_scene, 64, 1000)
    list(tiles(scene, TiledBlock(grid=a_grid(64, 1000), window=Window(row=0, col=320, height=64, width=64))))
    assert {(read.col, read.right) for read in scene.reads} == {(288, 416)}


def test_batches_have_one_shape_and_leave_out_empty_tiles(fake_scene):
    scene = a_scene(fake_scene, 300, 100)
    scene.valid[:160] = False
    grid = a_grid(300, 100)
    found = list(batches(scene, TiledBlock(grid=grid, window=grid.scene), batch_size=4))
    assert {batch.images.shape for batch in found} == {(4, 2, 64, 64)}
    assert {batch.usable.shape for batch in found} == {(4, 64, 64)}
    windows = [tile.window for batch in found for tile in batch.tiles]
    assert windows == [window for window in grid.windows() if window.bottom > 160]
    last = found[-1]
    assert len(windows) % 4
    assert not last.usable[len(last.tiles) :].any()
    assert not last.images[len(last.tiles) :].any()


def test_tiles_that_are_cut_short_fill_a_corner_of_their_place(fake_scene):
    scene = a_scene(fake_scene, 100, 100)
    grid = TileGrid(height=100, width=100, tile=64, overlap=0, edge_step=32)
    (batch,) = batches(scene, TiledBlock(grid=grid, window=grid.scene), batch_size=4)
    assert batch.images.shape == (4, 2, 64, 64)
    for place, tile in enumerate(batch.tiles):
        height, width = tile.window.shape
        assert np.array_equal(batch.images[place, :, :height, :width], tile.image)
        assert not batch.usable[place, height:].any()
        assert not batch.usable[place, :, width:].any()


def test_a_scene_of_nodata_has_no_batches(fake_scene):
    scene = a_scene(fake_scene, 100, 100)
    scene.valid[:] = False
    grid = a_grid(100, 100)
    assert list(batches(scene, TiledBlock(grid=grid, window=grid.scene), batch_size=2)) == []
