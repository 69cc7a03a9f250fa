import json

import numpy as np
import pytest
import yaml
from affine import Affine
from click.testing import CliRunner

from geoseg.config.train import load_train_settings
from geoseg.errors import ConfigError
from pipelines.leave_one_out import main, table_of, without_area

SOURCE = {"labels": "labels.tif", "scene": "scene.tif", "label_map": {1: "dark", 2: "bright"}}


@pytest.fixture
def config(write_scene, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.kron(rng.integers(1, 3, (8, 8), dtype=np.uint8), np.ones((12, 12), np.uint8))
    transform = Affine(1, 0, 5e5, 0, -1, 5e6)
    write_scene(np.stack([labels * 80, 255 - labels * 60]).astype(np.uint8), "scene.tif", transform=transform)
    write_scene(labels[None], "labels.tif", transform=transform)
    values = {
        "name": "tiny",
        "sources": [
            SOURCE | {"name": "north", "split": "train"},
            SOURCE | {"name": "north", "split": "val"},
            SOURCE | {"name": "south", "split": "train"},
            SOURCE | {"name": "south", "split": "test"},
            SOURCE | {"name": "extra", "split": "train"},
            SOURCE | {"name": "extra", "split": "test"},
        ],
        "classes": [{"id": 0, "name": "dark", "colour": "#000000"}, {"id": 1, "name": "bright", "colour": "#ffffff"}],
        "bands": [1, 2],
        "gsd": 1.0,
        "network": {"encoder": "tu-test_resnet", "options": {"decoder_channels": [8, 8, 8, 8, 8]}},
        "tile": 64,
        "overlap": 32,
        "chip": 32,
        "batch_size": 2,
        "device": "cpu",
    }
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "tiny.yaml"


def splits_of(settings):
    return [(source.name, source.split) for source in settings.sources]


def test_the_area_is_only_scored_and_the_others_choose_the_weights(config):
    settings = load_train_settings(config)
    without = without_area(settings, "north", ["south"], iterations=7)
    assert splits_of(without) == [
        ("north", "test"),
        ("north", "test"),
        ("south", "train"),
        ("south", "val"),
        ("extra", "train"),
    ]
    assert (without.iterations, without.validate_every) == (7, 7)


def test_an_area_that_is_not_there_or_leaves_nothing_to_choose_by_is_refused(config):
    settings = load_train_settings(config)
    with pytest.raises(ConfigError, match="no source is called 'west': the config has extra, north, south"):
        without_area(settings, "west", [], iterations=1)
    with pytest.raises(ConfigError, match="no source is left to choose the weights by"):
        without_area(settings, "north", [], iterations=1)


def test_every_area_is_trained_without_and_scored_once(config, tmp_path):
    given = [str(config), "-o", str(tmp_path / "out"), "--areas", "north,south", "--iterations", "1"]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 0, done.output
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert list(scores) == ["north", "south"]
    assert (tmp_path / "out" / "table.md").read_text() == table_of(scores)
    before = (tmp_path / "out" / "north" / "scores.json").stat().st_mtime_ns
    assert CliRunner().invoke(main, given).exit_code == 0
    assert (tmp_path / "out" / "north" / "scores.json").stat().st_mtime_ns == before
