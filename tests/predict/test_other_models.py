"""A worker whose model is not that of the plan makes no block."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pytest

from geoseg.config.predict import PredictSettings
from geoseg.errors import ModelError
from geoseg.predict.engines import choice_of, engine_for
from geoseg.predict.plan import plan_prediction

RGB = np.random.default_rng(12).integers(1, 256, (3, 70, 80), dtype=np.uint8)


@pytest.fixture
def choice(write_scene, tiny_model):
    settings = PredictSettings(model=str(tiny_model), engine="torch")
    return choice_of(plan_prediction(write_scene(RGB), settings), settings)


def test_the_model_of_the_plan_is_loaded(choice):
    assert engine_for(choice)


def test_a_package_of_that_path_with_other_weights_is_refused(choice, tiny_model, tmp_path):
    there = tmp_path / "there.zip"
    with zipfile.ZipFile(tiny_model) as package, zipfile.ZipFile(there, "w") as other:
        for name in package.namelist():
            other.writestr(name, package.read(name).replace(b"0.00392", b"0.00391"))
    with pytest.raises(ModelError, match="is not the model that the work began with") as raised:
        engine_for(replace(choice, model=there))
    assert "\n" not in str(raised.value)
