"""Optional bands, thresholds and turned tiles from the scene to the map, with a real network."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import rasterio

from geoseg.config.predict import PredictSettings
from geoseg.errors import ConfigError
from geoseg.models.package import load_package, save_package
from geoseg.predict import predict_scene
from geoseg.predict.plan import plan_prediction

RGB = np.random.default_rng(21).integers(1, 256, (3, 96, 96), dtype=np.uint8)


@pytest.fixture(scope="module")
def optional_blue(tiny_model, tmp_path_factory):
    """The tiny model, which can do without blue and asks 0.4 of crop."""
    package = replace(load_package(tiny_model), optional_bands=("blue",), thresholds=(0.0, 0.0, 0.4))
    path = tmp_path_factory.mktemp("optional") / "model"
    save_package(package, path)
    return path


@pytest.fixture
def layers(tiny_model, tmp_path):
    """Map a scene; gives class ids, confidence and probabilities."""

    def run(scene, folder="out", **options):
        chosen = {"model": str(tiny_model), "vector": False, "probabilities": True} | options
        made = predict_scene(scene, tmp_path / folder, **chosen)
        read = []
        for path in (made.class_raster, made.confidence, made.probabilities):
            with rasterio.open(path) as dataset:
                read.append(dataset.read())
        return read[0][0], read[1][0], read[2]

    return run


def named(path, *names):
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = names
    return path


def test_a_scene_without_an_optional_band_is_mapped_as_if_it_held_the_mean(layers, write_scene, optional_blue, caplog):
    part = named(write_scene(RGB[:2], "part.tif", photometric="minisblack"), "red", "green")
    filled = np.concatenate([RGB[:2], np.full_like(RGB[:1], round(0.4 * 255))])
    with caplog.at_level(logging.WARNING, logger="geoseg"):
        found = layers(part, "part", model=str(optional_blue), precision="fp32")
    assert [line for line in caplog.messages if "has no blue: model tiny maps without" in line] == caplog.messages
    expected = layers(write_scene(filled, "filled.tif"), "filled", model=str(optional_blue), precision="fp32")
    assert np.abs(found[2].astype(int) - expected[2]).max() <= 1


def test_the_plan_knows_which_bands_are_there(write_scene, optional_blue):
    settings = PredictSettings(model=str(optional_blue))
    part = named(write_scene(RGB[:2], photometric="minisblack"), "green", "red")
    plan = plan_prediction(part, settings)
    assert (plan.present, plan.source.indices) == ((0, 1), (2, 1))
    assert plan_prediction(write_scene(RGB, "all.tif"), settings).present == (0, 1, 2)
    by_number = settings.model_copy(update={"bands": ("1", "2")})
    assert plan_prediction(part, by_number).source.indices == (1, 2)


def test_the_users_thresholds_go_before_the_models(write_scene, optional_blue):
    def thresholds(**values):
        return plan_prediction(write_scene(RGB), PredictSettings(model=str(optional_blue), **values)).thresholds

    assert thresholds() == (0.0, 0.0, 0.4)
    assert thresholds(thresholds={"water": 0.7}) == (0.7, 0.0, 0.4)
    assert thresholds(thresholds={"crop": 0.0, "forest": 1.0}) == (0.0, 1.0, 0.0)
    with pytest.raises(ConfigError, match="model tiny has no class 'snow': it has water, forest, crop"):
        thresholds(thresholds={"snow": 0.5})


def test_thresholds_leave_the_probabilities_alone(layers, write_scene, legend):
    scene = write_scene(RGB)
    ids, confidence, probabilities = layers(scene, "plain")
    needed = {"water": 0.35, "forest": 0.36, "crop": 0.5}
    asked = layers(scene, "asked", thresholds=needed)
    assert np.array_equal(asked[2], probabilities)
    assert (asked[0] != ids).any()
    assert np.array_equal(asked[0] == 255, asked[1] == 255)
    for entry in legend.classes:
        assert (asked[1][asked[0] == entry.id] >= 100 * needed[entry.name] - 0.5).all()
    kept = asked[0] == ids
    assert np.array_equal(asked[1][kept], confidence[kept])


def test_a_scene_on_its_side_has_its_map_on_its_side(layers, write_scene):
    whole = layers(write_scene(RGB), "upright", tta="d4", precision="fp32", tile=96, overlap=0)
    turned = np.ascontiguousarray(np.rot90(RGB, axes=(1, 2)))
    found = layers(write_scene(turned, "turned.tif"), "turned", tta="d4", precision="fp32", tile=96, overlap=0)
    assert np.abs(np.rot90(whole[2], axes=(1, 2)).astype(int) - found[2]).max() <= 1
    plain = layers(write_scene(turned, "plain.tif"), "plain", precision="fp32", tile=96, overlap=0)
    assert not np.array_equal(plain[2], found[2])
