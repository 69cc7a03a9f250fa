"""The accuracy to expect falls with any sign of trouble, and is right on ground like that it was fitted to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from geoseg.models.reference import AccuracyFit
from geoseg.raster.normalize import Normalizer
from geoseg.shift.accuracy import expected_accuracy, fit_accuracy, predictors_of, true_iou
from geoseg.shift.features import fit_features
from geoseg.shift.forward import Forward
from geoseg.shift.predictors import PREDICTORS, Sighting, sight
from geoseg.shift.views import CHANGED
from geoseg.shift.windows import Place, WindowSample
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


@pytest.fixture(scope="module")
def fit() -> AccuracyFit:
    sample, labels = _ground()
    forward = Forward(network=Brightest())
    features = fit_features(forward, sample.tensor(NORMALIZER), torch.from_numpy(sample.valid))
    return fit_accuracy(forward, NORMALIZER, sample, labels, EYE, features=features)


def test_a_fit_has_a_point_for_clean_ground_and_for_each_corruption(fit: AccuracyFit) -> None:
    assert fit.names == PREDICTORS
    assert fit.points.shape == (17, len(PREDICTORS) + 1)
    assert fit.weights.shape == (len(PREDICTORS) + 1,)
    assert np.isfinite(fit.weights).all()
    assert (fit.weights[:-1] >= 0).all()
    assert 0 <= fit.error <= 1
    assert fit.points[:, -1].min() < 0.5 < fit.points[:, -1].max()


def test_on_ground_like_the_reference_the_estimate_is_near_the_truth(fit: AccuracyFit) -> None:
    found = expected_accuracy(fit, dict(zip(PREDICTORS, fit.points[0], strict=False)))
    assert found.mean_iou == pytest.approx(fit.points[0, -1], abs=0.15)
    assert 0 <= found.low <= found.mean_iou <= found.high <= 1


share = st.floats(0, 1)


@given(start=st.tuples(share, share, share), fall=share, which=st.integers(0, 2))
def test_the_estimate_never_rises_when_a_predictor_falls(
    fit: AccuracyFit, start: tuple[float, ...], fall: float, which: int
) -> None:
    worse = [value * fall if number == which else value for number, value in enumerate(start)]
    before, after = (
        expected_accuracy(fit, dict(zip(PREDICTORS, values, strict=True))).mean_iou for values in (start, worse)
    )
    assert after <= before + 1e-9


@pytest.mark.parametrize("name", PREDICTORS)
def test_one_bad_predictor_is_enough(name: str) -> None:
    ladder = np.linspace(0.2, 0.95, 9)
    fit = AccuracyFit(
        names=PREDICTORS,
        weights=np.array([1.0, 0.0, 0.0, 0.0]),
        error=0.1,
        points=np.repeat(ladder[:, None], 4, axis=1),
    )
    good = dict.fromkeys(PREDICTORS, 0.9)
    assert expected_accuracy(fit, good).mean_iou == pytest.approx(0.9)
    assert expected_accuracy(fit, good | {name: 0.5}).mean_iou < 0.75
    assert expected_accuracy(fit, good | {name: 0.0}).mean_iou < 0.5


def test_a_single_small_window_is_enough() -> None:
    sample, labels = _ground(1)
    found = fit_accuracy(Forward(network=Brightest()), NORMALIZER, sample, labels, EYE)
    assert np.isfinite(found.points).all()
    assert np.isfinite(found.error)


def test_ground_without_any_label_gives_no_hope() -> None:
    sample, labels = _ground(1)
    found = fit_accuracy(Forward(network=Brightest()), NORMALIZER, sample, np.full_like(labels, 255), EYE)
    good = dict.fromkeys(PREDICTORS, 1.0)
    assert expected_accuracy(found, good).mean_iou < 0.05


def test_predictors_are_the_same_however_windows_are_batched() -> None:
    sample, _ = _ground(11)
    forward, images, valid = Forward(network=Brightest()), sample.tensor(NORMALIZER), torch.from_numpy(sample.valid)
    alone = [sight(forward, images[n : n + 1], valid[n : n + 1])[0] for n in range(11)]
    together = predictors_of(forward, images, valid)
    assert Sighting.joined(alone).predictors() == pytest.approx(together)
    assert all(0 <= value <= 1 for value in together.values())


def test_sums_are_of_the_windows_that_are_asked_for() -> None:
    sample, _ = _ground(4)
    forward, images, valid = Forward(network=Brightest()), sample.tensor(NORMALIZER), torch.from_numpy(sample.valid)
    every, maps = sight(forward, images, valid)
    some, _ = sight(forward, images[[3, 1]], valid[[3, 1]])
    assert every.of(np.array([3, 1])).predictors() == pytest.approx(some.predictors())
    for index in range(3):
        assert every.mapped[:, index].tolist() == (maps == index).sum(dim=(1, 2)).tolist()


def test_what_probabilities_promise_is_counted_over_the_window_and_its_views() -> None:
    sample, _ = _ground(2)
    forward, images, valid = Forward(network=Brightest()), sample.tensor(NORMALIZER), torch.from_numpy(sample.valid)
    found, _ = sight(forward, images, valid)
    total, times = forward.probabilities(images), torch.ones(SIDE, SIDE)
    own = total == total.amax(dim=1, keepdim=True)
    for view in CHANGED[:3]:
        kept = view.kept(SIDE)
        total[..., kept] += view.undone(forward.probabilities(view.images(images)))[..., kept]
        times[kept] += 1
    mean = total / times
    assert found.trusted.sum(axis=0) == pytest.approx((mean * own).sum(dim=(0, 2, 3)).tolist(), rel=1e-4)
    assert found.believed.sum(axis=0) == pytest.approx(mean.sum(dim=(0, 2, 3)).tolist(), rel=1e-4)


def test_no_valid_pixel_promises_nothing(fit: AccuracyFit) -> None:
    sample, _ = _ground(1)
    found = predictors_of(
        Forward(network=Brightest()), sample.tensor(NORMALIZER), torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    )
    assert set(found.values()) == {0.0}
    assert expected_accuracy(fit, found).mean_iou == pytest.approx(0, abs=0.05)


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
