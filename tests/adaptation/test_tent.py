"""Networks made surer by their norms alone."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from geoseg.adaptation.candidate import Problem
from geoseg.adaptation.learning import DomainBatch, DomainBatches, TargetBatch
from geoseg.adaptation.sharpness import flat_gradients
from geoseg.adaptation.tent import Tent, TentPlan, TentStep, affine_parameters, entropy_of, weighed_entropy
from geoseg.shift.forward import Forward

MakeProblem = Callable[..., Problem]
WIDE = TentPlan(margin=1.0)
ORDER = (2, 0, 1)


def state_after(problem: Problem, plan: TentPlan, steps: int = 2) -> dict[str, Tensor]:
    step, make = TentStep(problem, plan), DomainBatches(problem)
    for number in range(steps):
        step(make(number), factor=1.0)
    return step.network.state_dict()


@pytest.mark.parametrize("reach", [0.0, 0.05])
def test_scales_and_offsets_of_norms_move_and_all_else_stays_bit_for_bit(labelled_problem: MakeProblem, reach: float):
    problem = labelled_problem()
    before, after = problem.package.network.state_dict(), state_after(problem, replace(WIDE, reach=reach))
    moved = {name for name, was in before.items() if not torch.equal(was, after[name])}
    affine = set(affine_parameters(problem.package.network))
    assert moved
    assert moved <= affine
    assert len(moved) > len(affine) / 2


def test_entropy_falls(labelled_problem: MakeProblem):
    problem = labelled_problem()
    batch = DomainBatches(problem)(0)
    step = TentStep(problem, replace(WIDE, floor=0.0))
    entropies = []
    for _ in range(6):
        with torch.no_grad():
            entropies.append(float(entropy_of(step.network(batch.target.images))[batch.target.valid].mean()))
        step(batch, factor=1.0)
    assert entropies[-1] < entropies[0]


def test_restore_puts_back_everything(labelled_problem: MakeProblem):
    problem = labelled_problem()
    for plan in (WIDE, TentPlan.published()):
        step = TentStep(problem, plan)
        before = copy.deepcopy(problem.package.network.state_dict())
        step(DomainBatches(problem)(0), factor=1.0)
        assert not all(torch.equal(before[name], now) for name, now in step.network.state_dict().items())
        step.restore()
        assert all(torch.equal(before[name], now) for name, now in step.network.state_dict().items())


def test_a_network_that_becomes_sure_of_everything_is_put_back(labelled_problem: MakeProblem):
    problem = labelled_problem()
    batch = DomainBatches(problem)(0)
    before = problem.package.network.state_dict()
    step = TentStep(problem, replace(WIDE, rate=0.05, floor=0.99))
    was_back = []
    for _ in range(12):
        step(batch, factor=1.0)
        was_back.append(all(torch.equal(before[name], now) for name, now in step.network.state_dict().items()))
    assert any(was_back)
    assert not all(was_back)


def test_pixels_that_are_not_sure_enough_or_not_valid_change_nothing(labelled_problem: MakeProblem):
    problem = labelled_problem()
    before = problem.package.network.state_dict()
    doubtful = state_after(problem, replace(WIDE, margin=1e-6))
    assert all(torch.equal(before[name], now) for name, now in doubtful.items())
    batch = DomainBatches(problem)(0)
    empty = DomainBatch(
        target=TargetBatch(images=torch.zeros_like(batch.target.images), valid=torch.zeros_like(batch.target.valid)),
        source=None,
    )
    for plan in (WIDE, replace(TentPlan.published(), batch_statistics=False)):
        step = TentStep(problem, plan)
        assert step(empty, factor=1.0) == {"entropy": 0.0}
        assert all(torch.equal(before[name], now) for name, now in step.network.state_dict().items())


def test_published_keeps_the_mean_statistics_of_the_pass(labelled_problem: MakeProblem):
    problem = labelled_problem(recipe="published")
    (candidate,) = Tent().candidates(problem, 600)
    assert candidate.label == "tent-3"
    network = problem.network()
    seen: list[Tensor] = []
    first = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    name = next(name for name, module in network.named_modules() if module is first)
    first.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].mean(dim=(0, 2, 3))))
    with torch.no_grad():
        for number in range(3):
            network(DomainBatches(problem)(number).target.images)
    torch.testing.assert_close(candidate.state[f"{name}.running_mean"], torch.stack(seen).mean(dim=0))


def test_the_same_problem_gives_the_same_candidates_and_one_pass_at_most(labelled_problem: MakeProblem):
    problem = labelled_problem(steps=50)
    first, again = (list(Tent(plan=WIDE).candidates(problem, 600)) for _ in range(2))
    assert [candidate.label for candidate in first] == ["tent-2", "tent-3"]
    for one, other in zip(first, again, strict=True):
        assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)


def test_permuted_classes_give_the_same_norms(labelled_problem: MakeProblem):
    problem = labelled_problem()
    network = copy.deepcopy(problem.package.network)
    head = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
    with torch.no_grad():
        for parameter in head.parameters():
            parameter[list(ORDER)] = parameter.clone()
    permuted = replace(problem, package=replace(problem.package, network=network), forward=Forward(network=network))
    before = problem.package.network.state_dict()
    plain, other = (state_after(each, WIDE) for each in (problem, permuted))
    far = near = 0.0
    for name in affine_parameters(problem.package.network):
        far += float((plain[name] - before[name]).abs().sum())
        near += float((plain[name] - other[name]).abs().sum())
    assert near < 0.02 * far


def test_a_network_without_such_norms_and_ground_without_pixels_are_refused(labelled_problem: MakeProblem):
    problem = labelled_problem()
    bare = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, affine=False))
    assert "norm" in (Tent().refusal(replace(problem, package=replace(problem.package, network=bare))) or "")
    nothing = replace(problem.target, valid=np.zeros_like(problem.target.valid))
    assert "valid" in (Tent().refusal(replace(problem, target=nothing)) or "")
    assert Tent().refusal(problem) is None


def test_scales_of_all_kinds_of_norms_are_found():
    network = nn.ModuleDict({
        "batch": nn.BatchNorm2d(4), "group": nn.GroupNorm(2, 4), "layer": nn.LayerNorm(4),
        "instance": nn.InstanceNorm2d(4, affine=True), "conv": nn.Conv2d(4, 4, 1), "plain": nn.InstanceNorm2d(4),
    })  # fmt: skip
    kinds = ("batch", "group", "layer", "instance")
    assert set(affine_parameters(network)) == {f"{kind}.{name}" for kind in kinds for name in ("weight", "bias")}


def test_entropy_is_that_of_the_distribution():
    logits = torch.stack([torch.zeros(4, 2, 2), torch.tensor([99.0, 0, 0, 0]).view(4, 1, 1).expand(4, 2, 2)])
    torch.testing.assert_close(entropy_of(logits), torch.tensor([math.log(4), 0.0]).view(2, 1, 1).expand(2, 2, 2))


def test_surer_pixels_weigh_more_and_their_weights_have_no_slope():
    entropy = torch.tensor([0.1, 0.5], requires_grad=True)
    weighed_entropy(entropy, limit=0.6).backward()
    torch.testing.assert_close(entropy.grad, torch.tensor([math.exp(0.5), math.exp(0.1)]) / 2)


def test_flat_gradients_are_those_uphill_and_leave_the_parameters_alone():
    parameter = nn.Parameter(torch.tensor([3.0, 4.0]))
    loss = flat_gradients([parameter], lambda: parameter @ parameter, reach=0.5)
    assert loss == 25.0
    assert parameter.tolist() == [3.0, 4.0]
    torch.testing.assert_close(parameter.grad, torch.tensor([6.6, 8.8]))
