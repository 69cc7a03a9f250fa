"""Labelled ground in the style of the target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from geoseg.adaptation.candidate import state_of
from geoseg.adaptation.learning import DomainBatches, TargetBatch
from geoseg.adaptation.style import FourierStyle, Style, StylePlan, StyleStep, curve_style, entropy_penalty
from geoseg.raster.curves import BandCurve


@pytest.fixture
def problem(labelled_problem):
    return labelled_problem()


def moved(before, after):
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def test_curves_give_the_source_the_distribution_of_the_target(problem):
    style = curve_style(problem, problem.source)
    normalizer = problem.package.normalizer
    images = torch.from_numpy(normalizer.apply(problem.source.chips, problem.source.valid))
    styled = style(images, torch.from_numpy(problem.source.valid), None)
    wanted = problem.target.tensor(normalizer)
    for band in range(3):
        theirs = wanted[:, band][torch.from_numpy(problem.target.valid)]
        ours = styled[:, band].flatten()
        levels = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
        assert torch.allclose(ours.quantile(levels), theirs.quantile(levels), atol=0.02)
        ranks = torch.argsort(images[:, band].flatten())
        assert (torch.diff(ours[ranks]) >= 0).all()


def test_the_style_is_that_of_the_target_as_the_package_sees_it(problem):
    halved = BandCurve(knots=(-2.0, 2.0), values=(-1.0, 1.0))
    plain = curve_style(problem, problem.source)
    curved = curve_style(problem.with_curves((halved,) * 3), problem.source)
    numbers = np.linspace(0.2, 0.6, 9, dtype=np.float32)
    for before, after in zip(plain.curves, curved.curves, strict=True):
        np.testing.assert_allclose(after(numbers), before(numbers) / 2, atol=2e-3)


def test_a_band_that_the_target_lacks_keeps_its_style(problem):
    images = problem.target.images.copy()
    images[:, 1] = np.nan
    problem = replace(problem, target=replace(problem.target, images=images))
    batch = DomainBatches(problem)(0)
    source, valid = batch.source.images, (batch.source.images != 0).any(dim=1)
    for style in (FourierStyle(beta=0.1), curve_style(problem, problem.source)):
        styled = style(source, valid, batch.target)
        assert torch.allclose(styled[:, 1], source[:, 1], atol=1e-5)
        assert not torch.allclose(styled[:, 0], source[:, 0], atol=1e-2)


@pytest.mark.parametrize("plan", [StylePlan.guarded(), StylePlan.published()])
def test_pixels_that_are_not_valid_stay_so_and_give_nothing(problem, plan):
    batch = DomainBatches(problem)(0)
    step = StyleStep(problem, plan)
    valid = (batch.source.images != 0).any(dim=1)
    assert not valid.all()
    styled = step.styled(batch.source.images, batch.target)
    assert torch.equal((styled != 0).any(dim=1), valid)
    noise = torch.where(batch.target.valid.unsqueeze(1), batch.target.images, 1e3)
    assert torch.equal(step.styled(batch.source.images, replace(batch.target, images=noise)), styled)


@pytest.mark.parametrize("plan", [StylePlan.guarded(), StylePlan.published()])
def test_a_band_that_a_chip_lacks_stays_without_numbers(problem, plan):
    batch = DomainBatches(problem)(0)
    images = batch.source.images.clone()
    images[1, 2] = 0
    styled = StyleStep(problem, plan).styled(images, batch.target)
    assert not styled[1, 2].any()
    assert not torch.equal(styled[1, 1], images[1, 1])


def test_every_other_chip_keeps_its_style_in_turns(problem):
    step = StyleStep(problem, replace(StylePlan.guarded(), betas=(0.01,)))
    plain = []
    for done in range(4):
        step._done = done
        plain.append(step._plain(3).tolist())
    assert plain == [[True, False, True]] * 2 + [[False, True, False]] * 2
    assert not StyleStep(problem, StylePlan.published())._plain(3).any()


def test_plain_chips_leave_the_statistics_to_those_in_the_style(problem):
    batch = DomainBatches(problem)(0)
    images = batch.source.images.clone()
    found = []
    for brighter in (0.0, 5.0):
        images[0] += brighter  # the plain one
        step = StyleStep(problem, StylePlan.guarded())
        step(replace(batch, source=replace(batch.source, images=images)), factor=1.0)
        found.append({name: tensor.clone() for name, tensor in step.network.named_buffers()})
    assert not moved(*found)
    assert moved(found[0], dict(problem.package.network.named_buffers()))


def test_the_entropy_penalty_is_charbonniers_on_normalised_entropy():
    logits = torch.randn(2, 4, 5, 5)
    valid = torch.rand(2, 5, 5) > 0.4
    entropy = torch.distributions.Categorical(logits=logits.movedim(1, -1)).entropy() / torch.tensor(4.0).log()
    expected = ((entropy**2 + 1e-8) ** 2)[valid].mean()
    assert torch.isclose(entropy_penalty(logits, valid, eta=2.0), expected)
    assert torch.isclose(entropy_penalty(torch.zeros(1, 4, 1, 1), torch.ones(1, 1, 1), eta=2.0), torch.tensor(1.0))


def test_the_entropy_penalty_knows_no_order_of_classes():
    logits, valid = torch.randn(1, 4, 5, 5), torch.ones(1, 5, 5)
    one, other = (entropy_penalty(each, valid, eta=2.0) for each in (logits, logits[:, [3, 1, 0, 2]]))
    assert torch.isclose(one, other)


@pytest.mark.parametrize("plan", [StylePlan.guarded(), StylePlan.published()])
def test_a_batch_without_valid_pixels_stays_finite(problem, without_labels, plan):
    problem = without_labels(problem)
    step = StyleStep(problem, plan)
    batch = DomainBatches(problem)(0)
    target = TargetBatch(images=torch.zeros_like(batch.target.images), valid=torch.zeros_like(batch.target.valid))
    losses = step(replace(batch, target=target), factor=1.0)
    assert set(losses.values()) == {0.0}
    assert all(tensor.isfinite().all() for tensor in state_of(step.network).values())


@pytest.mark.parametrize("recipe", ["guarded", "published"])
def test_candidates_are_the_same_bit_for_bit_and_leave_the_package_alone(labelled_problem, recipe):
    problem = labelled_problem(recipe=recipe)
    before = state_of(problem.package.network)
    first, again = (list(Style().candidates(problem, 1e9)) for _ in range(2))
    assert [each.label for each in first] == (["style-2"] if recipe == "guarded" else []) + ["style-4"]
    assert not any(moved(one.state, other.state) for one, other in zip(first, again, strict=True))
    assert moved(before, first[-1].state)
    assert not moved(before, state_of(problem.package.network))


def test_the_candidate_has_the_curves_that_it_learnt_with(problem):
    curves = (BandCurve(knots=(-2.0, 2.0), values=(-1.0, 1.0)),) * 3
    assert [each.curves for each in Style().candidates(problem.with_curves(curves), 1e9)] == [curves, curves]


def test_it_is_refused_without_labelled_ground(problem):
    assert Style().refusal(problem) is None
    assert "--source" in Style().refusal(replace(problem, source=None))
