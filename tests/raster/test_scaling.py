"""Declared scale and offset: the numbers that are read are the same as if they had been applied to the file."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import SceneError
from geoseg.raster.scaling import Conversion, Declared, meaning_of
from geoseg.raster.scene import describe_scene, open_scene

REFLECTANCE = {"uint8": 1 / 255, "uint16": 1e-4, "int16": 1e-4, "float32": 1.0}
NUMBERS = np.random.default_rng(9).integers(0, 20000, (2, 30, 40), dtype=np.uint16)


def declare(path, scales, offsets):
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = scales, offsets
    return path


def read_all(path, **options):
    with open_scene(path, **options) as scene:
        return scene.read(scene.georef.window)


def test_whole_steps_are_shifted_as_whole_numbers(write_scene):
    path = declare(write_scene(NUMBERS, nodata=0), (1e-4, 1e-4), (-0.1, -0.1))
    patch = read_all(path)
    assert patch.image.dtype == np.int16
    assert np.array_equal(patch.image, NUMBERS.astype(np.int32) - 1000)
    assert np.array_equal(patch.valid, NUMBERS.any(axis=0))


def test_other_numbers_become_reflectance(write_scene):
    path = declare(write_scene(NUMBERS, nodata=0), (2.75e-5, 2.75e-5), (-0.2, -0.2))
    patch = read_all(path)
    assert patch.image.dtype == np.float32
    assert np.allclose(patch.image, NUMBERS * 2.75e-5 - 0.2, atol=1e-6)


def test_what_is_usual_is_read_as_it_is_stored(write_scene):
    path = declare(write_scene(NUMBERS), (1e-4, 1e-4), (0, 0))
    assert np.array_equal(read_all(path).image, NUMBERS)


def test_numbers_that_do_not_fit_are_cut_off_not_turned_over(write_scene):
    path = declare(write_scene(np.array([[[60000, 0]]], dtype=np.uint16), tiled=False), (1e-4,), (-0.1,))
    assert read_all(path).image.tolist() == [[[32767, -1000]]]


def test_a_model_that_knows_other_steps_gets_reflectance(write_scene):
    source = describe_scene(declare(write_scene(NUMBERS), (1e-4, 1e-4), (0, 0)))
    assert source.dtype == "uint16"
    assert source.in_units_of({"uint16": 2.75e-5, "float32": 1.0}).dtype == "float32"
    assert source.in_units_of(REFLECTANCE).dtype == "uint16"


def test_a_model_without_reflectance_takes_numbers_as_they_are_and_says_so(write_scene):
    source = describe_scene(declare(write_scene(NUMBERS.astype(np.uint8)), (0.01, 0.01), (0, 0)))
    fitted = source.in_units_of({"uint8": 1 / 255})
    assert fitted.dtype == "uint8"
    assert any("declares scale 0.01" in remark for remark in fitted.remarks)


def test_numbers_that_are_no_reflectance_are_taken_as_stored_and_said_so(write_scene):
    source = describe_scene(declare(write_scene(NUMBERS), (3.4e-3, 3.4e-3), (149, 149)))
    assert source.dtype == "uint16"
    assert any("gives no reflectance" in remark for remark in source.remarks)


def test_a_scale_of_some_bands_is_refused(write_scene):
    path = declare(write_scene(NUMBERS), (1e-4, 1), (0, 0))
    with pytest.raises(SceneError, match=r"1 of 2 bands declare no scale .* cannot be known"):
        describe_scene(path)
    assert describe_scene(path, bands=["2"]).dtype == "uint16"


@given(st.integers(0, 65535), st.integers(-2000, 2000))
def test_whole_steps_give_the_bits_of_a_file_that_was_shifted_before(number, steps):
    scale = 3.3e-5
    convert = Conversion((scale,), (steps * scale,), "float32")
    shifted = np.array([[[number + steps]]], dtype=np.int32)
    assert convert(np.array([[[number]]], dtype=np.uint16)) == shifted.astype(np.float32) * np.float32(scale)


@given(st.floats(1e-5, 2e-4), st.floats(-1, 1), st.integers(0, 65535))
def test_whatever_way_is_taken_reflectance_is_number_times_scale_plus_offset(scale, offset, number):
    meaning = meaning_of(Declared((scale,), (offset,)), "uint16", REFLECTANCE)
    stored = np.array([[[number]]], dtype=np.uint16)
    read = stored if meaning.conversion is None else meaning.conversion(stored)
    if meaning.remark is None and (meaning.conversion is None or read.item() != 32767):
        value = read.item() * REFLECTANCE[str(read.dtype)]
        assert value == pytest.approx(number * scale + offset, abs=1e-3 * scale * 65535)
