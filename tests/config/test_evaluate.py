from __future__ import annotations

import typing

import pytest
from pydantic import TypeAdapter

from geoseg.config.evaluate import EvaluateOptions, EvaluateSettings
from geoseg.config.settings import settings_from
from geoseg.errors import ConfigError


def evaluate_settings(**values: object) -> EvaluateSettings:
    return settings_from(EvaluateSettings, values, origin="options")


def test_the_python_options_have_exactly_the_settings_names_in_their_order():
    assert list(EvaluateOptions.__annotations__) == list(EvaluateSettings.model_fields)


def test_every_setting_says_what_it_is_for():
    assert all(field.description for field in EvaluateSettings.model_fields.values())


def test_every_default_is_a_value_that_the_python_options_allow():
    hints = typing.get_type_hints(EvaluateOptions)
    for name, field in EvaluateSettings.model_fields.items():
        assert TypeAdapter(hints[name]).validate_python(field.default) == field.default


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ("0,7", ("0", "7")),
        (" 0 ", ("0",)),
        ("", ()),
        (0, ("0",)),
        ([0, 255], ("0", "255")),
        ("bog", ("bog",)),
        (["bog", 3], ("bog", "3")),
    ],
)
def test_values_to_ignore_come_as_text_as_a_number_or_as_a_list(given, values):
    assert evaluate_settings(ignore=given).ignore == values


@pytest.mark.parametrize("given", ["0,,1", [1.5], [True], [None]])
def test_what_cannot_be_a_value_of_a_reference_is_refused(given):
    with pytest.raises(ConfigError, match="options: ignore"):
        evaluate_settings(ignore=given)


@pytest.mark.parametrize(
    "given",
    [
        "0=low vegetation, 1=road,wood = trees | shrub",
        {0: "low vegetation", 1: "road", "wood": ["trees", "shrub"]},
        {0: ["low vegetation"], "1": ("road",), "wood": "trees|shrub"},
    ],
)
def test_classes_of_reference_values_come_as_text_or_as_a_mapping(given):
    expected = {"0": ("low vegetation",), "1": ("road",), "wood": ("trees", "shrub")}
    assert evaluate_settings(label_map=given).label_map == expected


@pytest.mark.parametrize("given", ["", "road", "1=", "1=trees|", "=road", {}, {1: []}, {1: [2]}])
def test_what_cannot_be_a_label_map_is_refused(given):
    with pytest.raises(ConfigError, match="options: label_map"):
        evaluate_settings(label_map=given)


def test_zones_and_their_attribute_are_given_together():
    assert evaluate_settings(by="block").block_size == 1000
    assert evaluate_settings(by="name", zones="districts.gpkg").zones == "districts.gpkg"
    with pytest.raises(ConfigError, match="by is name: give zones that have this attribute, or by block"):
        evaluate_settings(by="name")
    with pytest.raises(ConfigError, match="zones are given: name their attribute with by"):
        evaluate_settings(zones="districts.gpkg")


@pytest.mark.parametrize(
    "values",
    [
        {"boundary_tolerance": -1},
        {"boundary_tolerance": "inf"},
        {"block_size": 0},
        {"confidence_level": 1},
        {"attribute": ""},
    ],
)
def test_numbers_that_cannot_be_are_refused(values):
    with pytest.raises(ConfigError, match=f"options: {next(iter(values))}"):
        evaluate_settings(**values)
