"""Network and discriminator play against each other, each with its own moves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from geoseg.adaptation.adversarial import Adversarial, AdversarialPlan, AdversarialStep, alignment_maps
from geoseg.adaptation.candidate import state_of
from geoseg.adaptation.discriminator import SOURCE, domain_loss, told_apart
from geoseg.adaptation.learning import DomainBatches, TargetBatch

PLANS = [
    AdversarialPlan.guarded("softmax"),
    AdversarialPlan.guarded("entropy"),
    AdversarialPlan.guarded("entropy", by_class=True),
    AdversarialPlan.published("softmax"),
]


def moved(before, after):
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def same(one, other):
    return not moved(one, other)


@pytest.fixture
def problem(labelled_problem):
    return labelled_problem()


def test_softmax_maps_are_probabilities_and_entropy_maps_add_up_to_normalised_entropy():
    logits = torch.randn(2, 5, 8, 8)
    shares = torch.softmax(logits, dim=1)
    assert torch.allclose(alignment_maps(logits, "softmax"), shares, atol=1e-6)
    entropy = torch.distributions.Categorical(probs=shares.movedim(1, -1)).entropy() / torch.tensor(5.0).log()
    assert torch.allclose(alignment_maps(logits, "entropy").sum(dim=1), entropy, atol=1e-5)
    even = alignment_maps(torch.zeros(1, 5, 1, 1), "entropy")
    assert torch.allclose(even, torch.full_like(even, 0.2))


@pytest.mark.parametrize("kind", ["softmax", "entropy"])
def test_maps_stay_finite_where_a_class_is_certain(kind):
    logits = torch.tensor([400.0, -400.0, 0.0]).view(1, 3, 1, 1).requires_grad_()
    maps = alignment_maps(logits, kind)
    maps.sum().backward()
    assert maps.isfinite().all()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("plan", PLANS)
def test_each_side_moves_itself_alone(problem, plan):
    step = AdversarialStep(problem, plan)
    batch = DomainBatches(problem)(0)
    network, discriminator = state_of(step.network), state_of(step.discriminator)
    step.discriminator.register_forward_pre_hook(lambda _module, _maps: seen.append(state_of(step.discriminator)))
    seen = []
    step(batch, factor=1.0)
    assert moved(network, state_of(step.network))
    assert moved(discriminator, state_of(step.discriminator))
    assert all(same(discriminator, state) for state in seen)


@pytest.mark.parametrize("plan", PLANS)
def test_the_discriminators_gradient_never_reaches_the_network(problem, plan, monkeypatch):
    step = AdversarialStep(problem, plan)
    tell, gradients = step._tell, []

    def watched(ours, theirs):
        gradients.append([parameter.grad.clone() for parameter in step.network.parameters()])
        return tell(ours, theirs)

    monkeypatch.setattr(step, "_tell", watched)
    step(DomainBatches(problem)(0), factor=1.0)
    after = [parameter.grad for parameter in step.network.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(gradients[0], after, strict=True))
    assert all(parameter.grad is not None for parameter in step.discriminator.parameters())


@pytest.mark.parametrize("plan", PLANS)
def test_the_pull_never_moves_the_discriminator(problem, plan):
    step = AdversarialStep(problem, plan)
    step._from_windows(DomainBatches(problem)(0).target)
    assert all(parameter.grad is None for parameter in step.discriminator.parameters())
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in step.network.parameters())


@pytest.mark.parametrize("plan", PLANS)
def test_the_pull_makes_maps_of_the_target_pass_for_the_sources(problem, plan):
    step = AdversarialStep(problem, replace(plan, pull=1.0, sgd=False))
    step.network.eval()
    target = DomainBatches(problem)(0).target

    def wrong():
        with torch.no_grad():
            told = step._judged(step._logits(target.images), target.valid, domain=SOURCE)[0]
        return float(domain_loss(told_apart(told), target.valid, domain=SOURCE))

    before = wrong()
    for group in step._optimizer.param_groups:
        group["lr"] = 2e-4
    for _ in range(3):
        step._optimizer.zero_grad()
        step._from_windows(target)
        step._optimizer.step()
    assert wrong() < before


@pytest.mark.parametrize("plan", PLANS)
def test_pixels_that_are_not_valid_are_of_no_matter(problem, plan):
    step = AdversarialStep(problem, plan)
    valid = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0)) > 0.5
    logits = torch.randn(2, 3, 64, 64)
    other = torch.where(valid.unsqueeze(1), logits, torch.randn(2, 3, 64, 64) * 9)
    with torch.no_grad():
        told = [step._judged(each, valid, domain=SOURCE)[1] for each in (logits, other)]
    assert torch.equal(*told)


@pytest.mark.parametrize("plan", PLANS)
def test_a_batch_without_valid_pixels_stays_finite_and_pulls_nothing(problem, without_labels, plan):
    problem = without_labels(problem)
    step = AdversarialStep(problem, plan)
    batch = DomainBatches(problem)(0)
    nothing = TargetBatch(images=torch.zeros_like(batch.target.images), valid=torch.zeros_like(batch.target.valid))
    losses = step(replace(batch, target=nothing), factor=1.0)
    assert losses["adversarial"] == 0
    assert losses["segmentation"] == 0
    assert all(tensor.isfinite().all() for tensor in state_of(step.network).values())
    assert all(tensor.isfinite().all() for tensor in state_of(step.discriminator).values())


@pytest.mark.parametrize("kind", ["softmax", "entropy"])
def test_classes_in_another_order_with_first_weights_in_that_order_give_the_same(problem, kind):
    step, other = (AdversarialStep(problem, AdversarialPlan.guarded(kind)) for _ in range(2))
    order = torch.tensor([2, 0, 1])
    with torch.no_grad():
        other.discriminator[0].weight.copy_(step.discriminator[0].weight[:, order])
    logits, valid = torch.randn(2, 3, 64, 64), torch.rand(2, 64, 64) > 0.2
    with torch.no_grad():
        one, two = step._judged(logits, valid, domain=0), other._judged(logits[:, order], valid, domain=0)
    assert torch.allclose(one[0], two[0], atol=1e-6)
    assert torch.allclose(one[1], two[1], atol=1e-6)


def test_a_discriminator_that_has_won_no_longer_pulls_and_that_is_told(problem):
    step = AdversarialStep(problem, AdversarialPlan.guarded())
    batch = DomainBatches(problem)(0)
    for _ in range(60):
        step._health.see(0.0)
    assert step(batch, factor=1.0)["adversarial"] == 0
    assert step.parameters["steps_without_pull"] == 1
    published = AdversarialStep(problem, AdversarialPlan.published())
    for _ in range(60):
        published._health.see(0.0)
    assert published(batch, factor=1.0)["adversarial"] > 0


def test_guarded_statistics_become_the_targets_alone_and_published_ones_a_mixture(problem):
    batch = DomainBatches(problem)(0)
    brighter = replace(batch, source=replace(batch.source, images=batch.source.images + 5))
    for plan, alone in ((AdversarialPlan.guarded(), True), (AdversarialPlan.published(), False)):
        found = []
        for each in (batch, brighter):
            step = AdversarialStep(problem, plan)
            step(each, factor=1.0)
            found.append({name: tensor.clone() for name, tensor in step.network.named_buffers()})
        assert same(*found) is alone
        assert moved(found[0], dict(problem.package.network.named_buffers()))


@pytest.mark.parametrize("recipe", ["guarded", "published"])
def test_candidates_are_the_same_bit_for_bit_and_leave_the_package_alone(labelled_problem, recipe):
    problem = labelled_problem(recipe=recipe)
    before = state_of(problem.package.network)
    first, again = (list(Adversarial().candidates(problem, 1e9)) for _ in range(2))
    labels = [candidate.label for candidate in first]
    assert labels == (["adversarial-entropy-2"] if recipe == "guarded" else []) + ["adversarial-entropy-4"]
    assert all(same(one.state, other.state) for one, other in zip(first, again, strict=True))
    assert moved(before, first[-1].state)
    assert same(before, state_of(problem.package.network))
    assert {candidate.adapter for candidate in first} == {"adversarial"}


def test_it_is_refused_without_labelled_ground(problem):
    assert Adversarial().refusal(problem) is None
    assert "--source" in Adversarial().refusal(replace(problem, source=None))
