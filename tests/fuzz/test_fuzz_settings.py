"""Whatever stands in a file of settings or a legend: settings, or one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.config.legend import load_legend
from geoseg.config.predict import PredictSettings
from geoseg.config.settings import load_settings, load_yaml
from geoseg.config.train import load_train_settings
from geoseg.errors import ConfigError
from tests.fuzz.strategies import as_json, damaged, disturbed, given_or_refused, limited

CONFIGS = Path(__file__).parents[2] / "configs"
PREDICT = (CONFIGS / "predict.yaml").read_bytes()
TRAIN = (CONFIGS / "train.yaml").read_bytes()
LEGEND = {"classes": [{"id": 1, "name": "water", "colour": "#0000ff"}, {"id": 2, "name": "wood"}]}


def put(folder, data):
    path = folder / "settings.yaml"
    path.write_bytes(data)
    return path


@given(data=damaged(PREDICT))
def test_any_settings_of_a_prediction_are_checked_or_one_line(tmp_path, data):
    with limited():
        given_or_refused(load_settings, PredictSettings, put(tmp_path, data))


@given(data=damaged(TRAIN))
def test_any_settings_of_a_training_are_checked_or_one_line(tmp_path, data):
    with limited():
        given_or_refused(load_train_settings, put(tmp_path, data))


@given(data=damaged(as_json(LEGEND)) | disturbed(LEGEND).map(as_json))
def test_any_legend_is_one_or_one_line(tmp_path, data):
    with limited():
        legend = given_or_refused(load_legend, put(tmp_path, data))
    assert legend is None or all(entry.name.isprintable() for entry in legend.classes)


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
REFUSED = {
    "a billion laughs": LAUGHS,
    "an anchor in itself": "a: &a [*a]",
    "a mapping in itself": "a: &a {b: *a}",
    "deep nesting": "a: " + "[" * 5_000,
    "a key twice": "a: 1\na: 2",
    "an object": "a: !!python/object/apply:os.system ['true']",
    "a number of 5000 digits": "a: " + "9" * 5_000,
    "a day that is none": "a: 2024-13-45",
    "a tag that does not fit": "a: !!timestamp x",
    "a null byte": "a: \0",
    "no mapping": "- a",
    "more than a mebibyte": "a: " + "x" * 2**20,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_yaml_that_is_no_plain_settings_is_refused(tmp_path, text):
    with limited(seconds=20), pytest.raises(ConfigError) as refused:
        load_yaml(put(tmp_path, text.encode()))
    assert str(refused.value).isprintable()


@given(name=st.text(min_size=1))
def test_names_that_pages_and_terminals_cannot_show_are_no_names_of_classes(tmp_path, name):
    legend = given_or_refused(load_legend, put(tmp_path, as_json({"classes": {"1": name}})))
    assert legend is None or not any(ord(each) < 32 or "\u202a" <= each <= "\u202e" for each in legend.names[0])
