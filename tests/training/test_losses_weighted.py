from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.config.loss import LossSettings
from geoseg.config.settings import settings_from
from geoseg.errors import ConfigError
from geoseg.training.losses import (
    SegmentationLoss,
    balanced_weights,
    cross_entropy,
    focal,
    hard_weights,
    lovasz_softmax,
    pixel_labels_of,
    soft_dice,
)

NAMES = ("water", "tree", "road")
MEMBERS = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]]).bool()
ALL_TERMS = {"cross_entropy": 1, "dice": 1, "lovasz": 1, "focal": 1}


def case(seed, *, codes=4):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, 2, (2, 3, 6, 5)).astype(np.float32))
    labels = torch.from_numpy(rng.choice([*range(codes), 255], (2, 6, 5)).astype(np.uint8))
    return logits.requires_grad_(), pixel_labels_of(labels, MEMBERS, ignored=255)


def loss_of(*, counts=(1, 1, 1), **settings):
    made = settings_from(LossSettings, settings, origin="here")
    return SegmentationLoss.of(made, class_names=NAMES, class_counts=counts)


@given(st.integers(0, 1000), st.tuples(*[st.sampled_from([0.0, 0.5, 1.0, 3.0])] * 4).filter(any))
def test_the_loss_is_the_weighted_sum_of_its_terms(seed, weights):
    logits, given = case(seed)
    loss = loss_of(**dict(zip(ALL_TERMS, weights, strict=True)), focal_gamma=1.5, label_smoothing=0.1)
    terms = (
        cross_entropy(logits, given, smoothing=0.1),
        soft_dice(logits, given),
        lovasz_softmax(logits, given),
        focal(logits, given, gamma=1.5),
    )
    expected = sum(weight * term.item() for weight, term in zip(weights, terms, strict=True))
    assert loss(logits, given).item() == pytest.approx(expected, rel=1e-5)


def test_the_default_is_cross_entropy_and_dice():
    logits, given = case(0)
    expected = cross_entropy(logits, given) + soft_dice(logits, given)
    assert loss_of()(logits, given).item() == pytest.approx(expected.item())


def test_hard_pixels_are_mined_for_the_cross_entropy_only():
    logits, given = case(1)
    hard = replace(given, weights=hard_weights(logits, given, threshold=0.4, least=0.1))
    expected = cross_entropy(logits, hard) + soft_dice(logits, given)
    found = loss_of(ohem_threshold=0.4, ohem_least=0.1)(logits, given)
    assert found.item() == pytest.approx(expected.item())
    assert found.item() > loss_of()(logits, given).item()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_logits_of_any_precision_are_summed_in_float32(dtype):
    logits, given = case(2)
    low = logits.detach().to(dtype).requires_grad_()
    loss = loss_of(**ALL_TERMS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(low, given)
    value.backward()
    assert value.dtype == torch.float32
    assert value.item() == loss(low.float(), given).item()
    assert low.grad.dtype == dtype


def test_a_batch_without_a_known_pixel_costs_exactly_nothing():
    logits, given = case(3)
    nothing = replace(given, weights=torch.zeros_like(given.weights))
    value = loss_of(**ALL_TERMS, label_smoothing=0.1, ohem_threshold=0.7)(logits, nothing)
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


def test_labels_that_say_nothing_have_weight_0_and_a_code_all_the_same():
    labels = torch.tensor([[[0, 3, 255]]], dtype=torch.uint8)
    given = pixel_labels_of(labels, MEMBERS, ignored=255)
    assert given.weights.tolist() == [[[1, 1, 0]]]
    assert given.codes.tolist() == [[[0, 3, 0]]]
    assert (given.codes.dtype, given.weights.dtype) == (torch.int64, torch.float32)
    assert given.partial
    assert not replace(given, codes=torch.zeros_like(given.codes)).partial


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=9))
def test_balanced_weights_are_median_over_frequency_within_limits(counts):
    weights = balanced_weights(counts)
    seen = [count for count in counts if count]
    for weight, count in zip(weights, counts, strict=True):
        expected = np.clip(np.median(seen) / count, 0.5, 5) if count else 1
        assert weight == pytest.approx(expected)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("none", None), ("balanced", (0.5, 1.0, 5.0)), ({"road": 3, "water": 0.5}, (0.5, 1.0, 3.0))],
)
def test_class_weights_are_in_the_order_of_the_logits(asked, expected):
    assert loss_of(class_weights=asked, counts=(1000, 100, 1)).class_weights == expected


def test_class_weights_act_on_the_cross_entropy():
    logits, given = case(4)
    expected = cross_entropy(logits, given, class_weights=torch.tensor([0.5, 1, 3]))
    loss = loss_of(class_weights={"road": 3, "water": 0.5}, dice=0)
    assert loss(logits, given).item() == pytest.approx(expected.item())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cross_entropy": 0, "dice": 0}, "one of cross_entropy, dice, lovasz and focal should be above 0"),
        ({"dice": -1}, "dice.*greater than or equal to 0"),
        ({"dice": float("inf")}, "dice.*finite"),
        ({"class_weights": "median"}, "class_weights.*'none' or 'balanced'.*'median'"),
        ({"class_weights": 3}, "class_weights.*'none' or 'balanced'"),
        ({"class_weights": {"tree": 0}}, r"class_weights.*tree.*greater than 0"),
        ({"class_weights": {"hedge": 2}}, "'hedge' is no class of the legend; its classes: water, tree, road"),
        ({"ohem_threshold": 0}, "ohem_threshold.*greater than 0"),
        ({"label_smoothing": 1}, "label_smoothing.*less than 1"),
        ({"tversky": 1}, "tversky.*known keys: cross_entropy, dice"),
    ],
)
def test_settings_that_cannot_be_are_one_clear_line(settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        loss_of(**settings)
    assert "\n" not in str(caught.value)
