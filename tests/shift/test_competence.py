"""Competence is high where a map can be trusted: sure, however one looks, and like the reference ground."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from geoseg.models.reference import ReferenceStatistics
from geoseg.shift.competence import competence
from geoseg.shift.features import fit_features
from geoseg.shift.forward import Forward
from geoseg.shift.views import CHANGED

SIDE = 32


class Pixelwise(nn.Module):
    """A network that looks at each pixel alone."""

    def __init__(self) -> None:
        super().__init__()
        self.segmentation_head = nn.Conv2d(2, 2, 1, bias=False)
        with torch.no_grad():
            self.segmentation_head.weight.copy_(torch.eye(2).view(2, 2, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.segmentation_head(images)


class Leaning(Pixelwise):
    """One whose answer in the right half depends on where a pixel lies in the window."""

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        logits[:, 0, :, SIDE // 2 :] += torch.linspace(-9, 9, SIDE)[:, None]
        return logits


def _windows(count: int = 2) -> tuple[Tensor, Tensor]:
    images = torch.randn(count, 2, SIDE, SIDE, generator=torch.Generator().manual_seed(4))
    return images, torch.ones(count, SIDE, SIDE, dtype=torch.bool)


def _reference(forward: Forward) -> ReferenceStatistics:
    features = fit_features(forward, *_windows(4))
    return cast("ReferenceStatistics", SimpleNamespace(features=features))


def test_of_a_pixelwise_network_it_is_nearly_the_probability_of_the_class() -> None:
    images, valid = _windows()
    forward = Forward(network=Pixelwise())
    expected = forward.probabilities(images).amax(dim=1).numpy()
    assert np.abs(competence(forward, images, valid) - expected).max() < 0.1


def test_it_is_the_mean_probability_over_the_views_that_show_a_pixel() -> None:
    images, valid = _windows()
    forward = Forward(network=Leaning())
    total, times = forward.probabilities(images), np.ones((SIDE, SIDE))
    chosen = total.argmax(dim=1, keepdim=True)
    for view in CHANGED[:3]:
        kept = view.kept(SIDE)
        total[..., kept] += view.undone(forward.probabilities(view.images(images)))[..., kept]
        times[kept.numpy()] += 1
    expected = total.gather(1, chosen)[:, 0].numpy() / times
    assert competence(forward, images, valid) == pytest.approx(expected, abs=1e-5)


def test_it_is_lower_where_the_map_depends_on_how_the_window_lies() -> None:
    images, valid = _windows()
    steady, leaning = (competence(Forward(network=network), images, valid) for network in (Pixelwise(), Leaning()))
    alone = Forward(network=Leaning()).probabilities(images).amax(dim=1).numpy()
    assert (alone - leaning)[:, :4, SIDE // 2 :].mean() > 0.1
    assert steady.mean() > leaning.mean() - 0.2


def test_it_falls_with_the_distance_from_the_reference_ground() -> None:
    images, valid = _windows()
    forward = Forward(network=Pixelwise())
    images[:, :, :8] = torch.tensor([4000.0, 0.0]).view(1, 2, 1, 1)
    found = competence(forward, images, valid, _reference(forward))
    without = competence(forward, images, valid)
    assert found[:, :8].max() < 0.05
    assert without[:, :8].min() > 0.99
    assert np.allclose(found[:, 10:], without[:, 10:])


def test_it_is_between_0_and_1_and_0_where_nothing_is_valid() -> None:
    images, valid = _windows(9)
    valid[3, :5] = False
    forward = Forward(network=Pixelwise())
    found = competence(forward, images, valid, _reference(forward))
    assert found.dtype == np.float32
    assert found.shape == (9, SIDE, SIDE)
    assert (found[3, :5] == 0).all()
    assert 0 <= found.min() <= found.max() <= 1
    assert np.array_equal(found, competence(forward, images, valid, _reference(forward)))


def test_windows_do_not_depend_on_their_batch() -> None:
    images, valid = _windows(10)
    forward = Forward(network=Pixelwise())
    reference = _reference(forward)
    one = competence(forward, images[9:], valid[9:], reference)
    assert np.allclose(competence(forward, images, valid, reference)[9:], one, atol=1e-6)
