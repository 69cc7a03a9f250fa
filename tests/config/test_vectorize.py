"""The settings of polygons say the same to `geoseg vectorize` and to what makes them."""

from __future__ import annotations

from dataclasses import fields

import pytest

from geoseg.config.settings import settings_from
from geoseg.config.vectorize import VectorFields, VectorizeSettings
from geoseg.errors import ConfigError
from geoseg.vector.options import VectorOptions


def test_defaults_are_those_of_the_library():
    assert VectorFields().vector_options() == VectorOptions()


def test_every_option_of_the_library_is_passed_on():
    given = {
        "mapping_unit": 900.0,
        "simplify": 2.5,
        "mapping_by": "probability",
        "simplify_method": "vw",
        "smooth": True,
        "boundaries": True,
        "review": 7,
        "regularize": ("building", "shed"),
    }
    passed = VectorFields.model_validate(given).vector_options(strict=True, workers=3)
    assert {name: getattr(passed, name) for name in given} == given
    assert (passed.strict, passed.workers) == (True, 3)
    assert {each.name for each in fields(VectorOptions)} == {*given, "strict", "workers"}


@pytest.mark.parametrize(
    ("given", "classes"), [("building, shed", ("building", "shed")), (["building"], ("building",)), ("", ())]
)
def test_classes_come_as_text_or_as_a_list(given, classes):
    assert VectorFields.model_validate({"regularize": given}).regularize == classes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strict": True, "simplify": 1}, "strict and simplify exclude each other"),
        ({"strict": True, "smooth": True}, "strict and smooth exclude each other"),
        ({"simplify": -1}, "greater than or equal to 0"),
        ({"simplify_method": "rdp"}, "'dp' or 'vw'"),
        ({"review": -1}, "greater than or equal to 0"),
        ({"regularize": "a,,b"}, "at least 1 character"),
    ],
)
def test_what_cannot_be_is_one_line(values, message):
    with pytest.raises(ConfigError, match=message):
        settings_from(VectorizeSettings, values, origin="options")
