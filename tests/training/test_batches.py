import threading

import numpy as np
import pytest
import torch

from geoseg.data.augment import AugmentPlan
from geoseg.data.chips import IGNORED, Chip
from geoseg.raster.normalize import Normalizer
from geoseg.training.batches import BatchMaker, fit_normalizer, pixel_shares, prefetch, stack_chips

NORMALIZER = Normalizer(scales={"uint8": 1 / 255}, mean=(0.5, 0.2), std=(0.1, 0.4))


class FakeSampler:
    """Draws chips of noise."""

    def draw(self, iteration, slot):
        rng = np.random.default_rng((iteration, slot))
        labels = rng.integers(0, 3, (8, 8), dtype=np.uint8)
        return Chip(image=rng.random((2, 8, 8), dtype=np.float32), labels=labels, valid=labels > 0)


def test_batches_are_normalised_and_zero_where_nothing_is_valid():
    chips = [FakeSampler().draw(0, slot) for slot in range(3)]
    batch = stack_chips(chips, NORMALIZER)
    for image, labels, chip in zip(batch.images.numpy(), batch.labels.numpy(), chips, strict=True):
        expected = (chip.image - np.array([[[0.5]], [[0.2]]])) / np.array([[[0.1]], [[0.4]]])
        assert np.allclose(image, np.where(chip.valid, expected, 0), atol=1e-5)
        assert np.array_equal(labels, np.where(chip.valid, chip.labels, IGNORED))


def test_the_batch_of_an_iteration_is_always_the_same():
    make = BatchMaker(FakeSampler(), NORMALIZER, AugmentPlan(gain=0.3, noise=0.1), slots=range(2), seed=4)
    first, again, other = make(3), make(3), make(4)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images)


def test_the_statistics_are_those_of_valid_pixels():
    fitted = fit_normalizer(FakeSampler(), {"uint8": 1 / 255})
    chips = [FakeSampler().draw(iteration, 0) for iteration in range(128)]
    pixels = np.concatenate([chip.image[:, chip.valid] for chip in chips], axis=1).astype(np.float64)
    assert fitted.mean == pytest.approx(pixels.mean(axis=1))
    assert fitted.std == pytest.approx(pixels.std(axis=1))


@pytest.mark.parametrize(("start", "stop"), [(0, 0), (0, 1), (0, 2), (3, 10)])
def test_batches_come_in_order_and_each_once(start, stop):
    assert list(prefetch(lambda iteration: iteration, start, stop)) == list(range(start, stop))


def test_an_error_comes_up_where_the_batch_is_asked_for():
    def make(iteration):
        if iteration == 2:
            raise ValueError("broken")
        return iteration

    batches = prefetch(make, 0, 9)
    assert [next(batches), next(batches)] == [0, 1]
    with pytest.raises(ValueError, match="broken"):
        next(batches)


def test_stopping_early_ends_the_thread():
    before = threading.active_count()
    batches = prefetch(lambda iteration: iteration, 0, 10**9)
    next(batches)
    assert threading.active_count() == before + 1
    batches.close()
    assert threading.active_count() == before


def test_shares_of_classes_sum_to_one():
    assert pixel_shares(np.array([1, 3])) == (0.25, 0.75)
    assert pixel_shares(np.array([0, 0])) == (0.0, 0.0)
