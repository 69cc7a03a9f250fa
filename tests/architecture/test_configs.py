from __future__ import annotations

from pathlib import Path

import pytest

from geoseg.config.adapt import AdaptSettings
from geoseg.config.diff import DiffSettings
from geoseg.config.evaluate import EvaluateSettings
from geoseg.config.import_model import ImportSettings
from geoseg.config.predict import PredictSettings
from geoseg.config.sample import SampleSettings
from geoseg.config.settings import load_settings, load_yaml
from geoseg.config.shift import ShiftSettings
from geoseg.config.train import load_train_settings
from geoseg.config.vectorize import VectorizeSettings

CONFIGS = Path(__file__).parents[2] / "configs"
OF_COMMANDS = {
    "adapt.yaml": AdaptSettings,
    "shift.yaml": ShiftSettings,
    "predict.yaml": PredictSettings,
    "diff.yaml": DiffSettings,
    "evaluate.yaml": EvaluateSettings,
    "import.yaml": ImportSettings,
    "sample.yaml": SampleSettings,
    "vectorize.yaml": VectorizeSettings,
}
TRAINING = sorted(path.name for path in CONFIGS.glob("*.yaml") if path.name not in OF_COMMANDS)


@pytest.mark.parametrize("name", list(OF_COMMANDS))
def test_a_commands_config_is_valid(name):
    assert load_settings(OF_COMMANDS[name], CONFIGS / name)


@pytest.mark.parametrize("name", TRAINING)
def test_a_training_config_is_valid_and_its_legend_too(name):
    settings = load_train_settings(CONFIGS / name)
    known = set(settings.class_map.names)
    for source in settings.sources:
        assert {name for names in source.label_map.values() for name in names or ()} <= known


def test_there_is_a_config_for_every_command_that_takes_one():
    assert TRAINING


def test_the_predict_config_spells_out_the_defaults():
    values = load_yaml(CONFIGS / "predict.yaml")
    assert list(values) == list(PredictSettings.model_fields)
    assert load_settings(PredictSettings, CONFIGS / "predict.yaml") == PredictSettings()
