from __future__ import annotations

import pytest

from geoseg.config.evaluate import EvaluateSettings
from geoseg.config.settings import settings_from
from geoseg.errors import ConfigError


@pytest.mark.parametrize(("given", "ids"), [("0,7", (0, 7)), (" 0 ", (0,)), ("", ()), (0, (0,)), ([0, 255], (0, 255))])
def test_ids_to_ignore_come_as_text_as_a_number_or_as_a_list(given, ids):
    assert settings_from(EvaluateSettings, {"ignore": given}, origin="options").ignore == ids


@pytest.mark.parametrize("given", ["water", "0,,1", 256, [-1]])
def test_what_cannot_be_a_class_value_is_refused(given):
    with pytest.raises(ConfigError, match="options: ignore"):
        settings_from(EvaluateSettings, {"ignore": given}, origin="options")


@pytest.mark.parametrize("given", ["0=low vegetation, 1=road", {0: "low vegetation", 1: "road"}])
def test_names_of_reference_values_come_as_text_or_as_a_mapping(given):
    settings = settings_from(EvaluateSettings, {"label_map": given}, origin="options")
    assert settings.label_map == {0: "low vegetation", 1: "road"}


@pytest.mark.parametrize("given", ["", "road", "1=", "x=road", "300=road", {}, {-1: "road"}])
def test_what_cannot_be_a_label_map_is_refused(given):
    with pytest.raises(ConfigError, match="options: label_map"):
        settings_from(EvaluateSettings, {"label_map": given}, origin="options")
