"""Damaged scenes, full disks and too little memory: one line, and a state to go on from."""

from __future__ import annotations

import errno
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from geoseg.errors import ConfigError, OutputError, SceneError
from geoseg.predict import predict_scene
from geoseg.predict.faults import told_apart
from geoseg.predict.journal import Journal

RGB = np.random.default_rng(12).integers(1, 256, (3, 200, 700), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _fast(monkeypatch, fake_engine):
    monkeypatch.setattr("geoseg.predict.task.engine_for", lambda _: fake_engine())


@pytest.fixture
def predict(tiny_model, tmp_path):
    def run(scene, folder="out", **options):
        usual = {"model": str(tiny_model), "vector": False, "block_rows": 40}
        return predict_scene(scene, tmp_path / folder, **(usual | options))

    return run


@pytest.fixture
def damaged(write_scene):
    """A scene of storage blocks of 64 px, of which one in the third row of them holds rubbish."""
    path = write_scene(RGB, interleave="pixel")
    with rasterio.open(path) as dataset:
        offset = int(dataset.get_tag_item("BLOCK_OFFSET_1_2", "TIFF", bidx=1))
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 200)
    return path


def ids_of(prediction):
    with rasterio.open(prediction.class_raster) as dataset:
        return dataset.read(1)


def test_a_damaged_scene_stops_the_run_and_keeps_what_was_made(predict, damaged, tmp_path):
    with pytest.raises(SceneError, match="cannot be read"):
        predict(damaged)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".scene.geoseg-run"]


def test_what_cannot_be_read_is_nodata_on_request(predict, damaged, write_scene, caplog):
    whole = ids_of(predict(write_scene(RGB, "whole.tif"), "whole"))
    with caplog.at_level(logging.WARNING):
        made = predict(damaged, on_error="nodata")
    ids = ids_of(made)
    rows, cols = np.nonzero(ids == 255)
    assert made.unreadable == 64 * 256
    assert f"{made.unreadable} pixels cannot be read and are nodata" in caplog.text
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (128, 191, 0, 255)
    assert np.array_equal(ids[:, 320:], whole[:, 320:])


def test_what_is_lost_does_not_depend_on_the_blocks(predict, damaged):
    made = [predict(damaged, f"rows {rows}", on_error="nodata", block_rows=rows) for rows in (7, 50, 200)]
    assert len({each.class_raster.read_bytes() for each in made}) == 1
    assert len({each.unreadable for each in made}) == 1


def test_where_the_scene_was_mended_the_blocks_that_saw_the_damage_are_computed_again(
    predict, damaged, write_scene, monkeypatch
):
    predict(damaged, on_error="nodata", keep_blocks=True)
    write_scene(RGB)
    kept = []
    monkeypatch.setattr(Journal, "keep", _noting(kept))
    mended = predict(damaged, overwrite=True)
    assert kept == [80, 120, 160]
    assert mended.unreadable == 0
    assert (ids_of(mended) != 255).all()


def test_a_run_that_was_stopped_by_damage_goes_on_with_nodata(predict, damaged, monkeypatch):
    with pytest.raises(SceneError):
        predict(damaged)
    kept = []
    monkeypatch.setattr(Journal, "keep", _noting(kept))
    made = predict(damaged, on_error="nodata")
    assert 0 not in kept
    assert made.class_raster.read_bytes() == predict(damaged, "anew", on_error="nodata").class_raster.read_bytes()


def test_pixels_that_were_lost_are_not_taken_up_where_the_run_is_to_stop(predict, damaged):
    predict(damaged, on_error="nodata", keep_blocks=True)
    with pytest.raises(SceneError):
        predict(damaged, overwrite=True)


def _noting(kept):
    keep = Journal.keep

    def note(journal, block, stamp):
        kept.append(block.window.row)
        keep(journal, block, stamp)

    return note


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(predict, write_scene, monkeypatch):
    scene = write_scene(RGB)
    written = []
    write = Path.write_bytes

    def fill(path, data):
        written.append(path)
        if len(written) > 8:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", fill)
        with pytest.raises(OutputError, match=r"the disk is full: free some space .* 2 blocks are kept") as raised:
            predict(scene)
        assert "\n" not in str(raised.value)
    kept = []
    monkeypatch.setattr(Journal, "keep", _noting(kept))
    predict(scene)
    assert kept == [80, 120, 160]


@pytest.mark.slow
def test_a_limit_on_the_size_of_files_is_one_line(write_scene, tiny_model, tmp_path):
    scene = write_scene(np.random.default_rng(3).integers(1, 256, (3, 600, 600), dtype=np.uint8))
    script = (
        "import resource, sys\n"
        "from geoseg.cli.app import run\n"
        "import geoseg.predict.scene\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        f"sys.exit(run(['predict', {str(scene)!r}, '-o', {str(tmp_path / 'out')!r}, '--model', {str(tiny_model)!r},"
        " '--engine', 'torch', '--no-vector']))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "the disk is full" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out" / "scene.classes.tif").exists()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: 8 bytes."),
        RuntimeError("std::bad_alloc"),
        RuntimeError("could not create a primitive"),
        SystemError("error return without exception set"),
        ImportError("lib.so: failed to map segment from shared object"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=["python", "torch", "C++", "oneDNN", "no exception", "library", "CUDA", "system"],
)
def test_too_little_memory_is_one_line_with_the_way_out(predict, write_scene, monkeypatch, fake_engine, error):
    class Starving(fake_engine):
        def probabilities(self, images, usable):
            if self.tiles_seen > 60:
                raise error
            return super().probabilities(images, usable)

    engine = Starving()
    monkeypatch.setattr("geoseg.predict.task.engine_for", lambda _: engine)
    with pytest.raises(ConfigError, match=r"memory ran out .* smaller --tile or --block-rows") as raised:
        predict(write_scene(RGB))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("error", [OutputError("block: cannot be written"), SceneError("a.tif: cannot be read")])
@pytest.mark.parametrize(
    "said",
    [
        "PredictorEncodeTile:Out of memory allocating 262144 byte temp buffer.",
        "TIFFWriteBufferSetup:No space for output buffer",
    ],
)
def test_want_of_memory_is_told_where_it_is_what_a_file_failed_for(error, said):
    with pytest.raises(ConfigError, match=rf"^memory ran out \({said[:12]}"), told_apart():
        raise error from RuntimeError(said)
    with pytest.raises(type(error)) as raised, told_apart():
        raise error from RuntimeError("No space left")
    assert raised.value is error


def test_other_errors_are_what_they_are():
    damage = OSError(errno.EIO, "Input/output error")
    for error in (RuntimeError("shapes do not match"), ImportError("no module"), damage, ValueError("x")):
        with pytest.raises(type(error)) as raised, told_apart():
            raise error
        assert raised.value is error


def test_a_folder_that_cannot_be_written_is_one_line(predict, write_scene):
    with pytest.raises(OutputError, match="cannot be written"):
        predict(write_scene(RGB), "/proc/geoseg")
