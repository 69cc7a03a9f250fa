from pathlib import Path

import pytest
import yaml

from geoseg.config.settings import settings_from
from geoseg.config.train import TrainSettings, load_train_settings
from geoseg.errors import ConfigError

VALUES = {
    "name": "tiny",
    "bands": ["red", 2],
    "gsd": 0.5,
    "classes": [{"id": 3, "name": "dark", "colour": "#000000"}, {"id": 1, "name": "bright", "colour": "#ffffff"}],
    "sources": [{"scene": "in/*_scene.tif", "labels": "in/*_labels.tif", "label_map": {1: "dark"}, "split": "blocks"}],
}


def settings_of(**changes):
    return settings_from(TrainSettings, VALUES | changes, origin="here")


def source_of(**changes):
    return [VALUES["sources"][0] | changes]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("b", "a"):
        (tmp_path / "in" / f"{name}_scene.tif").touch()
        (tmp_path / "in" / f"{name}_labels.tif").touch()
    return tmp_path


def test_band_numbers_and_names_are_read_alike():
    assert settings_of().bands == ("red", "2")


def test_the_legend_keeps_the_order_of_the_logits():
    assert settings_of().class_map.ids == (3, 1)


def test_a_star_in_the_labels_is_what_the_star_in_the_scene_stands_for(files):
    settings = settings_of(root=files)
    found = settings.files_of(settings.sources[0])
    assert [(scene.name, labels.name) for scene, labels in found] == [
        ("a_scene.tif", "a_labels.tif"),
        ("b_scene.tif", "b_labels.tif"),
    ]


def test_paths_start_from_the_folder_of_the_file(files):
    (files / "train.yaml").write_text(
        """
name: tiny
bands: [red]
gsd: 1
classes: [{id: 0, name: dark, colour: "#000000"}, {id: 1, name: bright, colour: "#ffffff"}]
sources: [{scene: in/a_scene.tif, labels: in/a_labels.tif, label_map: {0: dark}, split: blocks}]
"""
    )
    settings = load_train_settings(files / "train.yaml", {"iterations": 7})
    assert settings.iterations == 7
    assert settings.files_of(settings.sources[0]) == ((files / "in/a_scene.tif", files / "in/a_labels.tif"),)


def test_the_environment_wins_over_the_variables_of_the_file(monkeypatch):
    settings = settings_of(root="/top", variables={"PLACE": "mine"})
    monkeypatch.delenv("PLACE", raising=False)
    assert settings.expand("${PLACE}/a.tif") == Path("/top/mine/a.tif")
    monkeypatch.setenv("PLACE", "/elsewhere")
    assert settings.expand("${PLACE}/a.tif") == Path("/elsewhere/a.tif")


def test_a_variable_without_a_value_is_refused(monkeypatch):
    monkeypatch.delenv("NOWHERE", raising=False)
    with pytest.raises(ConfigError, match=r"\$\{NOWHERE\} has no value"):
        settings_of().expand("${NOWHERE}/a.tif")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scene": "in/*.png"}, "no file matches .*png"),
        ({"labels": "in/*_other.tif"}, "a_other.tif does not exist"),
        ({"scene": "in/c_scene.tif"}, "c_scene.tif does not exist"),
    ],
)
def test_files_that_are_not_there_are_named(files, changes, message):
    settings = settings_of(root=files, sources=source_of(**changes))
    with pytest.raises(ConfigError, match=message):
        settings.files_of(settings.sources[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"iteration": 3}, "iteration: Extra inputs"),
        ({"tile": 100}, "tile: Input should be a multiple of 32"),
        ({"tile": 128, "overlap": 96}, "overlap should be at most half of tile"),
        ({"overlap": 40}, "overlap: Input should be a multiple of 32"),
        ({"gsd": 0}, "gsd: Input should be greater than 0"),
        ({"name": "No Name"}, "name: String should match pattern"),
        ({"bands": []}, "bands: "),
        ({"sources": source_of(split="val")}, "sources should have one with split train or blocks"),
        ({"sources": source_of(split="train")}, "sources should have one with split val or blocks"),
        ({"augment": {"gsd_jitter": [2, 1]}}, "gsd_jitter should be two positive factors"),
        ({"augment": {"hue": 1}}, "augment.hue: Extra inputs"),
        ({"accumulate": 0}, "accumulate: Input should be greater than or equal to 1"),
        ({"patience": 0}, "patience: Input should be greater than or equal to 1"),
        ({"precision": "fp8"}, "precision: Input should be"),
        ({"device": "tpu"}, "device: String should match pattern"),
    ],
)
def test_a_setting_that_cannot_be_is_named(changes, message):
    with pytest.raises(ConfigError, match=message) as refused:
        settings_of(**changes)
    assert "\n" not in str(refused.value)


def test_a_file_says_only_what_differs_from_its_base(files):
    (files / "base.yaml").write_text(yaml.safe_dump(VALUES | {"optimiser": {"learning_rate": 0.1, "warmup": 0.2}}))
    (files / "more.yaml").write_text("{base: base.yaml, iterations: 5, optimiser: {learning_rate: 0.3}}")
    settings = load_train_settings(files / "more.yaml")
    assert (settings.name, settings.iterations) == ("tiny", 5)
    assert (settings.optimiser.learning_rate, settings.optimiser.warmup) == (0.3, 0.2)
    (files / "lost.yaml").write_text("{base: absent.yaml}")
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read"):
        load_train_settings(files / "lost.yaml")
