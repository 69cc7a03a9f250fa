import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.training.losses import cross_entropy, known_pixels, segmentation_loss, soft_dice, weighted_mean

CLASSES = 4


def case(seed, *, ignored_share=0.3):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, 2, (2, CLASSES, 5, 6))).requires_grad_()
    labels = rng.integers(0, CLASSES, (2, 5, 6), dtype=np.uint8)
    labels[rng.random(labels.shape) < ignored_share] = 255
    return logits, torch.from_numpy(labels)


def shares_of(logits):
    values = np.exp(logits.detach().numpy())
    return values / values.sum(axis=1, keepdims=True)


@given(st.integers(0, 10_000))
def test_cross_entropy_is_the_mean_surprise_of_known_pixels(seed):
    logits, labels = case(seed)
    shares = shares_of(logits)
    surprises = [
        -np.log(shares[n, labels[n, row, col], row, col])
        for n, row, col in np.ndindex(2, 5, 6)
        if labels[n, row, col] < 255
    ]
    known, weights = known_pixels(labels, ignored=255)
    assert cross_entropy(logits, known, weights.double()).item() == pytest.approx(np.mean(surprises or [0]))


@given(st.integers(0, 10_000), st.floats(0, 0.3))
def test_cross_entropy_is_torchs_where_both_are_defined(seed, smoothing):
    logits, labels = case(seed)
    known, weights = known_pixels(labels, ignored=255)
    class_weights = torch.tensor([0.5, 1, 2, 3], dtype=torch.float64)
    ours = cross_entropy(logits, known, weights.double(), smoothing=smoothing)
    theirs = torch.nn.functional.cross_entropy(logits, labels.long(), ignore_index=255, label_smoothing=smoothing)
    assert ours.item() == pytest.approx(theirs.item())
    weighted = cross_entropy(logits, known, torch.ones_like(weights).double(), class_weights=class_weights)
    expected = torch.nn.functional.cross_entropy(logits, known, weight=class_weights)
    assert weighted.item() == pytest.approx(expected.item())


@given(st.integers(0, 10_000))
def test_dice_is_the_overlap_of_soft_sets_over_the_classes_present(seed):
    logits, labels = case(seed)
    shares, seen = shares_of(logits), labels.numpy()
    dice = []
    for index in range(CLASSES):
        wanted, found = (seen == index), shares[:, index] * (seen < 255)
        if wanted.any():
            dice.append(2 * (found * wanted).sum() / (found.sum() + wanted.sum()))
    known, weights = known_pixels(labels, ignored=255)
    assert soft_dice(logits, known, weights.double()).item() == pytest.approx(1 - np.mean(dice or [1]))


@pytest.mark.parametrize("dice", [0.0, 1.0])
def test_a_crop_without_a_known_pixel_costs_nothing_and_teaches_nothing(dice):
    logits, _ = case(0)
    labels, weights = known_pixels(torch.full((2, 5, 6), 255, dtype=torch.uint8), ignored=255)
    loss = segmentation_loss(logits, labels, weights, dice=dice, smoothing=0.1)
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()


def test_ignored_pixels_have_no_gradient():
    logits, labels = case(1)
    known, weights = known_pixels(labels, ignored=255)
    segmentation_loss(logits, known, weights, dice=1.0, smoothing=0.1).backward()
    ignored = (labels == 255)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).any()


def test_a_perfect_prediction_costs_almost_nothing():
    labels = torch.randint(0, CLASSES, (1, 8, 8), generator=torch.Generator().manual_seed(0))
    logits = 40 * torch.nn.functional.one_hot(labels, CLASSES).permute(0, 3, 1, 2).float()
    loss = segmentation_loss(logits, labels, torch.ones(1, 8, 8), dice=1.0, smoothing=0.0)
    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_low_precision_logits_are_summed_in_float32():
    logits, labels = case(2)
    known, weights = known_pixels(labels, ignored=255)
    loss = segmentation_loss(logits.to(torch.bfloat16), known, weights, dice=1.0, smoothing=0.0)
    assert loss.dtype == torch.float32


def test_a_mean_over_less_than_one_weight_is_not_blown_up():
    assert weighted_mean(torch.tensor([2.0]), torch.tensor([0.1])).item() == pytest.approx(0.2)
