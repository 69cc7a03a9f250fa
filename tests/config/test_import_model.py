from dataclasses import fields

import pytest

from geoseg.config.import_model import ImportSettings
from geoseg.config.settings import settings_from
from geoseg.errors import ConfigError
from geoseg.models.importing import ImportRequest

KNOWN = {
    "name": "my-model",
    "classes": [{"id": 0, "name": "ground", "colour": "#ffffff"}, {"id": 4, "name": "water", "colour": "#0000ff"}],
    "bands": ["red", "green", "blue"],
    "gsd": 0.5,
}


def settings(**changes):
    return settings_from(ImportSettings, KNOWN | changes, origin="import.yaml")


def test_the_legend_keeps_its_order():
    assert settings().class_map.ids == (0, 4)


def test_only_what_is_told_is_provenance():
    assert settings(licence="MIT", data="mine").provenance == {"licence": "MIT", "data": "mine"}


def test_settings_and_request_have_the_same_keys():
    told = {"title", "licence", "data", "limits"}
    assert set(ImportSettings.model_fields) - told == {field.name for field in fields(ImportRequest)} - {"provenance"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gsd": 0}, "gsd"),
        ({"tile": 100}, "tile"),
        ({"tile": 64, "overlap": 64}, "overlap should be at most half of tile"),
        ({"mean": [0.5]}, "a number for each band"),
        ({"mean": [0.5, 0.5, 0.5]}, "a number for each band, or both be left out"),
        ({"mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0]}, "std.2"),
        ({"scales": {}}, "scales"),
        ({"colour": "red"}, "known keys: name"),
        ({"name": "../x"}, "name"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes, message):
    with pytest.raises(ConfigError, match=message) as refused:
        settings(**changes)
    assert "\n" not in str(refused.value)
