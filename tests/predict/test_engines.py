"""The engine of a plan computes no more of its tiles than holds measurements, where nobody asks for the tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geoseg.config.predict import PredictSettings
from geoseg.inference.engine import TorchEngine
from geoseg.inference.trimming import TrimmingEngine
from geoseg.predict import engines
from geoseg.predict.engines import choice_of, new_engine
from geoseg.predict.plan import plan_prediction


@pytest.fixture
def planned(write_scene, tiny_model):
    """The plan of a small scene, its tiles to be trimmed by so many pixels."""
    scene = write_scene(np.ones((3, 64, 64), dtype=np.uint8))

    def plan(trim, **options):
        settings = PredictSettings(model=str(tiny_model), **options)
        made = plan_prediction(scene, settings)
        return replace(made, tiling=replace(made.tiling, trim=trim, edge_step=48)), settings

    return plan


def test_tiles_are_trimmed_where_the_plan_says_so(planned):
    assert isinstance(new_engine(choice_of(*planned(32, engine="torch", device="cpu"))), TrimmingEngine)
    assert isinstance(new_engine(choice_of(*planned(0, engine="torch", device="cpu"))), TorchEngine)
    assert isinstance(new_engine(choice_of(*planned(32, engine="torch", device="cpu", tta="d4"))), TrimmingEngine)


def test_engines_that_compile_are_given_halves_of_tiles_and_only_in_large_scenes(planned, monkeypatch):
    assert choice_of(*planned(32, engine="openvino")).trim == 0
    monkeypatch.setattr(engines, "_MANY", 1)
    assert choice_of(*planned(32, engine="openvino")).trim == 48
    assert choice_of(*planned(0, engine="openvino")).trim == 0


def test_tiles_that_are_asked_for_are_computed_whole(write_scene):
    scene = write_scene(np.ones((3, 64, 64), dtype=np.uint8))
    packaged = {"model": "landcover-rgb", "engine": "torch", "bands": ("1", "2", "3")}
    auto, asked = (PredictSettings(**packaged, **options) for options in ({}, {"tile": 768, "overlap": 64}))
    assert choice_of(plan_prediction(scene, auto), auto).trim == 128
    assert choice_of(plan_prediction(scene, asked), asked).trim == 0


def test_a_scene_with_a_rim_of_nodata_gets_labels_like_those_of_whole_tiles(planned):
    plan, settings = planned(32, engine="torch", device="cpu")
    trimming = new_engine(choice_of(plan, settings))
    whole = new_engine(choice_of(replace(plan, tiling=replace(plan.tiling, trim=0)), settings))
    image = np.random.default_rng(3).integers(0, 255, (1, 3, 64, 64), dtype=np.uint8)
    usable = np.zeros((1, 64, 64), dtype=bool)
    usable[:, :30, :20] = True
    found, wanted = (engine.probabilities(image, usable)[:, :, usable[0]] for engine in (trimming, whole))
    assert (found.argmax(1) == wanted.argmax(1)).float().mean() > 0.7
    assert (found - wanted).abs().max() < 0.2
