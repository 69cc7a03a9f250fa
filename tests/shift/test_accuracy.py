"""The accuracy to expect follows what probabilities promise, and is right on ground like that it was fitted to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from geoseg.models.reference import AccuracyFit
from geoseg.raster.normalize import Normalizer
from geoseg.shift.accuracy import ERROR, SLOPE, expected_accuracy, fit_accuracy, true_iou
from geoseg.shift.forward import Forward
from geoseg.shift.predictors import PREDICTORS, Promise, Sighting, sight
from geoseg.shift.views import CHANGED
from geoseg.shift.windows import Place, WindowSample
from geoseg.shift.witness import Witness
from geoseg.window import Window

SIDE = 32
NORMALIZER = Normalizer(scales={"float32": 1.0}, mean=(0.5,) * 3, std=(0.3,) * 3)
EYE = np.eye(3, dtype=np.bool_)


class Brightest(nn.Module):
    """A network that says which band is brightest around a pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.smooth = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False)
        self.segmentation_head = nn.Conv2d(3, 3, 1, bias=False)
        with torch.no_grad():
            self.smooth.weight.fill_(1 / 9)
            self.segmentation_head.weight.copy_(4 * torch.eye(3).view(3, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.segmentation_head(self.smooth(images))


def _ground(count: int = 3) -> tuple[WindowSample, NDArray[np.uint8]]:
    rng = np.random.default_rng(11)
    labels = np.kron(rng.integers(0, 3, (count, SIDE // 8, SIDE // 8)), np.ones((1, 8, 8))).astype(np.uint8)
    images = 0.25 + 0.5 * np.moveaxis(np.eye(3)[labels], -1, 1) + 0.12 * rng.normal(size=(count, 3, SIDE, SIDE))
    places = tuple(Place(scene=0, window=Window.between(0, SIDE, 0, SIDE)) for _ in range(count))
    valid = np.ones(labels.shape, dtype=np.bool_)
    return WindowSample(images=images.astype(np.float32), valid=valid, places=places), labels


MODEL = Witness(forward=Forward(network=Brightest()), normalizer=NORMALIZER)


@pytest.fixture(scope="module")
def fit() -> AccuracyFit:
    return fit_accuracy(MODEL.forward, NORMALIZER, *_ground(), EYE)


def _promise(*iou: float) -> Promise:
    return Promise(mean_iou=float(np.mean(iou)), iou=iou, shares=(1 / len(iou),) * len(iou))


def test_a_fit_has_a_point_for_clean_ground_and_for_each_corruption(fit: AccuracyFit) -> None:
    assert fit.names == PREDICTORS
    assert fit.points.shape == (8, len(PREDICTORS) + 1)
    assert fit.weights.shape == (len(PREDICTORS) + 1,)
    assert np.isfinite(fit.weights).all()
    assert fit.error == ERROR
    assert fit.points[0, -1] > 0.7
    assert fit.points[:, -1].min() < 0.5


def test_the_line_goes_through_the_clean_ground_nearly_as_steep_as_usual(fit: AccuracyFit) -> None:
    slope, constant = fit.weights
    inside = fit.points[0].clip(0.02, 0.98)
    promised, found = np.log(inside / (1 - inside))
    assert slope * promised + constant == pytest.approx(found)
    assert 0.75 * SLOPE + 0.2 <= slope <= 0.75 * SLOPE + 0.5


def test_on_the_reference_ground_the_estimate_is_near_the_truth(fit: AccuracyFit) -> None:
    found = expected_accuracy(fit, sight(MODEL, _ground()[0])[0].promise())
    assert found.mean_iou == pytest.approx(fit.points[0, -1], abs=0.1)
    assert found.low <= fit.points[0, -1] <= found.high


share = st.floats(0, 1)


@given(promised=st.tuples(share, share, share), fall=share, which=st.integers(0, 2))
def test_the_estimate_never_rises_when_the_promise_of_a_class_falls(
    fit: AccuracyFit, promised: tuple[float, float, float], fall: float, which: int
) -> None:
    worse = [value * fall if number == which else value for number, value in enumerate(promised)]
    before, after = (expected_accuracy(fit, _promise(*values)) for values in (promised, worse))
    assert after.mean_iou <= before.mean_iou + 1e-9
    assert 0 <= after.low <= after.mean_iou <= after.high <= 1


@given(promised=st.tuples(share, share, share), order=st.permutations(range(3)))
def test_classes_may_come_in_any_order(
    fit: AccuracyFit, promised: tuple[float, float, float], order: list[int]
) -> None:
    one, other = (expected_accuracy(fit, _promise(*values)) for values in (promised, [promised[n] for n in order]))
    assert other.iou == tuple(one.iou[n] for n in order)
    assert other.mean_iou == pytest.approx(one.mean_iou)


def test_a_class_of_almost_no_pixels_counts_almost_nothing(fit: AccuracyFit) -> None:
    rare = replace(_promise(0.9, 0.9, 0.0), shares=(0.5, 0.5 - 1e-5, 1e-5))
    assert expected_accuracy(fit, rare).mean_iou == pytest.approx(
        expected_accuracy(fit, _promise(0.9, 0.9)).mean_iou, abs=0.001
    )


def test_on_features_far_from_the_reference_the_interval_is_wider(fit: AccuracyFit) -> None:
    widths = [expected_accuracy(fit, _promise(0.6, 0.6), far=far) for far in (None, 0.0, 0.5, 1.0)]
    assert widths[0] == widths[1]
    assert widths[1].half_width < widths[2].half_width < widths[3].half_width
    assert len({found.mean_iou for found in widths}) == 1


def test_a_fit_by_other_predictors_is_read_by_its_clean_ground() -> None:
    points = np.array([[0.9, 0.8, 1.0, 0.7], [0.5, 0.6, 0.9, 0.1]])
    older = AccuracyFit(names=("consistency", "soft_iou", "near"), weights=np.ones(4), error=0.3, points=points)
    assert expected_accuracy(older, _promise(0.8, 0.8)).mean_iou == pytest.approx(0.7)
    assert expected_accuracy(older, _promise(0.6, 0.6)).mean_iou < 0.6
    assert expected_accuracy(older, _promise(0.8, 0.8)).half_width == pytest.approx(0.3)
    none = AccuracyFit(names=(), weights=np.zeros(1), error=0.1, points=np.zeros((1, 1)))
    assert expected_accuracy(none, _promise(0.8, 0.8)).mean_iou == pytest.approx(0.8)


def test_a_single_small_window_is_enough() -> None:
    found = fit_accuracy(MODEL.forward, NORMALIZER, *_ground(1), EYE)
    assert np.isfinite(found.points).all()
    assert np.isfinite(found.weights).all()


def test_ground_without_any_label_gives_no_hope() -> None:
    sample, labels = _ground(1)
    found = fit_accuracy(MODEL.forward, NORMALIZER, sample, np.full_like(labels, 255), EYE)
    assert expected_accuracy(found, sight(MODEL, sample)[0].promise()).mean_iou < 0.1


def test_a_promise_is_the_same_however_windows_are_batched() -> None:
    sample, _ = _ground(11)
    alone = [sight(MODEL, sample.part(np.array([number])))[0] for number in range(11)]
    together = sight(MODEL, sample)[0].promise()
    joined = Sighting.joined(alone).promise()
    assert joined.iou == pytest.approx(together.iou)
    assert joined.mean_iou == pytest.approx(together.mean_iou)
    assert sum(together.shares) == pytest.approx(1)
    assert all(0 <= value <= 1 for value in (*together.iou, together.mean_iou))


def test_sums_are_of_the_windows_that_are_asked_for() -> None:
    sample, _ = _ground(4)
    every, maps = sight(MODEL, sample)
    some, _ = sight(MODEL, sample.part(np.array([3, 1])))
    assert every.of(np.array([3, 1])).promise().iou == pytest.approx(some.promise().iou)
    for index in range(3):
        assert every.mapped[:, index].tolist() == (maps == index).sum(dim=(1, 2)).tolist()


def test_what_probabilities_promise_is_counted_over_the_window_and_its_views() -> None:
    sample, _ = _ground(2)
    forward, images = MODEL.forward, MODEL.images(sample)
    found, _ = sight(MODEL, sample)
    total, times = forward.probabilities(images), torch.ones(SIDE, SIDE)
    own = total == total.amax(dim=1, keepdim=True)
    for view in CHANGED[:3]:
        kept = view.kept(SIDE)
        total[..., kept] += view.undone(forward.probabilities(view.images(images)))[..., kept]
        times[kept] += 1
    mean = total / times
    assert found.trusted.sum(axis=0) == pytest.approx((mean * own).sum(dim=(0, 2, 3)).tolist(), rel=1e-4)
    assert found.believed.sum(axis=0) == pytest.approx(mean.sum(dim=(0, 2, 3)).tolist(), rel=1e-4)


def test_witnesses_together_say_half_of_it_and_change_no_map() -> None:
    sample, _ = _ground(2)
    turned = replace(MODEL, normalizer=replace(NORMALIZER, mean=(0.9, 0.1, 0.5)))
    alone, before = sight(MODEL, sample)
    found, after = sight(MODEL, sample, [turned, turned])
    said = turned.probabilities(sample).sum(dim=(2, 3)).numpy()
    assert torch.equal(before, after)
    assert found.mapped == pytest.approx(alone.mapped)
    assert found.believed == pytest.approx((alone.believed + said) / 2, rel=1e-4)
    assert found.promise().mean_iou < alone.promise().mean_iou


def test_the_promised_iou_is_that_of_the_map_with_what_is_believed() -> None:
    sums = Sighting(mapped=np.array([[4.0, 0]]), trusted=np.array([[3.0, 0]]), believed=np.array([[3.5, 0.5]]))
    assert sums.promise() == Promise(mean_iou=pytest.approx(3 / 4.5), iou=(3 / 4.5, 0.0), shares=(1.0, 0.0))


def test_no_valid_pixel_promises_nothing(fit: AccuracyFit) -> None:
    sample, _ = _ground(1)
    found = sight(MODEL, replace(sample, valid=np.zeros_like(sample.valid)))[0].promise()
    assert set(found.iou) == {0.0}
    assert found.mean_iou == 0
    assert expected_accuracy(fit, found).mean_iou == 0


@given(st.integers(0, 2**32 - 1))
def test_true_iou_of_single_labels_is_what_sets_of_pixels_give(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps, labels = rng.integers(0, 3, (2, 1, 12, 12)).astype(np.uint8)
    valid = rng.random((1, 12, 12)) > 0.2
    scores = [
        ((maps == n) & (labels == n) & valid).sum() / max((((maps == n) | (labels == n)) & valid).sum(), 1)
        for n in range(3)
        if ((labels == n) & valid).any()
    ]
    assert true_iou(maps, labels, valid, EYE) == pytest.approx(np.mean(scores))


def test_a_class_in_the_set_of_a_label_is_right_and_another_one_is_not() -> None:
    members = np.concatenate([EYE, [[True, True, False]]])
    labels, valid = np.array([[[0, 3, 3, 1]]], dtype=np.uint8), np.ones((1, 1, 4), dtype=np.bool_)
    assert true_iou(np.array([[[0, 0, 1, 1]]], dtype=np.uint8), labels, valid, members) == 1
    assert true_iou(np.array([[[0, 0, 2, 1]]], dtype=np.uint8), labels, valid, members) == 1
    labels[0, 0, 0] = 2
    assert true_iou(np.array([[[2, 0, 2, 1]]], dtype=np.uint8), labels, valid, members) == pytest.approx(0.75)
