"""Scenes as a model sees them, without a network."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from geoseg.errors import SceneError
from geoseg.predict.target import plan_target, sample_plans, sample_target, scene_facts

RANDOM = np.random.default_rng(5)
RGB = RANDOM.integers(1, 256, (3, 200, 260), dtype=np.uint8)


def sampled(scenes, tiny_model, **changes):
    keywords = {"model": str(tiny_model), "bands": None, "side": 64, "count": 6, "seed": 0} | changes
    return sample_target(scenes, **keywords)


def test_windows_hold_the_pixels_of_the_scene_times_the_scale(write_scene, tiny_model):
    sample = sampled([write_scene(RGB)], tiny_model)
    assert len(sample) == 6
    for image, place in zip(sample.images, sample.places, strict=True):
        rows, cols = (slice(place.window.row, place.window.bottom), slice(place.window.col, place.window.right))
        assert np.allclose(image, RGB[:, rows, cols] / 255)


def test_the_same_arguments_give_the_same_windows(write_scene, tiny_model):
    scene = write_scene(RGB)
    once, again, other = (sampled([scene], tiny_model, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(once.images, again.images)
    assert once.places != other.places


def test_bands_are_put_where_the_model_wants_them(write_scene, tiny_model):
    swapped = sampled([write_scene(RGB[::-1], "swapped.tif")], tiny_model, bands=("3", "2", "1"))
    straight = sampled([write_scene(RGB)], tiny_model)
    assert np.array_equal(swapped.images, straight.images)


def test_finer_scenes_are_seen_at_the_pixel_size_of_the_model(write_scene, tiny_model):
    fine = np.repeat(np.repeat(RGB, 2, axis=1), 2, axis=2)
    scene = write_scene(fine, "fine.tif", transform=Affine(0.5, 0, 5e5, 0, -0.5, 5e6))
    assert np.allclose(sampled([scene], tiny_model).images, sampled([write_scene(RGB)], tiny_model).images)


def test_facts_say_what_a_scene_is(write_scene, tiny_model):
    half = RGB.copy()
    half[:, :, :130] = 0
    plans = plan_target([write_scene(half, nodata=0)], model=str(tiny_model), bands=None)
    (facts,) = scene_facts(plans, sample_plans(plans, side=64, count=12, seed=0))
    assert facts.gsd_ratio == pytest.approx(1, abs=0.01)
    assert facts.scale == pytest.approx(1 / 255)
    assert (facts.dtype, facts.by_position, facts.bands_absent) == ("uint8", False, ())
    assert facts.nodata is not None
    assert 0 <= facts.nodata < 1


def test_scenes_are_told_apart(write_scene, tiny_model):
    scenes = [write_scene(RGB, "a.tif"), write_scene(RGB, "b.tif")]
    sample = sampled(scenes, tiny_model, count=8)
    assert {place.scene for place in sample.places} == {0, 1}


def test_no_scene_and_no_valid_pixel_are_refused(write_scene, tiny_model):
    with pytest.raises(SceneError, match="no scene"):
        sampled([], tiny_model)
    with pytest.raises(SceneError, match="valid"):
        sampled([write_scene(np.zeros_like(RGB), nodata=0)], tiny_model)
