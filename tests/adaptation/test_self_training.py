"""Networks that label ground for themselves."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from geoseg.adaptation.candidate import Problem, SourceGround
from geoseg.adaptation.learning import DomainBatch, DomainBatches, TargetBatch, learning_precision
from geoseg.adaptation.mixing import Labelled
from geoseg.adaptation.self_training import (
    SelfTraining,
    SelfTrainingStep,
    drawn_views,
    in_style_of,
)
from geoseg.adaptation.self_training_plan import SelfTrainingPlan
from geoseg.adaptation.target_losses import anchor_loss, pseudo_loss
from geoseg.raster.curves import BandCurve
from geoseg.shift.forward import Forward
from geoseg.training.batches import TrainingBatch

MakeProblem = Callable[..., Problem]
EVERYTHING = SelfTrainingPlan(masking=0.5, beta=0.05, threshold=0.5)
ORDER = (2, 0, 1)


def source_free(problem: Problem) -> Problem:
    return replace(problem, source=None)


def states(problem: Problem, plan: SelfTrainingPlan | None = None) -> list[dict[str, Tensor]]:
    return [dict(candidate.state) for candidate in SelfTraining(plan=plan).candidates(problem, 600)]


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("change", [lambda problem: problem, source_free], ids=["source", "source-free"])
def test_the_same_problem_gives_the_same_candidates_bit_for_bit_and_leaves_it_alone(
    labelled_problem: MakeProblem, change: Callable[[Problem], Problem]
):
    problem = change(labelled_problem())
    before = copy.deepcopy(problem.package.network.state_dict())
    first, again = (states(problem, EVERYTHING) for _ in range(2))
    assert len(first) == 3
    assert all(same(*pair) for pair in zip(first, again, strict=True))
    assert same(before, problem.package.network.state_dict())
    assert not same(first[0], before)


def test_candidates_come_on_the_way_with_the_curves_they_were_made_on(labelled_problem: MakeProblem):
    curves = (BandCurve(knots=(0.0, 1.0), values=(0.0, 0.9)),) * 3
    problem = labelled_problem().with_curves(curves)
    found = list(SelfTraining().candidates(problem, 600))
    assert [candidate.label for candidate in found] == ["selftrain-1", "selftrain-2", "selftrain-4"]
    assert {candidate.curves for candidate in found} == {curves}
    assert [candidate.parameters["steps"] for candidate in found] == [1, 2, 4]


def test_no_time_still_gives_one_candidate(labelled_problem: MakeProblem):
    assert len(list(SelfTraining().candidates(labelled_problem(steps=8), 0))) == 1


def test_published_gives_the_student_after_all_steps_with_batch_statistics(labelled_problem: MakeProblem):
    problem = labelled_problem(recipe="published")
    (candidate,) = SelfTraining().candidates(problem, 600)
    assert candidate.parameters["decay"] == 0.999
    before = problem.package.network.state_dict()
    means = [name for name in before if name.endswith("running_mean")]
    assert means
    assert not any(torch.equal(before[name], candidate.state[name]) for name in means)


def test_the_teacher_follows_in_weights_and_in_buffers(labelled_problem: MakeProblem):
    problem = labelled_problem()
    plan = SelfTrainingPlan(batch_statistics=True, decay=0.75)
    step = SelfTrainingStep(problem, plan)
    before = copy.deepcopy(step.network.state_dict())
    step(DomainBatches(problem)(0), factor=1.0)
    student, teacher = step._student.state_dict(), step.network.state_dict()
    for name, was in before.items():
        if was.is_floating_point():
            torch.testing.assert_close(teacher[name], torch.lerp(was, student[name], 0.25))
    means = [name for name in before if name.endswith("running_var")]
    assert means
    assert not any(torch.equal(before[name], teacher[name]) for name in means)


def test_statistics_of_norms_stay_where_the_plan_does_not_take_those_of_batches(labelled_problem: MakeProblem):
    problem = labelled_problem()
    before = problem.package.network.state_dict()
    *_, last = states(problem)
    buffers = [name for name, _ in problem.package.network.named_buffers()]
    assert buffers
    assert all(torch.equal(before[name], last[name]) for name in buffers)


@pytest.mark.parametrize("change", [lambda problem: problem, source_free], ids=["source", "source-free"])
@pytest.mark.parametrize("plan", [EVERYTHING, SelfTrainingPlan.published()], ids=["guarded", "published"])
def test_a_batch_without_a_valid_pixel_costs_nothing_and_stays_finite(
    labelled_problem: MakeProblem, plan: SelfTrainingPlan, change: Callable[[Problem], Problem]
):
    problem = change(labelled_problem())
    step = SelfTrainingStep(problem, plan)
    batch = nothing_known(DomainBatches(problem)(0))
    losses = step(batch, factor=1.0)
    assert set(losses.values()) == {0.0}
    assert all(tensor.isfinite().all() for tensor in step.network.state_dict().values())


def nothing_known(batch: DomainBatch) -> DomainBatch:
    target = TargetBatch(images=torch.zeros_like(batch.target.images), valid=torch.zeros_like(batch.target.valid))
    source = batch.source and TrainingBatch(
        images=torch.zeros_like(batch.source.images), labels=torch.full_like(batch.source.labels, 255)
    )
    return DomainBatch(target=target, source=source)


def test_invalid_pixels_of_the_target_are_never_learnt_from(labelled_problem: MakeProblem):
    problem = source_free(labelled_problem())
    plan = SelfTrainingPlan(threshold=0.0, views=1)
    batch = DomainBatches(problem)(1)
    batch.target.valid[:, ::2] = False
    labelled = SelfTrainingStep(problem, plan)._labelled(batch.target.images, batch.target.valid, generator())
    assert (labelled.labels[:, ::2] == 255).all()
    assert (labelled.labels[:, 1::2] != 255).all()


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def with_head_permuted(problem: Problem) -> Problem:
    network = copy.deepcopy(problem.package.network)
    head = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
    with torch.no_grad():
        for parameter in head.parameters():
            parameter[list(ORDER)] = parameter.clone()
    package = replace(problem.package, network=network)
    source = None if problem.source is None else with_labels_permuted(problem.source)
    return replace(problem, package=package, forward=Forward(network=network), source=source)


def with_labels_permuted(source: SourceGround) -> SourceGround:
    table = torch.tensor([*ORDER, *[255] * 253], dtype=torch.uint8)

    def make(iteration: int) -> TrainingBatch:
        batch = source.maker(iteration)
        return TrainingBatch(images=batch.images, labels=table[batch.labels.long()])

    return replace(source, maker=make)


@pytest.mark.parametrize("change", [lambda problem: problem, source_free], ids=["source", "source-free"])
def test_permuted_classes_give_permuted_networks(labelled_problem: MakeProblem, change: Callable[[Problem], Problem]):
    problem = change(labelled_problem())
    permuted = with_head_permuted(problem)
    images = DomainBatches(problem)(0).target.images
    plan = replace(EVERYTHING, rate=1e-4)
    logits = [
        each.network(list(SelfTraining(plan=plan).candidates(each, 600))[-1])(images).detach()
        for each in (problem, permuted)
    ]
    untouched = problem.network()(images).detach()
    moved = (logits[0] - untouched).abs().max()
    assert (logits[1][:, list(ORDER)] - logits[0]).abs().max() < 0.05 * moved


def test_a_target_without_valid_pixels_is_refused(labelled_problem: MakeProblem):
    problem = labelled_problem()
    nothing = replace(problem.target, valid=np.zeros_like(problem.target.valid))
    assert "valid" in (SelfTraining().refusal(replace(problem, target=nothing)) or "")
    assert SelfTraining().refusal(problem) is None


def test_the_loss_of_pseudo_labels_is_a_mean_over_all_pixels_with_partial_labels_marginalised():
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 1, 4)
    labels = torch.tensor([[[1, 3, 255, 0]]], dtype=torch.uint8)
    members = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=torch.bool)
    given = Labelled(images=logits, labels=labels, weights=torch.tensor([[[1.0, 0.5, 1.0, 0.0]]]))
    shares = logits.softmax(dim=1)[0, :, 0]
    expected = -(shares[1, 0].log() + 0.5 * (shares[1, 1] + shares[2, 1]).log()) / 4
    torch.testing.assert_close(pseudo_loss(logits, given, members), expected)


def test_the_anchor_is_nothing_where_the_network_is_as_it_was_and_counts_confident_valid_pixels_alone():
    torch.manual_seed(0)
    before, now, valid = 4 * torch.randn(2, 3, 5, 5), 4 * torch.randn(2, 3, 5, 5), torch.rand(2, 5, 5) < 0.7
    wanted = before.softmax(dim=1)
    torch.testing.assert_close(anchor_loss(before, wanted, valid, limit=0.8), torch.tensor(0.0), atol=1e-6, rtol=0)
    divergence = nn.functional.kl_div(now.log_softmax(dim=1), wanted, reduction="none").sum(dim=1)
    expected = divergence[valid & (wanted.amax(dim=1) >= 0.8)].sum() / valid.numel()
    torch.testing.assert_close(anchor_loss(now, wanted, valid, limit=0.8), expected)


def test_certain_probabilities_keep_the_anchor_finite():
    wanted = torch.zeros(1, 3, 2, 2)
    wanted[:, 1] = 1
    assert anchor_loss(torch.zeros(1, 3, 2, 2), wanted, torch.ones(1, 2, 2, dtype=torch.bool), limit=0.9).isfinite()


def test_views_are_all_different_and_begin_with_the_image_as_it_is():
    for count in range(1, 9):
        views = drawn_views(count, generator())
        assert len(set(views)) == count
        assert torch.equal(views[0].laid(torch.eye(3)), torch.eye(3))


def test_chips_in_the_style_of_a_target_have_its_means_and_keep_their_zeros():
    torch.manual_seed(0)
    chips, target = torch.randn(2, 3, 32, 32), 2 + torch.randn(2, 3, 32, 32)
    chips[0, :, :5] = 0
    chips[1, 2] = 0
    styled = in_style_of(target, torch.ones(2, 32, 32, dtype=torch.bool), chips, beta=0.02)
    assert not styled[chips == 0].any()
    torch.testing.assert_close(styled[1, :2].mean(dim=(1, 2)), target[1, :2].mean(dim=(1, 2)), atol=1e-4, rtol=0)


def test_half_precision_that_needs_scaled_losses_is_not_learnt_in():
    assert [learning_precision(name) for name in ("fp16", "bf16", "fp32")] == ["fp32", "bf16", "fp32"]
