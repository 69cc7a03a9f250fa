import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.training.ema import EmaTeacher
from geoseg.training.optim import make_optimizer, rate_factor, set_rate


def small_network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Conv2d(3, 2, 1))


def test_norms_and_biases_do_not_decay():
    network = small_network()
    optimizer = make_optimizer(network, learning_rate=1e-3, weight_decay=0.1)
    decayed, kept = optimizer.param_groups
    assert {parameter.ndim for parameter in decayed["params"]} == {4}
    assert {parameter.ndim for parameter in kept["params"]} == {1}
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.1, 0.0)
    assert len(decayed["params"]) + len(kept["params"]) == len(list(network.parameters()))


def test_the_rate_is_set_for_all_parameters():
    optimizer = make_optimizer(small_network(), learning_rate=1e-3, weight_decay=0.1)
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]


@given(iterations=st.integers(1, 500), warmup_share=st.floats(0, 0.9))
def test_the_rate_rises_then_falls_and_is_never_zero(iterations, warmup_share):
    warmup = round(iterations * warmup_share)
    rates = [rate_factor(i, iterations=iterations, warmup=warmup) for i in range(iterations)]
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(0 < rate <= 1 for rate in rates)


def test_the_rate_ends_at_a_hundredth():
    assert rate_factor(100, iterations=100, warmup=10) == pytest.approx(0.01)
    assert rate_factor(10, iterations=100, warmup=10) == pytest.approx(1)


def test_the_mean_of_weights_is_the_running_mean_of_every_tensor():
    network = small_network()
    teacher = EmaTeacher(network, decay=0.9)
    expected = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for iteration in range(30):
        network.train()
        network(torch.randn(2, 2, 5, 5, generator=torch.Generator().manual_seed(iteration)))
        with torch.no_grad():
            network[0].weight += 0.01
        teacher.update(network, iteration=iteration)
        decay = min(0.9, (1 + iteration) / (10 + iteration))
        for name, tensor in network.state_dict().items():
            mixed = decay * expected[name] + (1 - decay) * tensor
            expected[name] = mixed if tensor.is_floating_point() else tensor.clone()
    for name, tensor in teacher.network.state_dict().items():
        assert torch.allclose(tensor, expected[name].to(tensor.dtype), atol=1e-6), name
    assert not torch.equal(teacher.network[1].running_mean, torch.zeros(3))


def test_the_mean_of_weights_stays_in_evaluation_and_out_of_the_gradient():
    teacher = EmaTeacher(small_network(), decay=0.9)
    assert not teacher.network.training
    assert not any(parameter.requires_grad for parameter in teacher.network.parameters())
