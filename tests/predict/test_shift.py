"""The cheap look at a scene before it is mapped, and the map of competence."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from geoseg.models.package import load_package
from geoseg.predict.competence_map import CompetenceEngine, write_competence
from geoseg.predict.shift import shift_remark, warn_of_shift
from geoseg.predict.target import plan_target, sample_plans
from geoseg.raster.normalize import Normalizer
from geoseg.shift.competence import competence
from geoseg.shift.forward import Forward
from geoseg.shift.radiometry import Encoding, band_offsets
from geoseg.shift.windows import Place, WindowSample
from geoseg.shift.witness import Witness
from geoseg.window import Window

RANDOM = np.random.default_rng(8)
NORMALIZER = Normalizer(scales={"float32": 1.0}, mean=(0.4,) * 3, std=(0.2,) * 3)
REFLECTANCE = np.clip(RANDOM.normal(0.4, 0.18, (3, 128, 192)), 0.01, 1)


@pytest.fixture
def remark(write_scene, tiny_model):
    """What is said of an image of some dtype."""

    def run(image):
        (plan,) = plan_target([write_scene(image)], model=str(tiny_model), bands=None)
        return shift_remark(plan, sample_plans([plan], side=64, count=4, seed=0))

    return run


@given(gain=st.floats(0.7, 1.3), offset=st.floats(-0.1, 0.2))
def test_scenes_in_the_light_of_training_are_not_remarked_on(gain, offset):
    quantiles = np.quantile(REFLECTANCE * gain + offset, np.linspace(0, 1, 129), axis=(1, 2)).T
    assert np.abs(band_offsets(quantiles, NORMALIZER)).max() < 2


def test_ordinary_scenes_are_not_remarked_on(remark):
    assert remark((REFLECTANCE * 255).astype(np.uint8)) == ""
    assert remark((REFLECTANCE * 10_000).astype(np.uint16)) == ""


def test_numbers_of_landsat_are_named(remark):
    assert "Landsat Collection 2" in remark(((REFLECTANCE + 0.2) / 2.75e-5).astype(np.uint16))


def test_reflectance_that_was_written_as_bytes_is_named(remark):
    assert "8 bits" in remark((REFLECTANCE * 255).astype(np.float32))


def test_haze_in_one_band_is_named_with_the_band(remark):
    hazy = REFLECTANCE + np.array([0, 0, 0.55])[:, None, None]
    said = remark((hazy * 10_000).astype(np.uint16))
    assert "blue by +2." in said
    assert "red" not in said
    assert "geoseg shift" in said


def test_dark_water_in_one_band_is_not_remarked_on(remark):
    dark = REFLECTANCE * np.array([1, 1, 0.001])[:, None, None]
    assert remark((dark * 10_000).astype(np.uint16)) == ""


def test_a_scene_without_a_valid_pixel_is_left_to_the_mapping(write_scene, tiny_model, caplog):
    (plan,) = plan_target([write_scene(np.zeros((3, 64, 64), np.uint8), nodata=0)], model=str(tiny_model), bands=None)
    with caplog.at_level(logging.WARNING):
        warn_of_shift(plan)
    assert not caplog.records


def test_the_warning_is_one_line_with_the_scene(write_scene, tiny_model, caplog):
    image = ((REFLECTANCE + 0.2) / 2.75e-5).astype(np.uint16)
    (plan,) = plan_target([write_scene(image)], model=str(tiny_model), bands=None)
    with caplog.at_level(logging.WARNING):
        warn_of_shift(plan)
    (record,) = (record for record in caplog.records if record.name == "geoseg.predict.shift")
    assert record.getMessage().startswith(plan.source.path)
    assert "\n" not in record.getMessage()


def test_encodings_are_told_with_their_formula():
    assert str(Encoding(name="x", gain=2.75e-5, offset=-0.2)) == "x (number x 0.0000275 - 0.2)"
    assert str(Encoding(name="y", gain=1.0)) == "y (number x 1)"


@pytest.fixture
def mapped(write_scene, tiny_model, tmp_path):
    """The map of competence of an image."""
    package = load_package(tiny_model)
    forward = Forward(network=package.network, calibration=package.calibration)

    def run(image, name="scene.tif", **profile):
        (plan,) = plan_target([write_scene(image, name, **profile)], model=str(tiny_model), bands=None)
        path = tmp_path / f"competence of {name}"
        write_competence(CompetenceEngine(plan, package, forward), plan, path)
        with rasterio.open(path) as dataset:
            assert dataset.transform == plan.source.georef.transform
            assert dataset.nodata == 255
            return dataset.read(1), plan, package, forward

    return run


def test_within_one_tile_the_map_is_the_competence_of_its_window(mapped):
    image = (REFLECTANCE[:, :32, :32] * 255).astype(np.uint8)
    found, plan, package, forward = mapped(image)
    padded = np.pad(image, ((0, 0), (0, 32), (0, 32)), mode="reflect")
    engine = CompetenceEngine(plan, package, forward)
    usable = np.ones((1, 64, 64), dtype=bool)
    expected = engine.probabilities(padded[None], usable)[0, 0].numpy()
    tile = Place(scene=0, window=Window.between(0, 64, 0, 64))
    sample = WindowSample(images=padded[None].astype(np.float32) / 255, valid=usable, places=(tile,))
    again = competence(Witness(forward=forward, normalizer=package.normalizer), sample)
    assert np.allclose(again[0], expected, atol=1e-3)
    assert found.shape == (32, 32)
    assert found.max() <= 100


def test_more_columns_change_nothing_farther_than_a_tile(mapped):
    image = (REFLECTANCE * 255).astype(np.uint8)
    narrow = mapped(image[:, :, :160], "narrow.tif")[0]
    wide = mapped(image, "wide.tif")[0]
    assert np.array_equal(wide[:, : 160 - 64], narrow[:, : 160 - 64])


def test_nodata_is_nodata_in_the_map(mapped):
    image = (REFLECTANCE * 254 + 1).astype(np.uint8)
    image[:, 20:50, 30:90] = 0
    found = mapped(image, nodata=0)[0]
    assert np.array_equal(found == 255, (image == 0).all(axis=0))


def test_a_warning_needs_no_network(write_scene, tiny_model, monkeypatch):
    (plan,) = plan_target([write_scene((REFLECTANCE * 255).astype(np.uint8))], model=str(tiny_model), bands=None)
    monkeypatch.setattr("geoseg.models.package.build_network", lambda _: pytest.fail("built a network"))
    warn_of_shift(plan)
