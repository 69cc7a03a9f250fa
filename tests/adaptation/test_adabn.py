from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from geoseg.adaptation.adabn import AdaBn
from geoseg.shift.batchnorm import recomputed_batchnorm


@pytest.fixture
def problem(labelled_problem):
    return labelled_problem()


@pytest.mark.parametrize(("label", "keep"), [("adabn-10", 0.9), ("adabn-50", 0.5), ("adabn-100", 0.0)])
def test_candidates_have_the_statistics_that_are_recomputed_at_their_weight(problem, label, keep):
    candidates = {each.label: each for each in AdaBn().candidates(problem, 60)}
    images = problem.target.tensor(problem.package.normalizer)
    wanted = recomputed_batchnorm(problem.forward, images, torch.from_numpy(problem.target.valid), keep=keep)
    for name, tensor in wanted.items():
        assert torch.allclose(candidates[label].state[name], tensor, atol=1e-5), name
    assert candidates[label].parameters == {"keep": keep}


def test_the_most_careful_comes_first_and_only_statistics_differ(problem):
    candidates = list(AdaBn().candidates(problem, 60))
    assert [each.parameters["keep"] for each in candidates] == [0.9, 0.5, 0.0]
    before = problem.package.network.state_dict()
    changed = {name for each in candidates for name in before if not torch.equal(each.state[name], before[name])}
    assert changed
    assert all(name.endswith(("running_mean", "running_var")) for name in changed)


def test_the_published_recipe_takes_the_targets_statistics_alone(labelled_problem):
    found = list(AdaBn().candidates(labelled_problem(recipe="published", method="adabn"), 60))
    assert [each.parameters["keep"] for each in found] == [0.0]


def test_the_same_problem_gives_the_same_bits_and_stays_as_it_is(problem):
    before = {name: tensor.clone() for name, tensor in problem.package.network.state_dict().items()}
    first, second = (list(AdaBn().candidates(problem, 60)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(one.state[name], other.state[name]) for name in one.state)
    after = problem.package.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_network_without_batch_normalisation_is_refused(problem):
    package = replace(problem.package, network=nn.Conv2d(3, 3, 1))
    assert "no batch normalisation" in AdaBn().refusal(replace(problem, package=package))
    assert AdaBn().refusal(problem) is None
