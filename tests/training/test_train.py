import json
import logging
import signal

import numpy as np
import pytest
import torch

from geoseg.config.train import load_train_settings
from geoseg.errors import ConfigError, GeosegError, LabelError, ModelError, OutputError
from geoseg.models.package import load_package
from geoseg.training.train import train_model

ITERATIONS = 6


class StoppedError(Exception):
    """What a test raises to stop a run."""


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch):
    """Figures take longer than these runs; test_run_folder.py looks at them."""
    monkeypatch.setattr("geoseg.training.finishing._draw", lambda *_: None)


def weights_of(folder):
    return torch.load(folder / "last" / "state.pt", weights_only=True)


def records_of(folder):
    """What was logged, without what depends on the clock."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key not in {"seconds", "waiting"}} for record in records]


def assert_same(one, other):
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


def test_a_stopped_and_resumed_run_is_the_unbroken_one_bit_for_bit(project, tmp_path):
    settings = project.settings()
    whole = train_model(settings, tmp_path / "whole")

    def stop(_, done, __):
        if done == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_model(settings, tmp_path / "broken", progress=stop)
    assert weights_of(tmp_path / "broken")["iteration"] == 3
    resumed = train_model(settings, tmp_path / "broken", resume=True)
    assert_same(weights_of(tmp_path / "broken"), weights_of(tmp_path / "whole"))
    assert resumed.best_iteration == whole.best_iteration
    assert np.array_equal(resumed.test.sources[0].confusion.counts, whole.test.sources[0].confusion.counts)
    scores = [[r for r in records_of(tmp_path / name) if "val" in r] for name in ("broken", "whole")]
    assert scores[0] == scores[1] != []


@pytest.mark.parametrize(("steps", "number"), [(2, signal.SIGINT), (3, signal.SIGTERM)])
def test_a_run_that_is_asked_to_stop_saves_that_very_step_and_goes_on_as_if_it_had_not(
    project, tmp_path, steps, number
):
    settings = project.settings(iterations=4)
    train_model(settings, tmp_path / "whole")

    def ask(_, done, __):
        if done == steps:
            signal.getsignal(number)(number, None)  # as Python does when the signal comes

    with pytest.raises(KeyboardInterrupt):
        train_model(settings, tmp_path / "broken", progress=ask)
    assert weights_of(tmp_path / "broken")["iteration"] == steps
    train_model(settings, tmp_path / "broken", resume=True)
    assert_same(weights_of(tmp_path / "broken"), weights_of(tmp_path / "whole"))
    assert records_of(tmp_path / "broken") == records_of(tmp_path / "whole")


def test_training_ends_when_no_better_score_came_for_so_long_and_stays_so(project, tmp_path):
    slow = {"learning_rate": 1e-12, "ema_decay": 0.0}
    augment = {"gain": 0, "bias": 0, "gamma": 0, "d4": False}
    settings = project.settings(iterations=9, validate_every=1, patience=2, optimiser=slow, augment=augment)
    told = []
    result = train_model(settings, tmp_path / "run", progress=lambda *step: told.append(step))
    assert result.stopped_early
    assert result.iterations == result.best_iteration + 2 == len(told) < 9
    again = train_model(settings, tmp_path / "run", resume=True, progress=lambda *step: told.append(step))
    assert (again.iterations, again.stopped_early, len(told)) == (result.iterations, True, result.iterations)


def test_batches_in_parts_draw_as_many_chips_as_one_large_batch(project, tmp_path):
    for name, sizes in (("large", {"batch_size": 4}), ("parts", {"batch_size": 2, "accumulate": 2})):
        train_model(project.settings(iterations=1, **sizes), tmp_path / name)
    provenance = [load_package(tmp_path / name / "best").provenance["training"] for name in ("large", "parts")]
    assert provenance[0]["batch_size"] == provenance[1]["batch_size"] == 4


def test_a_class_without_a_label_to_learn_from_is_refused_and_one_to_validate_on_is_missed(project, tmp_path, caplog):
    third = {"id": 7, "name": "third", "colour": "#ff0000"}
    settings = project.settings()
    classes = [entry.model_dump() for entry in settings.classes]
    with pytest.raises(
        LabelError, match="no pixel to learn from has class third: remove it from classes, add a source"
    ):
        train_model(project.settings(classes=[*classes, third]), tmp_path / "run")
    source = {"scene": "a_scene.tif", "labels": "a_labels.tif", "label_map": {1: "dark", 2: "bright"}}
    sources = [source, source | {"label_map": {1: "dark", 2: None}, "split": "val"}]
    train_model(project.settings(sources=sources, iterations=1), tmp_path / "run")
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith("no pixel to validate on has class bright: its IoU there stays unknown")


def test_a_tile_that_the_network_does_not_take_is_refused_before_the_first_step(project, tmp_path, monkeypatch):
    def refuse(_network, _spec, *, tile):
        raise ModelError(f"cannot map tiles of {tile} px")

    monkeypatch.setattr("geoseg.training.setup.inspect_network", refuse)
    with pytest.raises(ModelError, match="cannot map tiles of 64 px"):
        train_model(project.settings(), tmp_path / "run")
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_waiting_for_batches_is_one_line_with_what_to_do(project, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("geoseg.training.learning._SOME_STEPS", 2)
    monkeypatch.setattr("geoseg.training.learning._MOST_WAITING", -1)
    train_model(project.settings(iterations=3, validate_every=1), tmp_path / "run")
    (line,) = [record.getMessage() for record in caplog.records if "waited for batches" in record.getMessage()]
    assert "raise cache_mb" in line


def test_a_half_written_line_of_a_killed_run_is_no_harm(project, tmp_path):
    settings = project.settings(iterations=2, validate_every=1)
    train_model(settings, tmp_path / "run")
    before = records_of(tmp_path / "run")
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 3, "lo')
    train_model(settings, tmp_path / "run", resume=True)
    assert records_of(tmp_path / "run") == before


def test_two_easy_classes_are_learnt_and_packaged(project, tmp_path):
    result = train_model(project.settings(iterations=40, validate_every=20, class_balance=0.0), tmp_path / "run")
    assert result.validation.mean_iou > 0.8
    package = load_package(result.package)
    assert package.name == "tiny"
    assert package.classes.names == ("dark", "bright")
    assert package.bands == ("1", "2")
    assert package.provenance["scores"]["mean_iou"] == pytest.approx(result.test.mean_iou, abs=1e-4)
    assert package.provenance["title"] == "A tiny model"
    assert package.provenance["training"]["best_iteration"] == result.best_iteration


def test_the_resolved_settings_start_the_same_run_again(project, tmp_path):
    settings = project.settings(iterations=1)
    train_model(settings, tmp_path / "run")
    assert load_train_settings(tmp_path / "run" / "config.yaml") == settings


def test_validation_and_test_are_optional_only_where_they_can_be(project, tmp_path):
    source = {"scene": "a_scene.tif", "labels": "a_labels.tif", "label_map": {1: "dark", 2: "bright"}}
    blocks = {"side": 24, "buffer": 2, "val": 0.2, "test": 0.0}
    settings = project.settings(sources=[source | {"split": "blocks"}], blocks=blocks, iterations=2)
    result = train_model(settings, tmp_path / "run")
    assert result.test is None
    assert result.validation.pixels > 0
    with pytest.raises(ConfigError, match="sources should have one with split val or blocks"):
        project.settings(sources=[source])


def test_validation_ground_needs_a_known_class(project, tmp_path):
    source = {"scene": "a_scene.tif", "labels": "a_labels.tif", "label_map": {1: "dark", 2: "bright"}}
    unknown = source | {"label_map": {1: None, 2: None, 9: "dark"}, "split": "val"}
    with pytest.raises(LabelError, match="no pixel to validate on has a known class"):
        train_model(project.settings(sources=[source, unknown]), tmp_path / "run")


def test_labels_that_leave_classes_open_train_and_score_by_what_they_tell(project, tmp_path):
    classes = [
        {"id": 4, "name": "dark", "colour": "#000000"},
        {"id": 2, "name": "bright", "colour": "#ffffff"},
        {"id": 7, "name": "never", "colour": "#ff0000"},
    ]
    full = {"name": "full", "scene": "a_scene.tif", "labels": "a_labels.tif", "label_map": {1: "dark", 2: "bright"}}
    partial = full | {"name": "partial", "scene": "b_scene.tif", "labels": "b_labels.tif"}
    partial["label_map"] = {1: "dark", 2: ["bright", "never"]}
    sources = [full, partial, full | {"split": "val"}, partial | {"split": "val"}]
    settings = project.settings(classes=classes, sources=sources, iterations=40, validate_every=20)
    result = train_model(settings, tmp_path / "run")
    assert [source.name for source in result.validation.sources] == ["full", "partial"]
    assert result.validation.sources[1].names[:2] == ("dark", "bright|never")
    assert result.validation.sources[1].mean_iou > 0.8
    summary = load_package(result.package).provenance["scores"]["validation"]
    assert summary["sources"]["partial"]["iou"].keys() >= {"dark", "bright|never"}


def test_an_optional_band_may_be_missing_in_a_source(project, tmp_path):
    source = {"scene": "a_scene.tif", "labels": "a_labels.tif", "label_map": {1: "dark", 2: "bright"}}
    sources = [source | {"bands": [1, 2]}, source | {"bands": [1, None]}, source | {"split": "val"}]
    settings = project.settings(sources=sources, optional_bands=["2"], iterations=2, augment={"drop": 0.5})
    assert load_package(train_model(settings, tmp_path / "run").package).optional_bands == ("2",)
    with pytest.raises(ConfigError, match="lacks band 2, which is not in optional_bands"):
        train_model(project.settings(sources=sources), tmp_path / "other")


def test_progress_is_told_after_every_step(project, tmp_path):
    told = []
    train_model(project.settings(), tmp_path / "run", progress=lambda *step: told.append(step))
    assert told == [("training", done, ITERATIONS) for done in range(1, ITERATIONS + 1)]


def test_a_folder_is_neither_overwritten_nor_resumed_by_mistake(project, tmp_path):
    settings = project.settings(iterations=1)
    with pytest.raises(OutputError, match="no state to resume from"):
        train_model(settings, tmp_path / "run", resume=True)
    train_model(settings, tmp_path / "run")
    with pytest.raises(OutputError, match="holds a training run already"):
        train_model(settings, tmp_path / "run")
    (tmp_path / "run" / "last" / "state.pt").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="is damaged"):
        train_model(settings, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"scales": {"uint16": 1e-4}}, ConfigError, "has uint8 pixels: add a scale"),
        ({"classes": [{"id": 1, "name": "dark", "colour": "#000000"}]}, LabelError, "at least 2 classes"),
        ({"bands": ["nir"]}, GeosegError, "nir"),
        ({"network": {"encoder": "resnet181"}}, ModelError, "unknown encoder"),
        ({"batch_size": 1}, ConfigError, "cannot learn from one chip of 32 px at a time"),
        ({"provenance_files": ["absent.json"]}, ConfigError, "cannot be read as JSON"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(project, tmp_path, changes, error, message):
    with pytest.raises(error, match=message) as refused:
        train_model(project.settings(**({"iterations": 1} | changes)), tmp_path / "run")
    assert "\n" not in str(refused.value)


def test_training_goes_on_from_a_package(project, tmp_path):
    first = train_model(project.settings(iterations=30, validate_every=30), tmp_path / "first")
    network = {"encoder": "tu-test_resnet", "options": {"decoder_channels": [8, 8, 8, 8, 8]}, "start": "first/best"}
    slow = {"learning_rate": 1e-9}
    again = train_model(project.settings(network=network, optimiser=slow, iterations=1), tmp_path / "again")
    assert again.validation.pixel_accuracy == pytest.approx(first.validation.pixel_accuracy, abs=0.02)
    assert load_package(again.package).provenance["training"]["start"] == "the weights of tiny"


def test_provenance_files_join_the_package(project, tmp_path):
    (tmp_path / "split.json").write_text('{"holdout": ["x", "y"]}')
    result = train_model(project.settings(provenance_files=["split.json"], iterations=1), tmp_path / "run")
    assert load_package(result.package).provenance["holdout"] == ["x", "y"]
