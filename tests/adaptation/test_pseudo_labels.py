"""What a teacher's labels are worth."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.adaptation.pseudo_labels import ClassThresholds, PseudoLabels, mean_over_views, share_above
from geoseg.shift.views import SYMMETRIES


def labels_of(seed: int, classes: int = 4) -> PseudoLabels:
    rng = np.random.default_rng(seed)
    return PseudoLabels(
        classes=torch.from_numpy(rng.integers(0, classes, (2, 9, 11))),
        confidence=torch.from_numpy(rng.random((2, 9, 11), dtype=np.float32)),
    )


ALL = torch.ones(2, 9, 11, dtype=torch.bool)


def test_a_class_that_is_never_sure_keeps_its_own_threshold():
    pseudo = labels_of(0, classes=2)
    pseudo = PseudoLabels(
        classes=pseudo.classes, confidence=torch.where(pseudo.classes == 0, 0.95, 0.3 * pseudo.confidence)
    )
    thresholds = ClassThresholds(3, limit=0.9, quantile=0.5)
    thresholds.update(pseudo, ALL)
    first, second, unseen = thresholds.values.tolist()
    assert (first, unseen) == (torch.tensor(0.9).item(), torch.tensor(0.9).item())
    assert second == np.quantile(pseudo.confidence[pseudo.classes == 1], 0.5, method="higher")
    kept = thresholds.kept(pseudo, ALL)
    assert kept[pseudo.classes == 0].all()
    assert 0.4 < kept[pseudo.classes == 1].float().mean() < 0.6


@given(seed=st.integers(0, 99), low=st.floats(0, 1), high=st.floats(0, 1), quantiles=st.tuples(*[st.floats(0, 1)] * 2))
def test_thresholds_rise_with_limit_and_quantile_and_never_pass_the_limit(seed, low, high, quantiles):
    def values(limit: float, quantile: float) -> torch.Tensor:
        thresholds = ClassThresholds(5, limit=limit, quantile=quantile)
        for batch in range(3):
            thresholds.update(labels_of(seed + batch), ALL)
        return thresholds.values

    low, high = sorted((low, high))
    below, above = sorted(quantiles)
    assert (values(low, below) <= values(high, below)).all()
    assert (values(high, below) <= values(high, above)).all()
    assert (values(high, above) <= np.float32(high)).all()


def test_pixels_that_are_not_valid_are_neither_kept_nor_counted():
    pseudo, valid = labels_of(1), ALL.clone()
    valid[:, :4] = False
    changed = PseudoLabels(classes=pseudo.classes, confidence=torch.where(valid, pseudo.confidence, 1.0))
    thresholds = [ClassThresholds(4, limit=0.9, quantile=0.5) for _ in range(2)]
    for one, labels in zip(thresholds, (pseudo, changed), strict=True):
        one.update(labels, valid)
    assert torch.equal(thresholds[0].values, thresholds[1].values)
    assert not thresholds[0].kept(changed, valid)[~valid].any()
    assert not share_above(changed, valid, limit=0.5)[~valid].any()


def test_without_a_valid_pixel_nothing_moves_and_nothing_counts():
    thresholds = ClassThresholds(4, limit=0.8, quantile=0.5)
    thresholds.update(labels_of(2), ALL)
    before = thresholds.values
    thresholds.update(labels_of(3), ~ALL)
    assert torch.equal(thresholds.values, before)
    assert not share_above(labels_of(3), ~ALL, limit=0.5).any()


@given(seed=st.integers(0, 99), order=st.permutations(range(4)))
def test_thresholds_follow_a_permutation_of_the_classes(seed, order):
    moved = torch.tensor(order)
    plain, permuted = (ClassThresholds(4, limit=0.9, quantile=0.6) for _ in range(2))
    for batch in range(3):
        pseudo = labels_of(seed + batch)
        plain.update(pseudo, ALL)
        permuted.update(PseudoLabels(classes=moved[pseudo.classes], confidence=pseudo.confidence), ALL)
    assert torch.equal(permuted.values[moved], plain.values)


def test_one_weight_for_all_is_the_share_of_confident_pixels():
    pseudo = labels_of(4)
    weights = share_above(pseudo, ALL, limit=0.7)
    assert weights.unique().tolist() == [float((pseudo.confidence > 0.7).float().mean())]


def test_views_are_laid_back_before_they_are_averaged():
    torch.manual_seed(0)
    images = torch.rand(2, 3, 8, 8)
    by_pixel = mean_over_views(lambda seen: seen.softmax(dim=1), images, SYMMETRIES)
    confidence, classes = images.softmax(dim=1).max(dim=1)
    assert torch.equal(by_pixel.classes, classes)
    torch.testing.assert_close(by_pixel.confidence, confidence)


def test_views_are_averaged_in_probability():
    one, other = torch.tensor([[0.6, 0.4]]), torch.tensor([[0.1, 0.9]])
    said = iter(one_or_other.view(1, 2, 1, 1).expand(1, 2, 4, 4) for one_or_other in (one, other))
    found = mean_over_views(lambda _: next(said), torch.zeros(1, 3, 4, 4), SYMMETRIES[:2])
    assert (found.classes == 1).all()
    torch.testing.assert_close(found.confidence, torch.full((1, 4, 4), 0.65))
