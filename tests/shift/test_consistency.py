"""Steady maps score 1, other maps less, and nothing but steadiness counts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from geoseg.shift.consistency import Consistency, agreement, mean_iou, view_consistency
from geoseg.shift.forward import Forward

SIDE = 32


class Says(nn.Module):
    """A network that is a function."""

    def __init__(self, says: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._says = says

    def forward(self, images: Tensor) -> Tensor:
        return self._says(images)


def _largest_band(images: Tensor) -> Tensor:
    return torch.where(images == images.amax(dim=1, keepdim=True), 9.0, 0.0)


def _half_of_window(images: Tensor) -> Tensor:
    left = torch.zeros(len(images), 2, SIDE, SIDE)
    left[:, 0, :, : SIDE // 2] = 1
    left[:, 1, :, SIDE // 2 :] = 1
    return left


def _windows(count: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    bands = torch.randint(0, 3, (count, SIDE, SIDE), generator=generator)
    images = 4.0 * torch.nn.functional.one_hot(bands, 3).permute(0, 3, 1, 2).float() + 1
    return images, torch.rand(count, SIDE, SIDE, generator=generator) > 0.2


def test_a_network_that_looks_at_the_ground_alone_is_consistent() -> None:
    found = view_consistency(Forward(network=Says(_largest_band)), *_windows())
    assert found.iou == 1
    assert np.array_equal(found.intersections, found.unions)


def test_a_constant_map_is_consistent() -> None:
    images, valid = _windows()
    found = view_consistency(
        Forward(network=Says(lambda x: torch.eye(4)[1].view(1, 4, 1, 1) + 0 * x[:, :1])), images, valid
    )
    assert found.iou == 1
    assert found.unions[:, [0, 2, 3]].sum() == 0


def test_a_map_that_depends_on_how_the_window_lies_is_not_consistent() -> None:
    assert view_consistency(Forward(network=Says(_half_of_window)), *_windows()).iou < 0.6


def test_classes_in_another_order_change_nothing() -> None:
    images, valid = _windows()
    noise = torch.randn(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    order = [2, 0, 1]

    def unsteady(x: Tensor) -> Tensor:
        return x + 3 * noise[: len(x)].roll(1, 0) * torch.tensor([1.0, -1.0, 0.5]).view(1, 3, 1, 1)

    one = view_consistency(Forward(network=Says(unsteady)), images, valid)
    other = view_consistency(Forward(network=Says(lambda x: unsteady(x)[:, order])), images, valid)
    assert np.array_equal(one.unions[:, order], other.unions)
    assert one.iou == pytest.approx(other.iou)
    assert one.iou < 1


def test_pixels_that_are_not_valid_count_nowhere() -> None:
    images, valid = _windows()
    valid[1] = False
    found = view_consistency(Forward(network=Says(_largest_band)), images, valid, views=2)
    assert found.unions[1].sum() == 0
    assert 0 < found.unions.sum() <= 2 * int(valid.sum())


def test_without_any_valid_pixel_the_score_is_0() -> None:
    images, valid = _windows()
    found = view_consistency(Forward(network=Says(_largest_band)), images, torch.zeros_like(valid))
    assert found.iou == 0
    assert found.of(np.array([0, 0])).iou == 0


def test_a_resample_counts_windows_as_often_as_they_are_drawn() -> None:
    intersections, unions = np.array([[4.0, 0.0], [1.0, 2.0]]), np.array([[4.0, 0.0], [4.0, 8.0]])
    found = Consistency(intersections=intersections, unions=unions)
    assert found.of(np.array([0, 0])).iou == 1
    assert found.of(np.array([1, 1, 1])).iou == pytest.approx(0.25)
    assert found.iou == pytest.approx((5 / 8 + 2 / 8) / 2)


@given(st.integers(0, 2**32 - 1))
def test_agreement_is_what_counting_pixel_by_pixel_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 3, (2, 2, 5, 5))
    valid = rng.random((2, 5, 5)) > 0.3
    found = agreement(*(torch.from_numpy(part) for part in (first, second, valid)), 3)
    for window in range(2):
        for index in range(3):
            one, other = ((part[window] == index) & valid[window] for part in (first, second))
            assert found[0, window, index] == (one & other).sum()
            assert found[1, window, index] == (one | other).sum()


def test_a_few_stray_pixels_of_a_class_hardly_count() -> None:
    hits, unions = np.array([90.0, 80.0, 0.0]), np.array([100.0, 100.0, 100.0])
    assert mean_iou(hits, unions, np.array([5e5, 5e5, 3.0])) == pytest.approx(0.85, abs=1e-3)
    assert mean_iou(hits, unions, np.array([5e5, 5e5, 5e5])) == pytest.approx(1.7 / 3)
    assert mean_iou(hits, unions, np.zeros(3)) == 0
