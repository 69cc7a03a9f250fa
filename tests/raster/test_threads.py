"""GDAL decodes with threads only where they can be started: it would wait for ever for others."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from geoseg.raster import gdal
from geoseg.raster.scene import open_scene

IMAGE = np.random.default_rng(5).integers(0, 256, (3, 256, 256), dtype=np.uint8)


@pytest.fixture
def threads(monkeypatch):
    """How many threads GDAL is told to use by the readers that are opened."""
    told, reader = [], gdal.DatasetReader

    def note(*arguments, **options):
        told.append(options.get("num_threads"))
        return reader(*arguments, **options)

    monkeypatch.setattr(gdal, "DatasetReader", note)
    monkeypatch.setattr(gdal, "cores", lambda: 3)
    gdal._threads.cache_clear()
    yield told
    gdal._threads.cache_clear()


@pytest.mark.parametrize(("startable", "used"), [(0, "1"), (2, "1"), (3, "3")])
def test_threads_that_cannot_be_started_are_not_asked_for(monkeypatch, write_scene, threads, startable, used):
    path, start, running = write_scene(IMAGE, compress="deflate"), threading.Thread.start, []

    def start_some(thread):
        if len(running) == startable:
            raise RuntimeError("can't start new thread")
        running.append(thread)
        start(thread)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", start_some)
        scene = open_scene(path)
    with scene:
        assert np.array_equal(scene.read(scene.georef.window).image, IMAGE)
    assert set(threads) == {used}
    assert not any(thread.is_alive() for thread in running)
