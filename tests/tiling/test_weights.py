"""Where tiles overlap their weights are a partition of one."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.tiling.grid import TileGrid
from geoseg.tiling.weights import Ramp, TileWeights, flat_top_cosine


@pytest.mark.parametrize(
    ("tile", "overlap", "margin"), [(64, 0, 0), (64, 32, 0), (96, 32, 3), (256, 128, 64), (512, 64, 16)]
)
def test_the_weights_of_the_tiles_over_a_pixel_sum_to_one(tile, overlap, margin):
    grid = TileGrid(height=1, width=4 * tile + 7, tile=tile, overlap=overlap, margin=margin, edge_step=32)
    weights, total = TileWeights(grid), np.zeros(grid.width + tile)
    for window in grid.windows():
        total[window.col : window.right] += weights.across(window)
    assert total[: grid.width] == pytest.approx(1, abs=1e-6)


def test_tiles_at_the_edge_of_the_scene_count_fully_up_to_it():
    ramp = Ramp(32)
    assert (flat_top_cosine(64, ramp, first=True, last=False)[:32] == 1).all()
    assert (flat_top_cosine(64, ramp, first=False, last=True)[32:] == 1).all()
    assert (flat_top_cosine(40, ramp, first=True, last=True) == 1).all()


def test_the_ramp_is_a_raised_cosine_between_its_margins():
    weight = flat_top_cosine(96, Ramp(48, margin=8), first=False, last=False)
    expected = [(1 - np.cos(np.pi * (k + 0.5) / 32)) / 2 for k in range(32)]
    assert (weight[:8] == 0).all()
    assert weight[8:40] == pytest.approx(expected, abs=1e-7)
    assert (weight[40:48] == 1).all()
    assert np.array_equal(weight[48:], weight[:48][::-1])
