import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from geoseg.config.train import load_train_settings
from geoseg.errors import LabelError
from geoseg.models.package import save_package
from geoseg.models.zoo import load_model
from geoseg.predict import predict_scene
from pipelines.score_model import Reliability, main, record_scores, score_model

LABEL_MAP = {0: "water", 3: "forest", 7: ["crop", "forest"], 255: None}


@pytest.fixture
def config(write_scene, tiny_model, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (3, 70, 80), dtype=np.uint8)
    labels = np.random.default_rng(1).choice([0, 3, 7, 255], (1, 70, 80)).astype(np.uint8)
    write_scene(image, "a_scene.tif")
    write_scene(labels, "a_labels.tif")
    source = {"scene": "a_scene.tif", "labels": "a_labels.tif", "label_map": LABEL_MAP, "bands": [1, 2, 3]}
    classes = load_model(tiny_model).classes.classes
    values = {
        "name": "tiny",
        "sources": [source, source | {"split": "val"}, source | {"split": "test", "name": "place"}],
        "classes": [{"id": entry.id, "name": entry.name, "colour": entry.colour} for entry in classes],
        "bands": [1, 2, 3],
        "gsd": 1.0,
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "tiny.yaml"


def test_the_scores_are_those_of_the_map_that_predict_makes(config, tiny_model, tmp_path):
    scores = score_model(str(tiny_model), load_train_settings(config), "test")
    scene = config.parent / "a_scene.tif"
    made = predict_scene(scene, tmp_path / "map", model=str(tiny_model), bands="1,2,3", vector=False, grid="scene")
    with rasterio.open(made.class_raster) as raster, rasterio.open(made.confidence) as percent:
        ids, confidence = raster.read(1), percent.read(1) / 100
    with rasterio.open(config.parent / "a_labels.tif") as raster:
        labels = raster.read(1)
    names = {entry.id: entry.name for entry in load_model(tiny_model).classes.classes}
    open_classes = {0: {"water"}, 3: {"forest"}, 7: {"crop", "forest"}}
    known = labels != 255
    right = np.array([names[i] in open_classes[x] for i, x in zip(ids[known], labels[known], strict=True)])
    assert scores["pixels"] == known.sum()
    assert scores["pixel_accuracy"] == pytest.approx(right.mean(), abs=1e-4)
    bins = np.minimum((confidence[known] * 15).astype(int), 14)
    gaps = [abs(right[bins == b].mean() - confidence[known][bins == b].mean()) * (bins == b).mean() for b in set(bins)]
    assert scores["ece"] == pytest.approx(sum(gaps), abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=60), st.integers(0, 60))
def test_the_calibration_error_does_not_depend_on_how_pixels_are_counted(pixels, cut):
    percent = np.array([value for value, _ in pixels], dtype=np.uint8)
    right = np.array([hit for _, hit in pixels])
    whole, parts = Reliability(), Reliability()
    whole.add(percent, right)
    for part in (slice(None, cut), slice(cut, None)):
        parts.add(percent[part], right[part])
    assert whole.expected_calibration_error == parts.expected_calibration_error
    assert 0 <= whole.expected_calibration_error <= 1


def test_certain_and_always_right_is_calibrated_and_always_wrong_is_not():
    sure, wrong = Reliability(), Reliability()
    sure.add(np.full(9, 100, np.uint8), np.ones(9, np.bool_))
    wrong.add(np.full(9, 100, np.uint8), np.zeros(9, np.bool_))
    assert (sure.expected_calibration_error, wrong.expected_calibration_error) == (0, 1)


def test_the_job_prints_and_records_the_scores(config, tiny_model, tmp_path):
    package = tmp_path / "copy.zip"
    save_package(load_model(tiny_model), package)
    done = CliRunner().invoke(main, [str(package), str(config), "--record"], catch_exceptions=False)
    printed = json.loads(done.output)
    assert load_model(package).provenance["scores"]["mean_iou"] == printed["mean_iou"]
    refused = CliRunner().invoke(main, ["absent", str(config)])
    assert refused.exit_code == 1


def test_recorded_scores_replace_those_on_the_same_ground_alone(tiny_model, tmp_path):
    path = tmp_path / "copy.zip"
    package = load_model(tiny_model)
    old = {"mean_iou": 0.1, "validation": {"mean_iou": 0.2}}
    save_package(replace(package, provenance={"title": "kept", "scores": old}), path)
    record_scores(path, {"mean_iou": 0.5}, "test")
    assert load_model(path).provenance["title"] == "kept"
    assert load_model(path).provenance["scores"] == {"validation": {"mean_iou": 0.2}, "mean_iou": 0.5}
    record_scores(path, {"mean_iou": 0.6}, "val")
    assert load_model(path).provenance["scores"] == {"validation": {"mean_iou": 0.6}, "mean_iou": 0.5}
    for name, tensor in package.network.state_dict().items():
        assert torch.equal(tensor, load_model(path).network.state_dict()[name])


def test_a_split_without_a_known_pixel_is_refused(config, tiny_model):
    settings = load_train_settings(config)
    blind = settings.sources[2].model_copy(update={"label_map": dict.fromkeys(LABEL_MAP) | {9: ("water",)}})
    with pytest.raises(LabelError, match="no scene of the split test has a pixel with a class"):
        score_model(str(tiny_model), settings.model_copy(update={"sources": (blind,)}), "test")
