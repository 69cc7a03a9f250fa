"""What a run leaves behind, also when its process is killed or when there are several."""

from __future__ import annotations

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from geoseg.models.package import load_package
from geoseg.training.runs import RunDirectory
from geoseg.training.train import train_model

CLOCK = {"seconds", "waiting"}


def records_of(folder):
    """What was logged, without what depends on the clock."""
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in record.items() if key not in CLOCK} for record in records]


def assert_same_weights(one, other):
    first, second = (torch.load(folder / "last" / "state.pt", weights_only=True) for folder in (one, other))
    for part in ("network", "teacher"):
        assert all(torch.equal(first[part][name], second[part][name]) for name in first[part])


def test_the_folder_of_a_run_says_what_happened(project, tmp_path):
    result = train_model(project.settings(iterations=20, validate_every=20), tmp_path / "run")
    made = {path.name for path in (tmp_path / "run").iterdir()}
    tables = {"metrics.csv", "metrics.jsonl", "confusion_matrix.csv", "config.yaml", "environment.json"}
    assert made == {"best", "last", "curve.png", "confusion_matrix.png", "samples.png", "split.gpkg"} | tables
    with (tmp_path / "run" / "metrics.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["val_mean_iou"]) == pytest.approx(records_of(tmp_path / "run")[-1]["val_mean_iou"])
    assert 0 <= float(row["waiting"]) <= 1
    assert float(row["learning_rate"]) > 0
    with (tmp_path / "run" / "confusion_matrix.csv").open() as file:
        counts = [int(row["pixels"]) for row in csv.DictReader(file) if row["ground"] == "test"]
    assert counts == result.test.sources[0].confusion.counts.ravel().tolist()
    ece = load_package(result.package).provenance["scores"]["calibration"]["ece"]
    assert ece.keys() == {"validation", "test"}
    assert all(0 <= ece[ground][when] <= 1 for ground in ece for when in ("before", "after"))


@pytest.mark.slow
def test_a_killed_run_that_is_resumed_ends_with_the_metrics_and_weights_of_the_unbroken_one(project, tmp_path):
    settings = project.settings(iterations=60, validate_every=3)
    train_model(settings, tmp_path / "whole")
    command = [
        sys.executable,
        "-m",
        "geoseg",
        "train",
        str(tmp_path / "whole/config.yaml"),
        "-o",
        str(tmp_path / "run"),
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (tmp_path / "run" / "last" / "state.pt").exists():
            time.sleep(0.01)
        time.sleep(random.uniform(0, 1))  # noqa: S311 - any moment will do
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    train_model(settings, tmp_path / "run", resume=True)
    assert records_of(tmp_path / "run") == records_of(tmp_path / "whole")
    assert_same_weights(tmp_path / "run", tmp_path / "whole")


@pytest.mark.slow
def test_a_launcher_trains_in_two_processes_of_which_one_writes_and_prints(project, tmp_path):
    RunDirectory(tmp_path, resume=False).describe(
        project.settings(iterations=4, validate_every=2, batch_size=4).model_dump(), {}
    )
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, "-m", "geoseg", "train", str(tmp_path / "config.yaml"), "-o", str(tmp_path / "run")]
    ended = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("best after") == 1
    assert [record["iteration"] for record in records_of(tmp_path / "run")] == [2, 4]
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["processes"] == 2
    state = torch.load(tmp_path / "run" / "last" / "state.pt", weights_only=True)
    assert len(state["generators"]) == 2
    assert load_package(tmp_path / "run" / "best").name == "tiny"
