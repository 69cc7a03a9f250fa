"""Clocks that stand, jump or are wrong by decades change neither what is computed nor who may work."""

from __future__ import annotations

import itertools
import json
import random
import time
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

import numpy as np
import pytest
import rasterio

from geoseg.errors import OutputError
from geoseg.predict import predict_scene
from geoseg.predict.journal import Journal
from geoseg.predict.lock import FolderLock

RGB = np.random.default_rng(22).integers(1, 256, (3, 150, 130), dtype=np.uint8)
NOW = time.time()


def jumping():
    """Every look at the clock tells another year."""
    chance = random.Random(5)  # noqa: S311 - clocks are no secret
    return (NOW + chance.uniform(-1e9, 1e9) for _ in itertools.count())


CLOCKS = {
    "stands": lambda: itertools.repeat(NOW),
    "begins in 1970": lambda: itertools.count(0.0, 0.001),
    "is of 2090": lambda: itertools.count(3.8e9, 0.001),
    "goes backwards": lambda: itertools.count(NOW, -60.0),
    "jumps": jumping,
}


@pytest.fixture(params=CLOCKS)
def clock(request, monkeypatch):
    """Gives a context in which the wall clock is wrong."""

    @contextmanager
    def wrong():
        ticks = CLOCKS[request.param]()
        with monkeypatch.context() as patch:
            patch.setattr(time, "time", lambda: next(ticks))
            patch.setattr(time, "time_ns", lambda: int(next(ticks) * 1e9))
            yield

    return wrong


@pytest.fixture
def computed(monkeypatch, fake_engine):
    """The rows at which the blocks begin that are computed."""
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
    """Map a scene in blocks of 20 rows, in the clock's time or not; gives the bytes of both rasters."""

    def run(scene, folder="out", **options):
        usual = {"model": str(tiny_model), "vector": False, "block_rows": 20, "overwrite": True}
        made = predict_scene(scene, tmp_path / folder, **(usual | options))
        return made.class_raster.read_bytes() + made.confidence.read_bytes()

    return run


def stop_at(rows):
    def progress(_stage, done, _total):
        if done >= rows:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("wrong_at", ["first", "last", "both"])
def test_a_run_goes_on_in_any_other_time(predict, write_scene, computed, clock, wrong_at):
    scene = write_scene(RGB)
    whole = predict(scene, "whole")
    computed.clear()
    with clock() if wrong_at != "last" else nullcontext(), pytest.raises(KeyboardInterrupt):
        predict(scene, progress=stop_at(80))
    with clock() if wrong_at != "first" else nullcontext():
        assert predict(scene) == whole
    assert sorted(computed) == list(range(0, 150, 20))


def test_an_edit_is_seen_whatever_the_clock_says(predict, write_scene, computed, clock):
    scene = write_scene(RGB, compress="none")
    predict(scene, keep_blocks=True)
    with rasterio.open(scene, "r+") as dataset:
        pixels = dataset.read()
        pixels[:, 149, 3] ^= 255
        dataset.write(pixels)
    computed.clear()
    with clock():
        edited = predict(scene, keep_blocks=True)
    assert computed == [80, 100, 120, 140]
    assert edited == predict(scene, "anew")


class Tomorrow(datetime):
    """A clock that is ahead by a century."""

    @classmethod
    def now(cls, tz=None):
        return datetime(2126, 1, 1, tzinfo=tz)


def test_a_lock_of_the_future_holds_and_ends_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.predict.lock.datetime", Tomorrow)
    lock = FolderLock(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "lock").read_text())["since"] == Tomorrow.now(UTC).isoformat()
    monkeypatch.undo()
    with pytest.raises(OutputError, match="since 2126"):
        FolderLock(tmp_path / "run")
    lock.release()
    FolderLock(tmp_path / "run").release()
