from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.data.augment import AugmentPlan, change_appearance, turn
from geoseg.data.chips import Chip

STRONG = AugmentPlan(gain=0.4, bias=0.1, gamma=0.4, haze=0.4, grey=0.5, blur=1.5, noise=0.05)


def numbered_chip():
    labels = np.arange(36, dtype=np.uint8).reshape(6, 6)
    return Chip(image=np.stack([labels, labels + 100]), labels=labels, valid=labels % 5 != 0)


@given(st.integers(0, 2**32))
def test_labels_and_validity_turn_with_the_image(seed):
    turned = turn(numbered_chip(), np.random.default_rng(seed))
    assert np.array_equal(turned.image[0], turned.labels)
    assert np.array_equal(turned.image[1], turned.labels + 100)
    assert np.array_equal(turned.valid, turned.labels % 5 != 0)


def test_all_eight_symmetries_are_drawn():
    seen = {turn(numbered_chip(), np.random.default_rng(seed)).labels.tobytes() for seed in range(200)}
    assert len(seen) == 8


@pytest.mark.parametrize("bands", [1, 3, 7])
def test_a_changed_image_is_finite_and_of_the_same_shape(bands):
    image = np.random.default_rng(1).random((bands, 20, 24), dtype=np.float32)
    for seed in range(30):
        changed = change_appearance(image, STRONG, np.random.default_rng(seed))
        assert changed.shape == image.shape
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()


def test_a_plan_without_strength_changes_nothing():
    image = np.random.default_rng(1).random((3, 8, 8), dtype=np.float32)
    changed = change_appearance(image, AugmentPlan(d4=False), np.random.default_rng(2))
    assert np.array_equal(changed, image)


def test_the_same_generator_gives_the_same_change():
    image = np.random.default_rng(1).random((3, 8, 8), dtype=np.float32)
    first, second = (change_appearance(image, STRONG, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", ["gain", "bias", "gamma", "haze", "grey", "blur", "noise"])
def test_each_strength_changes_something_on_its_own(name):
    image = np.random.default_rng(1).random((3, 8, 8), dtype=np.float32)
    plan = AugmentPlan(**{name: 0.5})
    assert any(
        not np.allclose(change_appearance(image, plan, np.random.default_rng(seed)), image, atol=1e-4)
        for seed in range(20)
    )


def test_the_change_of_a_pixel_does_not_move_it():
    image = np.zeros((1, 21, 21), dtype=np.float32)
    image[0, 10, 10] = 1
    for seed in range(20):
        changed = change_appearance(image, replace(STRONG, noise=0.0), np.random.default_rng(seed))
        assert np.unravel_index(changed[0].argmax(), changed[0].shape) == (10, 10)
