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
