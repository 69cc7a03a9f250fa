import io
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from PIL import Image

from geoseg.config.train import load_train_settings
from geoseg.errors import ModelError
from geoseg.models.package import save_package
from geoseg.models.zoo import load_model
from pipelines.finish_model import finish_model, main


@pytest.fixture
def config(write_scene, tiny_model, tmp_path):
    rng = np.random.default_rng(0)
    write_scene(rng.integers(0, 255, (3, 64, 64), dtype=np.uint8), "a_scene.tif")
    write_scene(rng.choice([1, 2], (1, 64, 64)).astype(np.uint8), "a_labels.tif")
    package = load_model(tiny_model)
    names = package.classes.names
    source = {"scene": "a_scene.tif", "labels": "a_labels.tif", "label_map": {1: names[0], 2: list(names[1:])}}
    sources = [source | {"split": split, "bands": [1, 2, 3]} for split in ("train", "val", "test")]
    classes = [{"id": entry.id, "name": entry.name, "colour": entry.colour} for entry in package.classes.classes]
    values = {"name": "finished", "title": "A title", "sources": sources, "classes": classes, "tile": 64, "overlap": 32}
    values |= {"bands": list(package.bands), "gsd": 1.0, "device": "cpu", "precision": "fp32"}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "tiny.yaml"


def test_a_finished_package_is_calibrated_and_pictured_and_says_what_its_config_says(config, tiny_model, tmp_path):
    package = replace(load_model(tiny_model), provenance={"kept": 1, "title": "old"})
    path = tmp_path / "copy"
    save_package(package, path)
    done = CliRunner().invoke(main, [str(path), str(config)], catch_exceptions=False)
    assert done.exit_code == 0
    finished = load_model(path)
    assert finished.name == "finished"
    assert finished.provenance == {"kept": 1, "title": "A title"}
    assert finished.calibration != package.calibration
    assert Image.open(io.BytesIO(finished.picture)).width > 100
    states = package.network.state_dict(), finished.network.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_a_config_of_another_model_is_refused(config, tiny_model):
    settings = load_train_settings(config, {"bands": ["a", "b", "c"]})
    with pytest.raises(ModelError, match="its classes or bands are not those of the config"):
        finish_model(load_model(tiny_model), settings)


def test_a_finished_package_knows_its_validation_ground(config, tiny_model, tmp_path):
    finished = finish_model(load_model(tiny_model), load_train_settings(config))
    save_package(finished, tmp_path / "finished")
    reference = load_model(tmp_path / "finished").reference
    assert reference.prior.sum() == pytest.approx(1)
    assert reference.confusion.sum() == pytest.approx(64 * 64)
    assert (reference.quantiles > 0).any()
