"""A witness is the same model with statistics of the ground at hand; the model stays as it is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import torch
from torch import nn

from geoseg.models.reference import ReferenceStatistics
from geoseg.raster.normalize import Normalizer
from geoseg.shift.bands import band_quantiles
from geoseg.shift.forward import Forward
from geoseg.shift.windows import Place, WindowSample
from geoseg.shift.witness import Witness, heard, witnesses_of
from geoseg.window import Window

SIDE = 32
NORMALIZER = Normalizer(scales={"float32": 1.0}, mean=(0.5,) * 3, std=(0.3,) * 3)


def _sample(*, gain: float = 1.0, offset: float = 0.0) -> WindowSample:
    rng = np.random.default_rng(5)
    images = (rng.normal(0.5, 0.3, (4, 3, SIDE, SIDE)) * gain + offset).astype(np.float32)
    places = (Place(scene=0, window=Window.between(0, SIDE, 0, SIDE)),) * 4
    return WindowSample(images=images, valid=np.ones((4, SIDE, SIDE), dtype=np.bool_), places=places)


def _model(*, normalised: bool) -> Witness:
    torch.manual_seed(1)
    layers = [nn.BatchNorm2d(3)] if normalised else []
    return Witness(forward=Forward(network=nn.Sequential(*layers, nn.Conv2d(3, 3, 1)).eval()), normalizer=NORMALIZER)


def _reference() -> ReferenceStatistics:
    return cast("ReferenceStatistics", SimpleNamespace(quantiles=band_quantiles(_sample())))


def test_batch_normalisation_takes_the_statistics_of_the_ground_whole_and_half_way() -> None:
    model, sample = _model(normalised=True), _sample(gain=1.5, offset=0.6)
    before = model.forward.network[0].running_mean.clone()
    whole, half = witnesses_of(model, sample)
    mean = model.images(sample).mean(dim=(0, 2, 3))
    assert torch.allclose(whole.forward.network[0].running_mean, mean, atol=1e-4)
    assert torch.allclose(half.forward.network[0].running_mean, (mean + before) / 2, atol=1e-4)
    assert torch.equal(model.forward.network[0].running_mean, before)


def test_a_witness_of_other_light_says_what_the_model_says_of_the_usual_light() -> None:
    """An oracle: undoing the light by hand gives the same numbers."""
    model, plain = _model(normalised=True), _sample()
    known = witnesses_of(model, plain)[0].probabilities(plain)
    darker = _sample(gain=0.4, offset=0.2)
    assert torch.allclose(witnesses_of(model, darker)[0].probabilities(darker), known, atol=2e-3)
    assert (model.probabilities(darker) - known).abs().max() > 0.05


def test_without_batch_normalisation_the_bands_are_matched() -> None:
    model, plain, darker = _model(normalised=False), _sample(), _sample(gain=0.4, offset=0.2)
    by_quantiles, by_moments = witnesses_of(model, darker, _reference())
    for witness in (by_quantiles, by_moments):
        assert witness.forward is model.forward
        assert (witness.probabilities(darker) - model.probabilities(plain)).abs().mean() < 0.01
    assert (model.probabilities(darker) - model.probabilities(plain)).abs().mean() > 0.05
    assert witnesses_of(model, darker) == ()


def test_witnesses_count_as_much_as_the_model_however_many_they_are() -> None:
    own, one, other = torch.rand(3, 2, 4).unbind()
    assert torch.equal(heard(own, []), own)
    assert torch.allclose(heard(own, [one]), (own + one) / 2)
    assert torch.allclose(heard(own, [one, other]), own / 2 + (one + other) / 4)


def test_the_same_windows_give_the_same_witnesses_and_pixels_without_a_measurement_count_nowhere() -> None:
    model, sample = _model(normalised=True), _sample()
    sample.valid[0, :8] = False
    wild = replace(sample, images=np.where(sample.valid[:, None], sample.images, 7.0).astype(np.float32))
    one, other = (witnesses_of(model, part)[0].probabilities(sample) for part in (sample, wild))
    assert torch.equal(one, other)
