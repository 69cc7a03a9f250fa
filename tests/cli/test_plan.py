from __future__ import annotations

import json
import subprocess
import sys

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from geoseg.cli.app import run
from geoseg.predict import memory_bound, rehearsal
from geoseg.predict.rehearsal import Rehearsal

FEW = Rehearsal(
    engine="torch",
    threads=2,
    height=224,
    width=224,
    loaded_peak=500_000_000,
    peak=600_000_000,
    settled=400_000_000,
    device_peak=3_000_000_000,
    speed=2.0,
    start_seconds=3.0,
)


@pytest.fixture
def asked(monkeypatch):
    """Replace the measurement; it remembers whether it was to be made anew."""
    made = []

    def rehearsal_of(_plan, _settings, *, threads=None, anew=False):
        made.append(anew)
        return FEW if threads is None else FEW.model_copy(update={"threads": threads})

    monkeypatch.setattr(memory_bound, "rehearsal_of", rehearsal_of)
    return made


@pytest.fixture
def scene(write_scene):
    return str(write_scene(np.ones((3, 100, 300), dtype=np.uint8)))


@pytest.mark.usefixtures("asked")
def test_a_plan_says_what_a_run_needs(scene, tiny_model, capsys):
    assert run(["plan", scene, "--model", str(tiny_model), "--no-vector", "--overlap", "32"]) == 0
    said = capsys.readouterr().out
    lines = dict(line.strip().split("  ", 1) for line in said.splitlines()[1:])
    assert said.startswith(scene)
    assert list(lines) == [
        *("model", "size", "tiles", "computed", "seams", "blocks", "memory", "memory of the GPU", "time", "outputs"),
        "disk",
    ]
    assert "300 x 100 px" in lines["size"]
    assert "at most 27, 64 px sharing 32 px" in lines["tiles"]
    assert "(at most)" in lines["memory"]
    assert "3.00 GB" in lines["memory of the GPU"]


@pytest.mark.usefixtures("asked")
def test_as_json_it_is_plain_values(scene, tiny_model, capsys):
    assert run(["plan", scene, "--model", str(tiny_model), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["scenes"]
    assert (found["model"], found["engine"], found["threads"]) == ("tiny", "torch", 2)
    assert found["memory_bytes"] > FEW.peak
    assert not found["memory_is_bound"]
    assert found["computed_pixels"] >= found["scene_pixels"] == 30_000
    assert found["block_widths"] == [300]


@pytest.mark.usefixtures("asked")
def test_a_scene_that_cannot_be_planned_is_reported_and_the_others_go_on(scene, tiny_model, capsys, tmp_path):
    assert run(["plan", str(tmp_path / "none.tif"), scene, "--model", str(tiny_model)]) == 1
    said = capsys.readouterr()
    assert scene in said.out
    assert "none.tif" in said.err


@pytest.mark.usefixtures("asked")
def test_memory_that_no_run_keeps_to_is_refused(scene, tiny_model, capsys):
    assert run(["plan", scene, "--model", str(tiny_model), "--max-memory", "1MB"]) == 1
    assert "does not fit into --max-memory 1 MB" in capsys.readouterr().err


def test_calibrate_measures_again(asked, scene, tiny_model):
    assert run(["plan", scene, "--model", str(tiny_model)]) == 0
    assert run(["plan", scene, "--model", str(tiny_model), "--calibrate"]) == 0
    assert asked == [False, True]


def modules_of_a_plan(scene, *options):
    """What a process has imported when it has planned a scene of a model that was measured before."""
    code = f"""
import sys
from geoseg.cli.app import run
from geoseg.predict import memory_bound
from geoseg.predict.rehearsal import Rehearsal
memory_bound.rehearsal_of = lambda *_, **__: Rehearsal.model_validate_json({FEW.model_dump_json()!r})
code = run({["plan", scene, *options]!r})
sys.stderr.write(" ".join(sys.modules))
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_a_plan_imports_neither_torch_nor_tables_of_geometries(scene, tiny_model):
    heavy = {"torch", "geopandas", "pandas", "pyarrow", "scipy", "numba", "dask", "rich"}
    assert modules_of_a_plan(scene, "--model", str(tiny_model)).isdisjoint(heavy)


def test_the_check_for_heavy_modules_of_a_plan_can_fail(scene, tiny_model, tmp_path):
    with rasterio.open(scene) as dataset:
        bounds, crs = dataset.bounds, dataset.crs
    area = tmp_path / "area.gpkg"
    geopandas.GeoSeries([shapely.box(*bounds)], crs=crs).to_file(area)
    assert "geopandas" in modules_of_a_plan(scene, "--model", str(tiny_model), "--aoi", str(area))


def test_what_is_measured_is_told_before(scene, tiny_model, capsys, monkeypatch):
    monkeypatch.setattr(rehearsal, "_answer", lambda *_: FEW.model_dump(mode="json"))
    for line in ("tiny on a few tiles", ""):
        assert run(["plan", scene, "--model", str(tiny_model), "--tile", "96"]) == 0
        assert line in capsys.readouterr().err
