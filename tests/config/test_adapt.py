from __future__ import annotations

import pytest

from geoseg.config.adapt import AdaptSettings
from geoseg.config.settings import settings_from
from geoseg.errors import ConfigError


def adapt_settings(**values: object) -> AdaptSettings:
    return settings_from(AdaptSettings, {"model": "landcover-rgb"} | values, origin="options")


def test_every_setting_says_what_it_is_for():
    assert all(field.description for field in AdaptSettings.model_fields.values())


def test_a_published_recipe_needs_one_method():
    assert adapt_settings(recipe="published", method="tent").recipe == "published"
    with pytest.raises(ConfigError, match="recipe published needs one method, not auto"):
        adapt_settings(recipe="published")


def test_bands_come_as_text_or_as_a_list():
    assert adapt_settings(bands="red,green,4").bands == ("red", "green", "4")
    assert adapt_settings(bands=[4, 3, 2]).bands == ("4", "3", "2")


@pytest.mark.parametrize(
    "values",
    [
        {"model": ""},
        {"method": "magic"},
        {"name": "Not a name"},
        {"budget": 0},
        {"windows": 7},
        {"side": 100},
        {"steps": 3},
        {"batch_size": 0},
        {"seed": -1},
        {"device": "tpu"},
    ],
)
def test_what_cannot_be_is_refused(values):
    with pytest.raises(ConfigError, match=f"options: {next(iter(values))}"):
        adapt_settings(**values)
