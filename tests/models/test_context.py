from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import ModelError
from geoseg.models.context import Context
from geoseg.tiling.grid import TileGrid
from geoseg.tiling.weights import TileWeights

CONTEXT = Context(radius=None, divisor=32, tile=96, labels=(0.3, 0.1, 0.02), probabilities=(0.2, 0.15, 0.01))


def by_blending(context, grid):
    """Oracle: blend tiles whose one class is the share at each pixel, and look at one period in the middle."""
    place = torch.arange(grid.tile)
    nearest = torch.minimum(place, grid.tile - 1 - place)
    distance = torch.minimum(nearest[:, None], nearest)
    shares = torch.tensor([0.3, 0.15, 0.02])[(distance // 16).clamp(max=2)]
    if context.radius is not None:
        shares[distance >= context.radius] = 0
    weights, total = TileWeights(grid), torch.zeros(grid.height, grid.width)
    for window in grid.windows():
        weight = torch.from_numpy(weights.down(window)[:, None] * weights.across(window))
        total[window.row : window.bottom, window.col : window.right] += shares * weight
    period = slice(grid.stride, 2 * grid.stride)
    return float(total[period, period].double().mean())


@given(
    tile=st.sampled_from([64, 96, 160]),
    overlap=st.sampled_from([0, 32]),
    margin=st.integers(0, 16),
    radius=st.none() | st.integers(0, 60),
)
def test_the_difference_is_what_blending_makes_of_the_curve(tile, overlap, margin, radius):
    context, margin = replace(CONTEXT, radius=radius), min(margin, overlap // 2)
    side = 2 * (tile - overlap) + tile
    grid = TileGrid(height=side, width=side, tile=tile, overlap=overlap, margin=margin)
    found = context.difference(tile=tile, overlap=overlap, margin=margin)
    assert found == pytest.approx(by_blending(context, grid), abs=1e-5)


@given(
    curve=st.lists(st.floats(0, 1), min_size=3, max_size=3),
    tile=st.sampled_from([128, 256]),
    overlap=st.sampled_from([0, 32]),
)
def test_where_edges_do_harm_more_overlap_and_larger_tiles_do_less(curve, tile, overlap):
    context = replace(CONTEXT, labels=tuple(sorted(curve, reverse=True)), probabilities=(0.0,) * 3)
    here = context.difference(tile=tile, overlap=overlap)
    assert context.difference(tile=tile, overlap=overlap + 32) <= here + 1e-6
    assert context.difference(tile=2 * tile, overlap=overlap) <= here + 1e-6
    assert 0 <= here <= 1


def test_only_a_margin_as_wide_as_the_radius_is_exact():
    context = replace(CONTEXT, radius=10)
    assert context.is_exact(margin=10)
    assert not context.is_exact(margin=9)
    assert not CONTEXT.is_exact(margin=48)
    assert context.difference(tile=96, overlap=32, margin=10) == 0
    assert context.difference(tile=96, overlap=32, margin=9) > 0


@pytest.mark.parametrize(("divisor", "step"), [(1, 128), (32, 128), (64, 128), (14, 224), (28, 224)])
def test_edges_are_cut_to_sides_that_were_tried(divisor, step):
    assert replace(CONTEXT, divisor=divisor).edge_step == step


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"radius": -1}, "radius of a network must be from 0 to 65536 px, got -1"),
        ({"radius": 10**9}, "radius of a network must be from 0 to 65536 px, got 1000000000"),
        ({"divisor": 0}, "divisor of a context must be from 1 to 65536 px, got 0"),
        ({"tile": 10**9}, "tile of a context must be from 1 to 65536 px, got 1000000000"),
        ({"tile": 128}, "context of tiles of 128 px needs 4 shares, got 3"),
        ({"labels": ()}, "needs 3 shares, got 0"),
        ({"labels": (0.1, 0.1, 1.1)}, "shares of a context must lie between 0 and 1"),
        ({"probabilities": (0.1, float("nan"), 0.1)}, "shares of a context must lie between 0 and 1"),
    ],
)
def test_what_cannot_be_is_refused(values, message):
    with pytest.raises(ModelError, match=message):
        replace(CONTEXT, **values)


def test_its_summary_says_what_was_found():
    assert "are felt everywhere in it" in CONTEXT.summary
    assert "30.0% within 16 px of an edge, 2.0% in the middle" in CONTEXT.summary
    assert "are felt up to 7 px away" in replace(CONTEXT, radius=7).summary
