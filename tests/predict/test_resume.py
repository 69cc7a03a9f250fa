"""A run that was stopped goes on to the same bytes, and computes again only what it must."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.errors import OutputError, SceneError
from geoseg.predict import predict_scene
from geoseg.predict.journal import Journal

SIZE = (150, 130)
RANDOM = np.random.default_rng(21)
RGB = RANDOM.integers(1, 256, (3, *SIZE), dtype=np.uint8)
LONG_AGO = 1_600_000_000_000_000_000


pytestmark = pytest.mark.usefixtures("computed")


class Stop(BaseException):
    """As Ctrl-C."""


@pytest.fixture
def computed(monkeypatch, fake_engine):
    """The rows at which the blocks begin that are computed; the engine is a fake, without a network."""
    rows = []
    keep = Journal.keep

    def note(journal, block, stamp):
        rows.append(block.window.row)
        keep(journal, block, stamp)

    monkeypatch.setattr(Journal, "keep", note)
    monkeypatch.setattr("geoseg.predict.task.engine_for", lambda _: fake_engine())
    return rows


@pytest.fixture
def predict(tiny_model, tmp_path):
    """Map a scene in blocks of 20 rows; gives the bytes of both rasters."""

    def run(scene, folder="out", *, stop_at=None, **options):
        def progress(_stage, done, _total):
            if stop_at is not None and done >= stop_at:
                raise Stop

        usual = {"model": str(tiny_model), "vector": False, "block_rows": 20, "progress": progress}
        made = predict_scene(scene, tmp_path / folder, **(usual | options))
        return made.class_raster.read_bytes() + made.confidence.read_bytes()

    return run


def stopped(predict, scene, at, **options):
    with pytest.raises(Stop):
        predict(scene, stop_at=at, **options)


def quiet(path):
    """As if nobody had written for years, as far as a program can make it seem so."""
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def edit(path, row, col):
    with rasterio.open(path, "r+") as dataset:
        pixels = dataset.read()
        pixels[:, row, col] = 255 - pixels[:, row, col]
        dataset.write(pixels)


def test_a_run_goes_on_where_it_was_stopped(predict, write_scene, computed):
    scene = write_scene(RGB, nodata=0)
    whole = predict(scene, "whole")
    assert computed == [0, 20, 40, 60, 80, 100, 120, 140]
    computed.clear()
    stopped(predict, scene, at=70)
    before = list(computed)
    computed.clear()
    assert predict(scene) == whole
    assert before + computed == [0, 20, 40, 60, 80, 100, 120, 140]
    assert len(before) >= 3


def test_nothing_is_left_but_the_outputs(predict, write_scene, tmp_path):
    scene = write_scene(RGB)
    stopped(predict, scene, at=70)
    predict(scene)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


def test_it_is_said_how_much_was_there(predict, write_scene, computed, caplog):
    scene = write_scene(RGB)
    with caplog.at_level(logging.INFO):
        stopped(predict, scene, at=60)
        assert "blocks are kept: the same command goes on from there" in caplog.text
        caplog.clear()
        predict(scene)
    assert f"resumed: {8 - len(computed[3:])} of 8 blocks were there" in caplog.text


@settings(max_examples=10)
@given(rows=st.integers(1, 160), stops=st.lists(st.integers(1, 150), max_size=3), nodata=st.sampled_from([None, 0]))
def test_any_interruptions_lead_to_the_same_bytes(tmp_path_factory, tiny_model, fake_engine, rows, stops, nodata):
    folder = tmp_path_factory.mktemp("run")
    scene = folder / "scene.tif"
    profile = {"driver": "GTiff", "count": 3, "height": SIZE[0], "width": SIZE[1], "dtype": "uint8", "nodata": nodata}
    with rasterio.open(scene, "w", crs="EPSG:32633", transform=Affine(1, 0, 5e5, 0, -1, 5e6), **profile) as dataset:
        dataset.write(RGB * (RGB > 20))

    def run(name, stop_at, **options):
        def progress(_stage, done, _total):
            if stop_at is not None and done >= stop_at:
                raise Stop

        made = predict_scene(scene, folder / name, model=str(tiny_model), vector=False, progress=progress, **options)
        return made.class_raster.read_bytes() + made.confidence.read_bytes()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("geoseg.predict.task.engine_for", lambda _: fake_engine())
        whole = run("whole", None)
        for stop in stops:
            with pytest.raises(Stop):
                run("out", stop, block_rows=rows)
        assert run("out", None, block_rows=rows) == whole


@pytest.mark.parametrize("options", [{}, {"grid": "scene"}, {"aoi": "500010,4999880,500100,4999990,EPSG:32633"}])
@pytest.mark.parametrize("pixel", [1.0, 0.6, 1.7])
def test_any_grid_is_resumed(predict, write_scene, computed, options, pixel):
    scene = write_scene(RGB, nodata=0, transform=Affine(pixel, 0, 5e5, 0, -pixel, 5e6))
    whole = predict(scene, "whole", keep_blocks=True, **options)
    assert computed
    computed.clear()
    quiet(scene)
    assert predict(scene, "whole", overwrite=True, **options) == whole
    assert computed == []
    stopped(predict, scene, at=40, **options)
    computed.clear()
    assert predict(scene, **options) == whole
    assert 0 not in computed


def test_an_edited_scene_costs_the_blocks_that_see_the_edit(predict, write_scene, computed):
    scene = write_scene(RGB)
    first = predict(scene, keep_blocks=True)
    computed.clear()
    edit(scene, row=149, col=3)
    second = predict(scene, overwrite=True, keep_blocks=True)
    assert computed == [80, 100, 120, 140]
    assert second == predict(scene, "anew")
    assert second != first


def test_an_edit_behind_the_back_of_the_clock_is_seen(predict, write_scene, computed):
    scene = quiet(write_scene(RGB, compress="none"))
    predict(scene, keep_blocks=True)
    computed.clear()
    edit(scene, row=149, col=3)
    quiet(scene)
    assert predict(scene, overwrite=True) == predict(scene, "anew")
    assert computed[:4] == [80, 100, 120, 140]


def test_an_edit_within_a_tick_of_the_clock_is_seen(predict, write_scene, computed, monkeypatch):
    monkeypatch.setattr("geoseg.predict.resume.state_of", lambda _: "the same")  # a clock that stands
    scene = write_scene(RGB, compress="none")
    predict(scene, keep_blocks=True)
    computed.clear()
    edit(scene, row=149, col=3)
    assert predict(scene, overwrite=True) == predict(scene, "anew")
    assert computed[:4] == [80, 100, 120, 140]


@pytest.mark.parametrize("change", ["touched", "copied", "moved to the future"])
def test_a_scene_with_the_same_pixels_costs_nothing(predict, write_scene, computed, change):
    scene = write_scene(RGB)
    whole = predict(scene, keep_blocks=True)
    computed.clear()
    if change == "copied":
        shutil.copy(scene, scene.with_name("copy.tif"))
        scene.with_name("copy.tif").replace(scene)
    else:
        os.utime(scene, ns=(LONG_AGO, LONG_AGO if change == "touched" else 4 * 10**18))
    assert predict(scene, overwrite=True) == whole
    assert computed == []


def test_a_quiet_scene_is_believed_without_reading_it(predict, write_scene, monkeypatch):
    monkeypatch.setattr("geoseg.predict.resume.is_quiet", lambda _: True)
    scene = write_scene(RGB)
    whole = predict(scene, keep_blocks=True)
    monkeypatch.setattr("geoseg.predict.resume.watch_again", pytest.fail)
    assert predict(scene, overwrite=True) == whole


def test_a_scene_that_is_changed_meanwhile_is_refused(predict, write_scene, computed):
    scene = write_scene(RGB)

    def meddle(_stage, done, _total):
        if done == 150:
            os.utime(scene, ns=(LONG_AGO, LONG_AGO))

    with pytest.raises(SceneError, match="was changed while it was mapped"):
        predict(scene, progress=meddle)
    computed.clear()
    predict(scene)
    assert computed == []


@pytest.mark.parametrize(
    ("options", "said"),
    [({"tile": 128}, "tiles"), ({"thresholds": "water=0.9"}, "thresholds"), ({"block_rows": 30}, "--block-rows")],
)
def test_other_options_start_anew_and_that_is_said(predict, write_scene, computed, caplog, options, said):
    scene = write_scene(RGB)
    stopped(predict, scene, at=70)
    computed.clear()
    with caplog.at_level(logging.INFO):
        result = predict(scene, **options)
    assert f"an earlier run had another {said}: starting anew" in caplog.text
    assert computed[0] == 0
    assert result == predict(scene, "anew", **options)


@pytest.mark.parametrize("adapt", ["match", "adabn"])
def test_a_model_that_is_fitted_again_is_the_same_model(predict, write_scene, computed, adapt):
    scene = write_scene(RGB)
    stopped(predict, scene, at=70, adapt=adapt)
    computed.clear()
    predict(scene, adapt=adapt)
    assert computed
    assert 0 not in computed


def test_restart_computes_everything(predict, write_scene, computed):
    scene = write_scene(RGB)
    stopped(predict, scene, at=100)
    computed.clear()
    predict(scene, restart=True)
    assert len(computed) == 8


def test_blocks_of_the_usual_size_take_up_those_of_another(predict, write_scene, computed):
    scene = write_scene(RGB)
    stopped(predict, scene, at=100)
    computed.clear()
    assert predict(scene, block_rows=None) == predict(scene, "whole")
    assert 0 not in computed[:2]


@pytest.mark.parametrize("damage", ["no record", "half a record", "half a file", "no file", "another block"])
def test_a_damaged_block_is_computed_again(predict, write_scene, computed, tmp_path, damage):
    scene = write_scene(RGB)
    whole = predict(scene, keep_blocks=True)
    blocks = tmp_path / "out" / ".scene.geoseg-run" / "blocks"
    record, layer = blocks / "40_0_20_130.json", blocks / "40_0_20_130.confidence.tif"
    if damage == "no record":
        record.unlink()
    elif damage == "half a record":
        record.write_bytes(record.read_bytes()[:100])
    elif damage == "half a file":
        layer.write_bytes(layer.read_bytes()[:-10])
    elif damage == "no file":
        layer.unlink()
    else:
        record.write_bytes((blocks / "60_0_20_130.json").read_bytes())
    computed.clear()
    assert predict(scene, overwrite=True) == whole
    assert computed == [40]


def test_a_run_killed_while_files_got_their_names_is_finished(predict, write_scene, computed, monkeypatch, tmp_path):
    scene = write_scene(RGB)

    def half_a_commit(staging):
        staging.path("scene.classes.tif").replace(tmp_path / "out" / "scene.classes.tif")
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr("geoseg.raster.staging.Staging.commit", half_a_commit)
        with pytest.raises(Stop):
            predict(scene)
    computed.clear()
    assert predict(scene) == predict(scene, "whole")
    assert len(computed) == 8


def test_outputs_that_exist_are_not_replaced_by_a_resumed_run(predict, write_scene, tmp_path):
    scene = write_scene(RGB)
    stopped(predict, scene, at=60)
    (tmp_path / "out" / "scene.classes.tif").write_text("mine")
    with pytest.raises(OutputError, match="exists already"):
        predict(scene)
    assert (tmp_path / "out" / "scene.classes.tif").read_text() == "mine"


HOLD = """
import sys
from pathlib import Path
from geoseg.predict.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that makes the map of `scene` in `out`."""
    folder = tmp_path / "out" / ".scene.geoseg-run"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_map_is_made_by_one_process_at_a_time(predict, write_scene, holder):
    scene = write_scene(RGB)
    with pytest.raises(OutputError, match=f"process {holder.pid} on .* is making this map since") as raised:
        predict(scene)
    assert "\n" not in str(raised.value)
    holder.kill()
    holder.wait()
    predict(scene)


def test_a_lock_on_a_file_system_without_locks_is_that_of_a_living_process(tmp_path, monkeypatch):
    from geoseg.predict import lock  # noqa: PLC0415 - its own module is changed

    monkeypatch.setattr(lock, "fcntl", None)
    first = lock.FolderLock(tmp_path)
    with pytest.raises(OutputError, match=f"process {os.getpid()}"):
        lock.FolderLock(tmp_path)
    dead = subprocess.run([sys.executable, "-c", ""], check=True)
    assert dead.returncode == 0
    facts = (tmp_path / "lock").read_text()
    (tmp_path / "lock").write_text(facts.replace(f'"pid": {os.getpid()}', '"pid": 4194305'))
    lock.FolderLock(tmp_path).release()
    first.release()
    assert not (tmp_path / "lock").exists()


def test_the_journal_is_in_a_folder_of_its_own_for_every_map(predict, write_scene, tmp_path):
    for name in ("one.tif", "two.tif"):
        stopped(predict, write_scene(RGB, name), at=40)
    assert {path.name for path in Path(tmp_path / "out").iterdir()} == {".one.geoseg-run", ".two.geoseg-run"}
