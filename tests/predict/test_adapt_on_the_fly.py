"""A model fitted to the scene at hand before it is mapped."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from torch import nn

from geoseg.errors import ModelError
from geoseg.models.build import build_network
from geoseg.models.package import load_package, save_package
from geoseg.predict import predict_scene
from geoseg.predict.on_the_fly import KEPT, matched, renormalised
from geoseg.predict.target import sample_target
from geoseg.shift.bands import band_quantiles
from geoseg.shift.radiometry import moments_of, seen_sample

RANDOM = np.random.default_rng(3)
SCENE = np.clip(RANDOM.normal(90, 25, (3, 160, 200)), 1, 255).astype(np.uint8)
SCHEDULES = {"rows": {"block_rows": 64}, "batch": {"batch_size": 3}, "one row": {"block_rows": 1000}}


@pytest.fixture
def predict(tiny_model, tmp_path):
    """Map a scene without polygons; gives the bytes of the class raster and of the confidence."""

    def run(scene, folder="out", **options):
        options = {"model": str(tiny_model), "vector": False} | options
        made = predict_scene(scene, tmp_path / folder, **options)
        return made.class_raster.read_bytes(), made.confidence.read_bytes()

    return run


@pytest.mark.parametrize("method", ["match", "adabn"])
def test_the_bytes_do_not_depend_on_the_schedule(predict, write_scene, method):
    scene = write_scene(SCENE, nodata=0)
    whole = predict(scene, "whole", adapt=method)
    assert whole != predict(scene, "plain")
    for name, schedule in SCHEDULES.items():
        assert predict(scene, name, adapt=method, **schedule) == whole


@pytest.mark.slow
@pytest.mark.parametrize("method", ["match", "adabn"])
def test_the_bytes_do_not_depend_on_the_workers(predict, write_scene, method):
    scene = write_scene(SCENE, nodata=0)
    here = predict(scene, "here", adapt=method)
    assert predict(scene, "there", adapt=method, workers=2, block_rows=64) == here


def test_a_matched_scene_is_mapped_alike_in_any_light(predict, write_scene, tmp_path):
    floats = SCENE.astype(np.float32) / 255
    bright = write_scene(floats * 1.9 + 0.1, "bright.tif")
    ids = []
    for name, scene in (("plain", write_scene(floats, "plain.tif")), ("bright", bright)):
        predict(scene, name, adapt="match")
        with rasterio.open(tmp_path / name / f"{name}.classes.tif") as dataset:
            ids.append(dataset.read(1))
    assert (ids[0] == ids[1]).mean() > 0.995


def test_matching_without_a_reference_gives_mean_and_deviation_of_training(write_scene, tiny_model):
    scene = write_scene(SCENE)
    sample = sample_target([scene], model=str(tiny_model), bands=None, side=64, count=8, seed=0)
    normalizer = matched(load_package(tiny_model), sample).normalizer
    means, deviations = moments_of(band_quantiles(seen_sample(sample, normalizer)))
    assert np.allclose(means, normalizer.mean, atol=0.01)
    assert np.allclose(deviations, normalizer.std, rtol=0.05)


def test_new_statistics_are_blended_with_those_of_training(write_scene, tiny_model):
    scene = write_scene(SCENE)
    sample = sample_target([scene], model=str(tiny_model), bands=None, side=64, count=8, seed=0)
    before = {name: tensor.clone() for name, tensor in load_package(tiny_model).network.state_dict().items()}
    after = renormalised(load_package(tiny_model), sample, "cpu").network.state_dict()
    moved = [name for name, tensor in after.items() if not tensor.equal(before[name])]
    assert 0 < KEPT < 1
    assert moved
    assert all("running_" in name for name in moved)


def test_a_network_without_batch_normalisation_is_refused(write_scene, tiny_model):
    package = load_package(tiny_model)
    plain = replace(package, network=_without_batchnorm(build_network(package.spec)))
    sample = sample_target([write_scene(SCENE)], model=str(tiny_model), bands=None, side=64, count=4, seed=0)
    with pytest.raises(ModelError, match="has none: use match"):
        renormalised(plain, sample, "cpu")


def _without_batchnorm(network):
    for parent in network.modules():
        for name, layer in parent.named_children():
            if isinstance(layer, nn.BatchNorm2d):
                setattr(parent, name, nn.GroupNorm(1, layer.num_features))
    return network


@pytest.mark.parametrize(("gain", "is_told"), [(1.0, True), (0.1, False)])
def test_a_scene_in_the_light_of_training_is_fitted_with_a_warning(predict, write_scene, caplog, gain, is_told):
    with caplog.at_level(logging.WARNING):
        predict(write_scene((SCENE * gain).astype(np.float32) / 255), adapt="match")
    assert ("as model tiny knows them" in caplog.text) == is_told


def test_nothing_is_left_beside_the_maps(predict, write_scene, tmp_path):
    predict(write_scene(SCENE), adapt="match")
    assert {path.suffix for path in (tmp_path / "out").iterdir()} <= {".tif", ".qml", ".json", ".xml"}
    assert not list((tmp_path / "out").glob(".*"))


def test_a_package_that_was_matched_before_is_matched_anew(predict, write_scene, tiny_model, tmp_path):
    scene = write_scene(SCENE)
    sample = sample_target([scene], model=str(tiny_model), bands=None, side=64, count=8, seed=0)
    save_package(matched(load_package(tiny_model), sample), tmp_path / "before")
    assert predict(scene, "again", adapt="match", model=str(tmp_path / "before")) == predict(
        scene, "once", adapt="match"
    )
