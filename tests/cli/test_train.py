from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from geoseg.cli.app import run
from geoseg.data.confusion import ConfusionMatrix
from geoseg.training.train import TrainingResult

CONFIG = """
name: tiny
bands: [red]
gsd: 1.0
sources: [{scene: a.tif, labels: b.tif, label_map: {1: water}, split: blocks}]
classes: [{id: 1, name: water, colour: "#0000ff"}]
"""
RESULT = TrainingResult(
    package=Path("run/best"),
    best_iteration=7,
    iterations=9,
    stopped_early=False,
    validation=ConfusionMatrix(np.array([[3, 1], [0, 4]])),
    test=ConfusionMatrix(np.array([[4, 0], [0, 4]])),
)


@pytest.fixture
def calls(monkeypatch):
    made = []

    def train_model(settings, output, *, resume, progress):
        made.append((settings.name, settings.root, output, resume))
        progress("training", 1, 1)
        return RESULT

    monkeypatch.setattr("geoseg.training.train.train_model", train_model)
    return made


def test_settings_folder_and_resume_reach_the_training(calls, tmp_path, capsys):
    config = tmp_path / "tiny.yaml"
    config.write_text(CONFIG)
    assert run(["train", str(config), "-o", "run", "--resume"]) == 0
    assert calls == [("tiny", tmp_path, Path("run"), True)]
    shown = capsys.readouterr()
    assert shown.out.startswith("run/best\nbest after 7 iterations: validation mean IoU 0.775\n")
    assert "held-out mean IoU 1.000, pixel accuracy 1.000" in shown.out
    assert shown.err == "tiny: training 100 %\n"


def test_an_early_end_is_told(calls, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("geoseg.training.train.train_model", lambda *_, **__: replace(RESULT, stopped_early=True))
    config = tmp_path / "tiny.yaml"
    config.write_text(CONFIG)
    assert run(["train", str(config), "-o", "run"]) == 0
    assert "validation mean IoU 0.775, ended after 9 as no better score came" in capsys.readouterr().out
    assert calls == []


def test_one_of_several_processes_prints(calls, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(
        "geoseg.training.train.train_model", lambda *_, progress, **__: RESULT if progress is None else 0
    )
    config = tmp_path / "tiny.yaml"
    config.write_text(CONFIG)
    assert run(["train", str(config), "-o", "run"]) == 0
    assert capsys.readouterr().out == ""
    assert calls == []


def test_a_run_that_was_stopped_exits_with_130(calls, tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("geoseg.training.train.train_model", stopped)
    config = tmp_path / "tiny.yaml"
    config.write_text(CONFIG)
    assert run(["train", str(config), "-o", "run"]) == 130
    assert calls == []


def test_a_wrong_key_is_one_line_before_any_work(calls, tmp_path, capsys):
    config = tmp_path / "tiny.yaml"
    config.write_text(CONFIG + "iteration: 3\n")
    assert run(["train", str(config), "-o", "run"]) == 1
    assert "tiny.yaml: iteration: Extra inputs are not permitted" in capsys.readouterr().err
    assert calls == []
