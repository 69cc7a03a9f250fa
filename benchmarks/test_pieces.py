"""The pieces of a prediction by themselves, each with its slow and obvious form beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from rasterio.windows import Window as FileWindow

from geoseg.classes import ClassMap
from geoseg.inference.batches import TiledBlock, tiles
from geoseg.inference.decide import DecisionRule, decide, joined
from geoseg.inference.frame import ComputedTile, Deciding, finished_rows
from geoseg.raster.resample import ResampledScene
from geoseg.raster.scene import open_scene
from geoseg.tiling.blend import RowBlender, Strip
from geoseg.tiling.grid import TileGrid
from geoseg.tiling.weights import Ramp, flat_top_cosine
from geoseg.window import Window

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # rasterio's boundless reads, affine 3

SIDE = 1024
GRID = TileGrid(height=SIDE, width=SIDE, tile=256, overlap=64)
CLASSES = 6


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scene") / "scene.tif"
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (3, SIDE // 8, SIDE // 8), dtype=np.uint8)
    pixels = coarse.repeat(8, axis=1).repeat(8, axis=2)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "height": SIDE, "width": SIDE, "tiled": True}
    transform = Affine(0.2, 0, 5e5, 0, -0.2, 5e6)
    with rasterio.open(path, "w", **profile, compress="deflate", crs="EPSG:32633", transform=transform) as out:
        out.write(pixels)
    return path


def test_read_tiles_decoding_each_storage_block_once(benchmark, scene):
    def read() -> int:
        with open_scene(scene) as opened:
            return sum(1 for _ in tiles(opened, TiledBlock(grid=GRID, window=GRID.scene)))

    assert benchmark(read) == len(list(GRID.windows()))


def test_read_tiles_one_by_one(benchmark, scene):
    def read() -> int:
        with rasterio.open(scene) as opened:
            windows = [FileWindow(w.col, w.row, w.width, w.height) for w in GRID.windows()]
            return sum(opened.read(window=window, boundless=True).shape[0] for window in windows) // 3

    assert benchmark(read) == len(list(GRID.windows()))


def test_read_at_another_pixel_size(benchmark, scene):
    def read() -> int:
        with open_scene(scene) as opened:
            resampled = ResampledScene(opened, 3.0)
            return int(resampled.read(resampled.georef.window).valid.sum())

    assert benchmark(read) == round(SIDE / 3) ** 2


def test_blend_through_a_ring_of_rows(benchmark):
    probabilities = torch.full((CLASSES, GRID.tile, GRID.tile), 1 / CLASSES)
    valid = np.ones((GRID.tile, GRID.tile), dtype=np.bool_)

    def blend() -> int:
        blender = RowBlender(GRID, GRID.scene, classes=CLASSES, device=torch.device("cpu"))
        rows = 0
        for window in GRID.windows():
            rows += sum(strip.window.height for strip in blender.finish(window.row))
            blender.add(window, probabilities, valid)
        return rows + sum(strip.window.height for strip in blender.finish(SIDE))

    assert benchmark(blend) == SIDE


def test_blend_on_the_whole_scene(benchmark):
    probabilities = torch.full((CLASSES, GRID.tile, GRID.tile), 1 / CLASSES)
    weight = torch.from_numpy(flat_top_cosine(GRID.tile, Ramp(GRID.overlap), first=False, last=False))
    both = weight[:, None] * weight[None, :]

    def blend() -> int:
        side = SIDE + GRID.tile
        total, count = torch.zeros((CLASSES, side, side)), torch.zeros((side, side))
        for window in GRID.windows():
            there = window.slices_in(Window.of_shape(side, side))
            total[:, *there] += probabilities * both
            count[there] += both
        return int((total / count.clamp_min(1e-6))[:, :SIDE].shape[1])

    assert benchmark(blend) == SIDE


def test_decide(benchmark):
    legend = ClassMap.of((index, f"class {index}", "#102030") for index in range(CLASSES))
    rule = DecisionRule(classes=legend)
    strip = Strip(
        window=Window.of_shape(128, SIDE),
        probabilities=torch.rand((CLASSES, 128, SIDE)).softmax(dim=0),
        valid=np.ones((128, SIDE), dtype=np.bool_),
    )

    assert benchmark(lambda: decide(strip, rule)).class_ids.shape == (128, SIDE)


def test_blend_and_decide_in_one_pass(benchmark):
    legend = ClassMap.of((index, f"class {index}", "#102030") for index in range(CLASSES))
    probabilities = np.full((CLASSES, GRID.tile, GRID.tile), 1 / CLASSES, dtype=np.float32)
    valid = np.ones((GRID.tile, GRID.tile), dtype=np.bool_)
    block = TiledBlock(grid=GRID, window=GRID.scene)

    def run() -> tuple[int, ...]:
        computed = (ComputedTile(window=w, probabilities=probabilities, valid=valid) for w in GRID.windows())
        sink = Deciding(DecisionRule(classes=legend))
        return joined(finished_rows(computed, block, CLASSES, sink)).class_ids.shape

    assert benchmark(run) == (SIDE, SIDE)
