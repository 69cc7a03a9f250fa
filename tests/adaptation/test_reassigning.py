"""A model made for the bands of another sensor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from geoseg.adaptation.assignment import Assignment, mixing_of
from geoseg.adaptation.match import Match
from geoseg.adaptation.reassigning import (
    folded,
    mixed,
    reassigned,
    reassigned_problem,
    statistics_of,
    unassigned_curves,
)
from geoseg.errors import ModelError
from geoseg.models.zoo import load_model
from geoseg.shift.bands import band_correlations
from geoseg.shift.windows import WindowSample

SIDE = 64
FOUND = Assignment(places=(1, 2, None), mixing=np.array([[0, 1, 0], [0, 0, 1], [0, 0.8, 0.1]]))


def visible_and_infrared(seed, *, count):
    """Red, green, blue and near infrared, 0 to 1: (count, 4, side, side)."""
    rng = np.random.default_rng(seed)
    light, plants = rng.normal(size=(2, count, SIDE, SIDE))
    noise = 0.2 * rng.normal(size=(4, count, SIDE, SIDE))
    red, green, blue = 0.4 + 0.1 * (light + noise[:3])
    nir = 0.7 + 0.1 * (plants + noise[3])
    return np.stack([red, green - 0.02, blue - 0.05, nir], axis=1).astype(np.float32)


@pytest.fixture
def problem(labelled_problem):
    """A model of red, green and blue that meets near infrared, red and green; its package knows no correlations."""
    given = labelled_problem()
    target = replace(given.target, images=visible_and_infrared(0, count=6)[:, [3, 0, 1]])
    chips = visible_and_infrared(1, count=3)[:, :3]
    return replace(given, target=target, source=replace(given.source, chips=chips))


def outputs(network, images):
    with torch.inference_mode():
        return network.eval()(images)


@given(numbers=st.lists(st.floats(-2, 2), min_size=9, max_size=9))
@settings(max_examples=4, deadline=None)
def test_folding_a_mixture_is_mixing_the_bands(tiny_model, numbers):
    network = load_model(tiny_model).network
    mixing = np.array(numbers).reshape(3, 3)
    images = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    wanted = outputs(network, mixed(images, mixing))
    torch.testing.assert_close(outputs(folded(network, mixing), images), wanted, rtol=1e-3, atol=1e-3)


def test_folding_leaves_the_network_as_it_was(tiny_model):
    network = load_model(tiny_model).network
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded(network, FOUND.mixing)
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


class SeesTwice(nn.Module):
    """Adds the image to what its convolution gives."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 1)

    def forward(self, images):
        return self.convolution(images) + images


@pytest.mark.parametrize("network", [SeesTwice(), nn.Conv2d(4, 3, 1)])
def test_a_network_that_cannot_be_folded_is_refused(network):
    with pytest.raises(ModelError):
        folded(network, FOUND.mixing)


def test_the_package_reads_the_other_sensor_as_it_reads_its_own(tiny_model):
    package = load_model(tiny_model)
    own = visible_and_infrared(2, count=2)
    valid = np.ones((2, SIDE, SIDE), dtype=np.bool_)
    other = reassigned(package, FOUND)
    seen = torch.from_numpy(other.normalizer.apply(own[:, [3, 0, 1]], valid))
    as_own = torch.from_numpy(package.normalizer.apply(own[:, :3], valid))
    as_own[:, 2] = 0.8 * as_own[:, 0] + 0.1 * as_own[:, 1]
    torch.testing.assert_close(outputs(other.network, seen), outputs(package.network, as_own), rtol=1e-3, atol=1e-3)


def test_the_model_as_it_was_is_read_as_it_was(tiny_model):
    package = load_model(tiny_model)
    package = replace(package, normalizer=replace(package.normalizer, mean=(0.2, 0.4, 0.6), std=(0.1, 0.2, 0.3)))
    images = visible_and_infrared(3, count=1)[:, :3]
    valid = np.ones((1, SIDE, SIDE), dtype=np.bool_)
    after = reassigned(package, FOUND).normalizer
    seen = replace(after, curves=unassigned_curves(package, FOUND)).apply(images, valid)
    np.testing.assert_allclose(seen, package.normalizer.apply(images, valid), rtol=1e-4, atol=1e-4)


def test_bands_are_found_by_the_source_where_the_package_knows_nothing(problem):
    after = reassigned_problem(problem)
    assert problem.package.reference is None or problem.package.reference.correlations is None
    assert after.assignment is not None
    assert after.assignment.places == (1, 2, None)
    assert after.forward.network is after.package.network


def test_without_statistics_and_source_nothing_changes(problem):
    unknown = replace(problem, source=None)
    assert reassigned_problem(unknown) is unknown


def test_the_same_sensor_changes_nothing(problem):
    same = replace(problem, target=replace(problem.target, images=visible_and_infrared(4, count=6)[:, :3]))
    assert reassigned_problem(same) is same


def test_labelled_ground_is_given_as_the_other_sensor_gives_it(problem):
    after = reassigned_problem(problem)
    batch, own = after.source.maker(0), problem.source.maker(0)
    torch.testing.assert_close(batch.images[:, 1:], own.images[:, :2])
    assert not batch.images[:, 0].any()
    np.testing.assert_array_equal(after.source.chips[:, 1:], problem.source.chips[:, :2])
    assert np.isnan(after.source.chips[:, 0]).all()


def test_the_places_alone_are_a_candidate(problem):
    after = reassigned_problem(problem)
    assert after.package.reference is not None or Match().refusal(after)
    if after.package.reference is not None:
        first = next(iter(Match().candidates(after, 1.0)))
        assert first.label == "match-bands"
        assert not first.curves


@given(seed=st.integers(0, 10**6), hidden=st.booleans())
@settings(max_examples=10, deadline=None)
def test_correlations_are_those_of_valid_pixels(seed, hidden):
    rng = np.random.default_rng(seed)
    images = (rng.normal(size=(3, 3)) @ rng.normal(size=(3, 2 * 16 * 16))).reshape(3, 2, 16, 16).swapaxes(0, 1)
    valid = rng.random((2, 16, 16)) < (0.6 if hidden else 2)
    images = np.where(valid[:, None], images, 1e6).astype(np.float32)
    found = band_correlations(WindowSample(images=images, valid=valid, places=()))
    pixels = images.swapaxes(0, 1)[:, valid]
    inner = [np.clip(band, *np.quantile(band, (0.005, 0.995))) for band in pixels]
    np.testing.assert_allclose(found, np.corrcoef(inner), atol=1e-5)


def test_statistics_tell_of_all_windows_at_once():
    sample = WindowSample(
        images=visible_and_infrared(5, count=4), valid=np.ones((4, SIDE, SIDE), dtype=np.bool_), places=()
    )
    told = statistics_of(sample)
    assert told.known
    assert told.correlations[0, 1] > 0.9
    assert abs(told.correlations[0, 3]) < 0.2
    assert mixing_of((0, 1, 2, 3), told.correlations).tolist() == np.eye(4).tolist()
