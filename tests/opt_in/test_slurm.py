"""geoseg on a real SLURM: make test-slurm."""

from __future__ import annotations

import os
import subprocess
import sys

import pyogrio
import pytest
import yaml

from geoseg.landscapes.spec import LandscapeSpec
from geoseg.landscapes.write import write_landscape

pytestmark = [
    pytest.mark.skipif("GEOSEG_SLURM" not in os.environ, reason="make test-slurm"),
    pytest.mark.slow,
]
GEOSEG = [sys.executable, "-m", "geoseg"]
OPTIONS = ["--model", "demo-landscape", "--block-rows", "96"]


def known_jobs():
    told = subprocess.run(["scontrol", "show", "job", "--oneliner"], capture_output=True, text=True, check=True)
    return [dict(word.partition("=")[::2] for word in line.split()) for line in told.stdout.splitlines() if "=" in line]


@pytest.fixture
def scene(tmp_path):
    path = tmp_path / "scene.tif"
    write_landscape(LandscapeSpec(seed=7, height=768, width=640), path, tmp_path / "labels.tif")
    return path


@pytest.fixture
def cluster(tmp_path):
    settings = {
        "kind": "slurm",
        "workers": 2,
        "memory": "2GB",
        "walltime": "00:10:00",
        "interface": "lo",
        "logs": str(tmp_path / "logs"),
        "scratch": str(tmp_path / "scratch"),
        "start_seconds": 120,
    }
    path = tmp_path / "slurm.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_jobs_make_the_bytes_that_this_process_makes_and_end_with_it(scene, cluster, tmp_path):
    subprocess.run([*GEOSEG, "predict", scene, "-o", tmp_path / "here", *OPTIONS], check=True)
    subprocess.run([*GEOSEG, "predict", scene, "-o", tmp_path / "jobs", *OPTIONS, "--cluster", cluster], check=True)

    names = sorted(path.name for path in (tmp_path / "here").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "jobs").iterdir())
    for name in names:
        here, jobs = tmp_path / "here" / name, tmp_path / "jobs" / name
        if name.endswith((".tif", ".qml")):
            assert here.read_bytes() == jobs.read_bytes(), name
    polygons = [pyogrio.read_dataframe(tmp_path / run / "scene.gpkg", layer="landcover") for run in ("here", "jobs")]
    assert polygons[0].equals(polygons[1])

    jobs = known_jobs()
    assert [job["JobName"] for job in jobs] == ["geoseg", "geoseg"]
    assert {job["NumCPUs"] for job in jobs} == {"1"}
    assert not {job["JobState"] for job in jobs} & {"RUNNING", "PENDING"}
    assert list((tmp_path / "logs").glob("geoseg-*.err"))
