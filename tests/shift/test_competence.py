"""Competence is high where a map can be trusted: sure, however one looks, and like the reference ground."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from geoseg.models.reference import ReferenceStatistics
from geoseg.raster.normalize import Normalizer
from geoseg.shift.competence import are_heeded, competence
from geoseg.shift.features import fit_features
from geoseg.shift.forward import Forward
from geoseg.shift.verdict import Distances
from geoseg.shift.views import CHANGED
from geoseg.shift.windows import Place, WindowSample
from geoseg.shift.witness import Witness
from geoseg.window import Window

SIDE = 32
NORMALIZER = Normalizer(scales={"float32": 1.0}, mean=(0.0, 0.0), std=(1.0, 1.0))


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


def _sample(images: Tensor, valid: Tensor) -> WindowSample:
    place = Place(scene=0, window=Window.between(0, SIDE, 0, SIDE))
    return WindowSample(images=images.numpy(), valid=valid.numpy(), places=(place,) * len(images))


def _model(network: nn.Module) -> Witness:
    return Witness(forward=Forward(network=network), normalizer=NORMALIZER)


def _reference(model: Witness) -> ReferenceStatistics:
    images, valid = _windows(4)
    features = fit_features(model.forward, 0.2 * images, valid)
    return cast("ReferenceStatistics", SimpleNamespace(features=features))


def test_of_a_pixelwise_network_it_is_nearly_the_probability_of_the_class() -> None:
    sample, model = _sample(*_windows()), _model(Pixelwise())
    expected = model.probabilities(sample).amax(dim=1).numpy()
    assert np.abs(competence(model, sample) - expected).max() < 0.1


def test_it_is_the_mean_probability_over_the_views_that_show_a_pixel() -> None:
    sample, model = _sample(*_windows()), _model(Leaning())
    images = model.images(sample)
    total, times = model.forward.probabilities(images), np.ones((SIDE, SIDE))
    chosen = total.argmax(dim=1, keepdim=True)
    for view in CHANGED[:3]:
        kept = view.kept(SIDE)
        total[..., kept] += view.undone(model.forward.probabilities(view.images(images)))[..., kept]
        times[kept.numpy()] += 1
    expected = total.gather(1, chosen)[:, 0].numpy() / times
    assert competence(model, sample) == pytest.approx(expected, abs=1e-5)


def test_it_is_lower_where_the_map_depends_on_how_the_window_lies() -> None:
    sample = _sample(*_windows())
    steady, leaning = (competence(_model(network), sample) for network in (Pixelwise(), Leaning()))
    alone = _model(Leaning()).probabilities(sample).amax(dim=1).numpy()
    assert (alone - leaning)[:, :4, SIDE // 2 :].mean() > 0.1
    assert steady.mean() > leaning.mean() - 0.2


def test_it_is_lower_where_a_witness_says_otherwise() -> None:
    sample, model = _sample(*_windows()), _model(Pixelwise())
    other = replace(model, normalizer=replace(NORMALIZER, mean=(3.0, 0.0)))
    before, after = competence(model, sample), competence(model, sample, witnesses=[other])
    chosen = model.probabilities(sample).argmax(dim=1, keepdim=True)
    said = other.probabilities(sample).gather(1, chosen)[:, 0].numpy()
    assert after == pytest.approx((before + said) / 2, abs=1e-5)
    assert (before - after)[chosen[:, 0].numpy() == 0].mean() > 0.2


def test_witnesses_are_heeded_where_bands_explain_the_shares_of_the_classes_and_features_are_known() -> None:
    assert are_heeded(Distances(bands=1.0, prior=0.1))
    assert are_heeded(Distances(bands=0.0, prior=0.0))
    assert are_heeded(Distances(bands=2.0, prior=0.6))
    assert not are_heeded(Distances(bands=0.2, prior=0.1))
    assert are_heeded(Distances(bands=1.0, prior=0.1, features=0.05))
    assert not are_heeded(Distances(bands=1.0, prior=0.1, features=0.4))
    assert not are_heeded(Distances(bands=1.0))
    assert not are_heeded(Distances(prior=0.0))


def test_it_falls_with_the_distance_from_the_reference_ground() -> None:
    images, valid = _windows()
    model = _model(Pixelwise())
    images[:, :, :8] = torch.tensor([90.0, 0.0]).view(1, 2, 1, 1)
    found = competence(model, _sample(images, valid), _reference(model))
    without = competence(model, _sample(images, valid))
    assert found[:, :8].max() < 0.3
    assert without[:, :8].min() > 0.99
    assert np.allclose(found[:, 10:], without[:, 10:])


def test_it_is_between_0_and_1_and_0_where_nothing_is_valid() -> None:
    images, valid = _windows(9)
    valid[3, :5] = False
    sample, model = _sample(images, valid), _model(Pixelwise())
    found = competence(model, sample, _reference(model))
    assert found.dtype == np.float32
    assert found.shape == (9, SIDE, SIDE)
    assert (found[3, :5] == 0).all()
    assert 0 <= found.min() <= found.max() <= 1
    assert np.array_equal(found, competence(model, sample, _reference(model)))


def test_windows_do_not_depend_on_their_batch() -> None:
    sample, model = _sample(*_windows(10)), _model(Pixelwise())
    reference = _reference(model)
    one = competence(model, sample.part(np.array([9])), reference)
    assert np.allclose(competence(model, sample, reference)[9:], one, atol=1e-6)
