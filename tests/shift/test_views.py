"""Views show the same ground and come back to it."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.shift.views import CHANGED, SYMMETRIES, View

ANY_VIEW = st.builds(
    View,
    turns=st.integers(0, 3),
    mirrored=st.booleans(),
    moved=st.tuples(st.integers(-9, 9), st.integers(-9, 9)),
    light=st.sampled_from([0.0, 0.05]),
)


def _windows(side: int = 24) -> torch.Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))


@given(view=ANY_VIEW, side=st.integers(20, 33))
def test_what_is_seen_comes_back_to_its_place(view: View, side: int) -> None:
    images = _windows(side)
    back = view.undone(View(turns=view.turns, mirrored=view.mirrored, moved=view.moved).images(images))
    kept = view.kept(side)
    assert torch.equal(back[..., kept], images[..., kept])
    assert int(kept.sum()) == (side - abs(view.moved[0])) * (side - abs(view.moved[1]))


def test_symmetries_are_eight_and_differ() -> None:
    corner = torch.arange(9.0).view(1, 1, 3, 3)
    assert len({tuple(view.images(corner).flatten().tolist()) for view in SYMMETRIES}) == 8
    assert torch.equal(SYMMETRIES[0].images(corner), corner)


def test_pixels_without_data_stay_so_in_other_light() -> None:
    images = _windows()
    images[0, :, 10:14, 10:14] = 0
    for view in CHANGED:
        assert int((view.images(images) == 0).sum()) == 3 * 4 * 4
        assert not bool((view.images(torch.zeros(1, 3, 8, 8)) != 0).any())


def test_light_changes_bands_differently_and_little() -> None:
    images = _windows().abs() + 1
    view = View(light=0.05)
    change = view.images(images) / images - 1
    assert float(change.abs().max()) <= 0.101
    means = change.mean(dim=(0, 2, 3))
    assert len({round(float(mean), 4) for mean in means}) == 3


def test_the_same_view_is_the_same_every_time() -> None:
    images = _windows()
    assert all(torch.equal(view.images(images), view.images(images)) for view in CHANGED)
