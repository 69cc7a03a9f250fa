import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from geoseg.errors import LabelError
from geoseg.models.package import save_package
from geoseg.models.zoo import load_model
from geoseg.predict import predict_scene
from pipelines.score_model import main, pairs_of, record_scores, score_model


@pytest.fixture
def pair(write_scene):
    image = np.random.default_rng(0).integers(0, 255, (3, 70, 80), dtype=np.uint8)
    labels = np.random.default_rng(1).choice([0, 3, 7], (1, 70, 80)).astype(np.uint8)
    return write_scene(image, "a_scene.tif"), write_scene(labels, "a_labels.tif", nodata=255)


def test_scores_of_two_scenes_are_pooled(pair, tiny_model):
    once = score_model(str(tiny_model), [pair], "1,2,3")
    twice = score_model(str(tiny_model), [pair, pair], "1,2,3")
    assert once.pixels == 70 * 80
    assert np.array_equal(twice.counts, 2 * once.counts)


def test_a_map_compared_with_itself_is_perfect(pair, tiny_model, tmp_path):
    made = predict_scene(pair[0], tmp_path / "map", model=str(tiny_model), bands="1,2,3", vector=False)
    assert score_model(str(tiny_model), [(pair[0], made.class_raster)], "1,2,3").pixel_accuracy == 1


def test_the_job_prints_scores_by_class(pair, tiny_model):
    folder = pair[0].parent
    arguments = [str(tiny_model), "--scene", f"{folder}/*_scene.tif", "--labels", f"{folder}/*_labels.tif"]
    done = CliRunner().invoke(main, [*arguments, "--bands", "1,2,3"], catch_exceptions=False)
    assert set(json.loads(done.output)["iou"]) <= {"water", "forest", "crop"}
    refused = CliRunner().invoke(main, ["absent", *arguments[1:]])
    assert refused.exit_code == 1


def test_recorded_scores_replace_those_on_the_same_ground_alone(tiny_model, tmp_path):
    path = tmp_path / "copy.zip"
    package = load_model(tiny_model)
    old = {"mean_iou": 0.1, "validation": {"mean_iou": 0.2}}
    save_package(replace(package, provenance={"title": "kept", "scores": old}), path)
    record_scores(path, {"mean_iou": 0.5}, "held-out")
    assert load_model(path).provenance["title"] == "kept"
    assert load_model(path).provenance["scores"] == {"validation": {"mean_iou": 0.2}, "mean_iou": 0.5}
    record_scores(path, {"mean_iou": 0.6}, "validation")
    assert load_model(path).provenance["scores"] == {"validation": {"mean_iou": 0.6}, "mean_iou": 0.5}
    for name, tensor in package.network.state_dict().items():
        assert torch.equal(tensor, load_model(path).network.state_dict()[name])


def test_no_scene_is_refused(tmp_path):
    with pytest.raises(LabelError, match="no such scene"):
        pairs_of(f"{tmp_path}/*_scene.tif", "*_labels.tif")
