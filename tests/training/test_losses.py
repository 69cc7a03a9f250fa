"""Each loss against sums written out pixel by pixel, and against other libraries where they mean the same."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.models.torchvision_shim import declare_missing_operators
from geoseg.training.losses import (
    PixelLabels,
    cross_entropy,
    focal,
    hard_weights,
    lovasz_softmax,
    pixel_labels_of,
    soft_dice,
    weighted_mean,
)

declare_missing_operators()
from segmentation_models_pytorch import losses as smp  # noqa: E402  the shim comes first

CLASSES = 4
SIZE = (2, 5, 6)
SETS = ({0}, {1}, {2}, {3}, {0, 1}, {1, 2, 3}, {0, 1, 2, 3})
MEMBERS = torch.tensor([[index in row for index in range(CLASSES)] for row in SETS])
ALL = pytest.mark.parametrize("loss", [cross_entropy, soft_dice, lovasz_softmax, focal])
seeds = given(st.integers(0, 10_000))


def case(seed, *, codes=(0, 7), ignored_share=0.3, size=SIZE):
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, 2, (size[0], CLASSES, *size[1:]))).requires_grad_()
    labels = rng.integers(*codes, size, dtype=np.uint8)
    labels[rng.random(size) < ignored_share] = 255
    return logits, torch.from_numpy(labels)


def single_case(seed, **options):
    return case(seed, codes=(0, CLASSES), **options)


def known(labels, members=MEMBERS):
    return pixel_labels_of(labels, members, ignored=255)


def known_shares(logits, labels):
    """Probabilities of each known pixel with the set of its label."""
    values = np.exp(logits.detach().numpy())
    shares = values / values.sum(axis=1, keepdims=True)
    seen = labels.numpy()
    return [
        (shares[n, :, row, col], SETS[seen[n, row, col]]) for n, row, col in zip(*np.where(seen < 255), strict=True)
    ]


def share_of(shares, members):
    return math.fsum(shares[index] for index in members)


def jaccard_distance(wrong, wanted):
    """1 - IoU of a class whose pixels are wanted and found, except that the wrong ones are the other way round."""
    found = wanted ^ wrong
    return 1 - (wanted & found).sum() / (wanted | found).sum()


def lovasz_extension(errors, wanted):
    """Sum over the largest errors first of error x what 1 - IoU grows by when the pixel becomes wrong."""
    wrong, before, total = np.zeros_like(wanted), 0.0, 0.0
    for pixel in np.argsort(-errors):
        wrong[pixel] = True
        after = jaccard_distance(wrong, wanted)
        total, before = total + errors[pixel] * (after - before), after
    return total


def known_for(pixels, index):
    """Probability of a class, and whether it is the label, at pixels that are known to have it or not to."""
    told = [
        (shares[index], members == {index}) for shares, members in pixels if members == {index} or index not in members
    ]
    return np.array([share for share, _ in told]), np.array([wanted for _, wanted in told], dtype=bool)


# Cross-entropy


@seeds
def test_cross_entropy_is_the_mean_surprise_at_the_sets_of_known_pixels(seed):
    logits, labels = case(seed)
    surprises = [-math.log(share_of(*pixel)) for pixel in known_shares(logits, labels)]
    assert cross_entropy(logits, known(labels)).item() == pytest.approx(np.mean(surprises or [0]))


@given(st.integers(0, 10_000), st.floats(0, 0.9))
def test_smoothing_spreads_over_the_classes_for_single_labels_only(seed, smoothing):
    logits, labels = case(seed)
    losses = []
    for shares, members in known_shares(logits, labels):
        at_label, evenly = -math.log(share_of(shares, members)), -np.log(shares).mean()
        losses.append((1 - smoothing) * at_label + smoothing * evenly if len(members) == 1 else at_label)
    assert cross_entropy(logits, known(labels), smoothing=smoothing).item() == pytest.approx(np.mean(losses or [0]))


@seeds
def test_a_sets_class_weight_is_the_mean_of_its_classes(seed):
    logits, labels = case(seed)
    factors = torch.tensor([2.5, 1, 2, 3], dtype=torch.float64)
    pixels = known_shares(logits, labels)
    weights = [np.mean([factors[index].item() for index in members]) for _, members in pixels]
    losses = [-math.log(share_of(*pixel)) for pixel in pixels]
    expected = np.average(losses, weights=weights) if pixels else 0
    assert cross_entropy(logits, known(labels), class_weights=factors).item() == pytest.approx(expected)


@given(st.integers(0, 10_000), st.floats(0, 0.9), st.booleans())
def test_cross_entropy_is_torchs_where_both_are_defined(seed, smoothing, sets):
    logits, labels = single_case(seed)
    given = known(labels, MEMBERS if sets else MEMBERS[:CLASSES])
    ours = cross_entropy(logits, given, smoothing=smoothing)
    theirs = torch.nn.functional.cross_entropy(logits, labels.long(), ignore_index=255, label_smoothing=smoothing)
    assert ours.item() == pytest.approx(theirs.item())
    factors = torch.tensor([0.5, 1, 2, 3], dtype=torch.float64)
    weighted = cross_entropy(logits, given, class_weights=factors)
    expected = torch.nn.functional.cross_entropy(logits, labels.long(), ignore_index=255, weight=factors)
    assert weighted.item() == pytest.approx(expected.item())


def test_surprise_stays_finite_and_teaches_where_the_set_is_all_but_impossible():
    logits = torch.zeros(1, CLASSES, 1, 1)
    logits[0, 3] = 1000.0
    logits.requires_grad_()
    loss = cross_entropy(logits, known(torch.full((1, 1, 1), 4, dtype=torch.uint8)))
    loss.backward()
    assert loss.item() == pytest.approx(1000 - math.log(2))
    torch.testing.assert_close(logits.grad.flatten(), torch.tensor([-0.5, -0.5, 0.0, 1.0]), rtol=0, atol=1e-4)


@pytest.mark.parametrize("loss", [cross_entropy, focal])
@seeds
def test_a_label_that_leaves_all_classes_open_costs_nothing(loss, seed):
    logits, labels = case(seed, codes=(6, 7), ignored_share=0)
    value = loss(logits, known(labels))
    value.backward()
    assert value.item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(logits.grad, torch.zeros_like(logits), rtol=0, atol=1e-12)


# Overlaps


@seeds
def test_dice_counts_pixels_of_sets_as_negatives_outside_them_and_not_inside(seed):
    logits, labels = case(seed)
    pixels = known_shares(logits, labels)
    losses = []
    for index in range(CLASSES):
        shares, wanted = known_for(pixels, index)
        if wanted.any():
            losses.append(1 - 2 * shares[wanted].sum() / (shares.sum() + wanted.sum()))
    assert soft_dice(logits, known(labels)).item() == pytest.approx(np.mean(losses or [0]))


@seeds
def test_dice_counts_a_pixel_by_its_weight(seed):
    logits, labels = case(seed)
    given = known(labels)
    once, twice = given.weights.clone(), torch.cat([given.weights, given.weights])
    once[0] *= 2
    twice[3] = 0
    tripled = PixelLabels(codes=torch.cat([given.codes] * 2), weights=twice, members=MEMBERS)
    weighted = PixelLabels(codes=given.codes, weights=once, members=MEMBERS)
    expected = soft_dice(torch.cat([logits] * 2), tripled)
    assert soft_dice(logits, weighted).item() == pytest.approx(expected.item())


@seeds
def test_lovasz_is_the_extension_of_the_jaccard_distance_over_the_classes_present(seed):
    logits, labels = case(seed)
    pixels = known_shares(logits, labels)
    losses = []
    for index in range(CLASSES):
        shares, wanted = known_for(pixels, index)
        if wanted.any():
            losses.append(lovasz_extension(np.where(wanted, 1 - shares, shares), wanted))
    assert lovasz_softmax(logits, known(labels)).item() == pytest.approx(np.mean(losses or [0]))


@seeds
def test_lovasz_of_certain_predictions_is_one_minus_the_mean_iou(seed):
    logits, labels = single_case(seed, ignored_share=0)
    decided = logits.argmax(dim=1)
    certain = 1000 * torch.nn.functional.one_hot(decided, CLASSES).movedim(-1, 1).double()
    ious = [
        ((labels == index) & (decided == index)).sum() / ((labels == index) | (decided == index)).sum()
        for index in labels.unique()
    ]
    assert lovasz_softmax(certain, known(labels)).item() == pytest.approx(1 - np.mean(ious), abs=1e-6)


@seeds
def test_overlaps_are_those_of_segmentation_models_pytorch(seed):
    logits, labels = single_case(seed)
    given, present = known(labels), len(set(labels.unique().tolist()) - {255})
    dice = smp.DiceLoss("multiclass", ignore_index=255)(logits, labels.long()).item()
    assert soft_dice(logits, given).item() == pytest.approx(dice * CLASSES / present)
    lovasz = smp.LovaszLoss("multiclass", per_image=False, ignore_index=255)(logits.float(), labels.long()).item()
    assert lovasz_softmax(logits, given).item() == pytest.approx(lovasz, rel=1e-5)


@pytest.mark.parametrize("loss", [soft_dice, lovasz_softmax])
def test_overlaps_without_a_single_label_are_nothing(loss):
    logits, labels = case(3, codes=(CLASSES, len(SETS)))
    value = loss(logits, known(labels))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


# Focal loss and hard pixels


@given(st.integers(0, 10_000), st.floats(0, 5))
def test_focal_loss_is_the_surprise_less_where_the_set_is_likely(seed, gamma):
    logits, labels = case(seed)
    losses = []
    for pixel in known_shares(logits, labels):
        share = min(share_of(*pixel), 1.0)
        losses.append(-((1 - share) ** gamma) * math.log(share))
    assert focal(logits, known(labels), gamma=gamma).item() == pytest.approx(np.mean(losses or [0]), abs=1e-12)


@given(st.integers(0, 10_000), st.floats(0, 5))
def test_focal_loss_of_two_classes_is_the_one_of_segmentation_models_pytorch(seed, gamma):
    logits, labels = case(seed, codes=(0, 2))
    logits = logits[:, :1].detach()
    ours = focal(torch.cat([torch.zeros_like(logits), logits], dim=1), known(labels, torch.eye(2).bool()), gamma=gamma)
    theirs = smp.FocalLoss("binary", gamma=gamma, ignore_index=255)(logits, labels)
    assert ours.item() == pytest.approx(theirs.item())


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_the_slope_of_the_focal_loss_is_finite_where_the_label_is_certain(gamma):
    logits = torch.tensor([200.0, 0, 0, 0]).view(1, CLASSES, 1, 1).requires_grad_()
    focal(logits, known(torch.zeros(1, 1, 1, dtype=torch.uint8)), gamma=gamma).backward()
    assert torch.isfinite(logits.grad).all()


@given(st.integers(0, 10_000), st.floats(0.05, 1), st.floats(0, 1))
def test_hard_pixels_are_those_below_the_threshold_or_the_least_share_of_lowest_probability(seed, threshold, least):
    logits, labels = case(seed)
    given = known(labels)
    weights = hard_weights(logits, given, threshold=threshold, least=least)
    shares = np.array([share_of(*pixel) for pixel in known_shares(logits, labels)])
    kept = (weights[labels < 255] > 0).numpy()
    count = math.ceil(least * len(shares))
    limit = max(threshold, np.sort(shares)[count - 1] if count else 0)
    assert (weights[labels == 255] == 0).all()
    assert kept[shares < limit - 1e-9].all()
    assert not kept[shares > limit + 1e-9].any()
    assert kept.sum() >= count


def test_hard_weights_keep_the_weights_and_no_gradient():
    logits, labels = case(4)
    given = known(labels)
    halves = PixelLabels(codes=given.codes, weights=given.weights / 2, members=MEMBERS)
    weights = hard_weights(logits, halves, threshold=0.5, least=0)
    assert set(weights.unique().tolist()) == {0.0, 0.5}
    assert not weights.requires_grad


def test_no_pixel_is_hard_where_none_is_known():
    logits, labels = case(0, ignored_share=1.1)
    assert (hard_weights(logits, known(labels)) == 0).all()


# All of them


@ALL
def test_a_crop_without_a_known_pixel_costs_exactly_nothing_and_teaches_nothing(loss):
    logits, labels = case(0, ignored_share=1.1)
    value = loss(logits, known(labels))
    value.backward()
    assert value.item() == 0
    assert (logits.grad == 0).all()


@ALL
def test_a_crop_of_partial_labels_only_costs_something_finite(loss):
    logits, labels = case(1, codes=(4, 6), ignored_share=0)
    value = loss(logits, known(labels))
    value.backward()
    assert value.item() >= 0
    assert torch.isfinite(logits.grad).all()


@ALL
def test_ignored_pixels_have_no_gradient(loss):
    logits, labels = case(1)
    loss(logits, known(labels)).backward()
    ignored = (labels == 255)[:, None].expand_as(logits)
    assert (logits.grad[ignored] == 0).all()
    assert (logits.grad[~ignored] != 0).any()


@ALL
@pytest.mark.parametrize("codes", [(0, CLASSES), (0, len(SETS))])
def test_gradients_are_the_slopes_of_the_loss(loss, codes):
    logits, labels = case(5, codes=codes, size=(1, 2, 3))
    assert torch.autograd.gradcheck(lambda values: loss(values, known(labels)), logits)


def test_gradients_with_smoothing_and_class_weights_are_the_slopes_too():
    logits, labels = case(6, size=(1, 2, 3))
    factors = torch.tensor([0.5, 1, 2, 3], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda values: cross_entropy(values, known(labels), smoothing=0.1, class_weights=factors), logits
    )


@ALL
@seeds
def test_the_order_of_the_classes_does_not_matter(loss, seed):
    logits, labels = case(seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(CLASSES))
    given = known(labels)
    rows = torch.cat([order.argsort(), torch.arange(CLASSES, len(SETS))])
    members = torch.cat([MEMBERS[:CLASSES], MEMBERS[CLASSES:, order]])
    renamed = PixelLabels(codes=rows[given.codes], weights=given.weights, members=members)
    assert loss(logits[:, order], renamed).item() == pytest.approx(loss(logits, given).item(), abs=1e-12)


@ALL
@seeds
def test_sets_that_no_pixel_has_change_nothing(loss, seed):
    logits, labels = single_case(seed)
    assert loss(logits, known(labels)).item() == pytest.approx(loss(logits, known(labels, MEMBERS[:CLASSES])).item())


@ALL
@seeds
def test_the_layout_of_the_logits_in_memory_does_not_matter(loss, seed):
    logits, labels = case(seed)
    moved = logits.detach().to(memory_format=torch.channels_last)
    assert loss(moved, known(labels)).item() == pytest.approx(loss(logits, known(labels)).item(), abs=1e-12)


@ALL
def test_a_perfect_prediction_costs_almost_nothing(loss):
    labels = torch.randint(0, CLASSES, (1, 8, 8), generator=torch.Generator().manual_seed(0))
    logits = 40 * torch.nn.functional.one_hot(labels, CLASSES).permute(0, 3, 1, 2).float()
    assert loss(logits, known(labels.to(torch.uint8))).item() == pytest.approx(0, abs=1e-5)


def test_a_mean_over_less_than_one_weight_is_not_blown_up():
    assert weighted_mean(torch.tensor([2.0]), torch.tensor([0.1])).item() == pytest.approx(0.2)
