from __future__ import annotations

import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from geoseg.config.predict import PredictOptions, PredictSettings
from geoseg.config.settings import settings_from
from geoseg.errors import ConfigError


def predict_settings(**values: object) -> PredictSettings:
    return settings_from(PredictSettings, values, origin="options")


def test_the_python_options_have_exactly_the_settings_names_in_their_order():
    assert list(PredictOptions.__annotations__) == list(PredictSettings.model_fields)


def test_every_setting_says_what_it_is_for():
    assert all(field.description for field in PredictSettings.model_fields.values())


def test_every_setting_has_a_default():
    assert predict_settings() == PredictSettings()


def test_every_default_is_a_value_that_the_python_options_allow():
    hints = typing.get_type_hints(PredictOptions)
    for name, field in PredictSettings.model_fields.items():
        assert TypeAdapter(hints[name]).validate_python(field.default, strict=True) == field.default


@given(st.lists(st.sampled_from(["red", "nir", "1", "12", "B8A"]), min_size=1))
def test_bands_are_the_same_from_text_and_from_a_list(names):
    assert predict_settings(bands=", ".join(names)).bands == tuple(names)
    assert predict_settings(bands=names).bands == tuple(names)


def test_bands_may_be_numbers():
    assert predict_settings(bands=[4, 3, 2]).bands == ("4", "3", "2")
    assert predict_settings(bands=1).bands == ("1",)


def test_thresholds_are_the_same_from_text_and_from_a_mapping():
    from_text = predict_settings(thresholds=" low vegetation = 0.6, road=0.25")
    assert from_text == predict_settings(thresholds={"low vegetation": 0.6, "road": 0.25})
    assert from_text.thresholds == {"low vegetation": 0.6, "road": 0.25}


@pytest.mark.parametrize("device", ["auto", "cpu", "mps", "cuda", "cuda:1"])
def test_known_devices_are_accepted(device):
    assert predict_settings(device=device).device == device


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"bands": ""}, "bands: Input should be band names or numbers"),
        ({"bands": "1,,2"}, "bands: Input should be band names or numbers"),
        ({"bands": []}, "bands: Input should be band names or numbers"),
        ({"tile": 100}, "tile: Input should be a multiple of 32 (got 100)"),
        ({"tile": 32}, "tile: Input should be greater than or equal to 64 (got 32)"),
        ({"tile": 256, "overlap": 160}, "overlap: Input should be at most 128, half of tile 256 (got 160)"),
        ({"overlap": -32}, "overlap: Input should be auto, exact, or a multiple of 32 from 0 on (got -32)"),
        ({"overlap": "wide"}, "overlap: Input should be auto, exact, or a multiple of 32 from 0 on (got 'wide')"),
        ({"overlap": True}, "overlap: Input should be auto, exact, or a multiple of 32 from 0 on (got True)"),
        ({"tile": 2**17}, "tile: Input should be less than or equal to 65536 (got 131072)"),
        ({"seam_tolerance": 2}, "seam_tolerance: Input should be less than or equal to 1 (got 2)"),
        ({"overlap": 64, "seam_tolerance": 0.01}, "seam_tolerance: Input is for overlap auto, not for overlap 64"),
        ({"overlap": 100}, "overlap: Input should be auto, exact, or a multiple of 32 from 0 on (got 100)"),
        ({"device": "cuda1"}, "device: Input should be auto, cpu, mps, cuda or cuda:N (got 'cuda1')"),
        ({"precision": "int8"}, "precision: Input should be 'auto', 'fp32', 'bf16' or 'fp16' (got 'int8')"),
        ({"batch_size": 0}, "batch_size: "),
        ({"block_rows": 0}, "block_rows: "),
        ({"workers": 0}, "workers: "),
        ({"mapping_unit": -1}, "mapping_unit: "),
        ({"mapping_unit": float("nan")}, "mapping_unit: Input should be a finite number"),
        (
            {"engine": "caffe"},
            "engine: Input should be 'auto', 'torch', 'torch-compile', 'openvino' or 'onnx' (got 'caffe')",
        ),
        ({"tta": "d8"}, "tta: Input should be 'none' or 'd4' (got 'd8')"),
        ({"thresholds": "water"}, "thresholds: Input should be class=probability pairs separated by commas"),
        ({"thresholds": "water=0.5,"}, "thresholds: Input should be class=probability pairs"),
        ({"thresholds": "water=1.5"}, "thresholds.water: Input should be less than or equal to 1 (got '1.5')"),
        ({"thresholds": {"water": float("nan")}}, "thresholds.water: Input should be"),
        ({"thresholds": "water=much"}, "thresholds.water: Input should be a valid number"),
        ({"mapping_units": 1}, "known keys: model, bands"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_key_and_the_limit(values, message):
    with pytest.raises(ConfigError) as caught:
        predict_settings(**values)
    assert str(caught.value).startswith("options: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("said", "meant"), [("64", 64), (64, 64), ("auto", "auto"), ("exact", "exact"), (None, None)])
def test_an_overlap_is_a_number_or_a_word(said, meant):
    assert predict_settings(overlap=said).overlap == meant


def test_half_a_tile_is_an_overlap_that_fits():
    assert predict_settings(tile=256, overlap=128).overlap == 128


def test_settings_cannot_change():
    with pytest.raises(ValueError, match="frozen"):
        predict_settings().tile = 128
