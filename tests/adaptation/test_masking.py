"""Hidden blocks, and changes of appearance."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from geoseg.adaptation.masking import hidden_blocks, masked
from geoseg.adaptation.strong_views import AppearancePlan, blurred, changed_appearance


@given(
    ratio=st.floats(0, 1), rows=st.integers(1, 9), columns=st.integers(1, 9), block=st.integers(1, 8),
    seed=st.integers(0, 999),
)  # fmt: skip
def test_each_image_has_the_asked_share_of_whole_blocks_hidden(ratio, rows, columns, block, seed):
    shape = (2, rows * block, columns * block)
    hidden = hidden_blocks(shape, ratio=ratio, block=block, rng=np.random.default_rng(seed))
    by_block = hidden.view(2, rows, block, columns, block)
    whole = by_block.all(dim=4).all(dim=2)
    assert torch.equal(whole, by_block.any(dim=4).any(dim=2))
    assert whole.flatten(1).sum(dim=1).tolist() == [round(ratio * rows * columns)] * 2


def test_blocks_at_the_rim_may_be_smaller_and_all_places_are_hidden_at_times():
    masks = [hidden_blocks((1, 10, 7), ratio=0.5, block=4, rng=np.random.default_rng(seed)) for seed in range(30)]
    assert {tuple(mask.shape) for mask in masks} == {(1, 10, 7)}
    assert torch.stack(masks).any(dim=0).all()
    assert (~torch.stack(masks)).any(dim=0).all()


def test_what_is_hidden_is_zero_and_the_rest_is_as_it_was():
    images, hidden = torch.rand(2, 5, 8, 8) + 1, torch.rand(2, 8, 8) < 0.5
    seen = masked(images, hidden)
    everywhere = hidden[:, None].expand_as(images)
    assert not seen[everywhere].any()
    assert torch.equal(seen[~everywhere], images[~everywhere])


@given(bands=st.integers(1, 13), seed=st.integers(0, 99))
def test_any_number_of_bands_changes_in_appearance_and_zeros_stay(bands, seed):
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(rng.normal(size=(2, bands, 12, 12)).astype(np.float32))
    images[0, :, :3] = 0
    images[1, -1] = 0
    changed, again = (changed_appearance(images, AppearancePlan(), np.random.default_rng(seed)) for _ in range(2))
    assert torch.equal(changed, again)
    assert not changed[images == 0].any()
    assert (changed[images != 0] != images[images != 0]).float().mean() > 0.99


def test_a_plan_of_zeros_changes_nothing():
    images = torch.randn(2, 3, 8, 8)
    changed = changed_appearance(images, AppearancePlan(gain=0, offset=0, blur=0), np.random.default_rng(0))
    assert torch.equal(changed, images)


@given(sigma=st.floats(0.3, 2.0))
def test_a_blur_is_that_of_scipy(sigma):
    image = np.random.default_rng(0).normal(size=(2, 15, 17))
    ours = blurred(torch.from_numpy(image)[None], sigma)[0].numpy()
    reach = int(np.ceil(3 * sigma))
    theirs = ndimage.gaussian_filter(image, (0, sigma, sigma), mode="nearest", radius=(0, reach, reach))
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
