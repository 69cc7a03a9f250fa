"""Digests say whether pixels are the same, whatever windows they were read in; the file system only where it can."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.raster.scene import describe_scene
from geoseg.raster.watch import Watch, WatchedScene, is_quiet, state_of, watch_again
from geoseg.window import Window

SIZE = (60, 40)
LONG_AGO = 1_600_000_000_000_000_000
PIXELS = np.random.default_rng(2).integers(0, 9, (3, *SIZE), dtype=np.uint16)


@given(cuts=st.sets(st.integers(1, 59)), top=st.integers(0, 30), height=st.integers(1, 30))
def test_the_digest_does_not_depend_on_how_rows_were_read(fake_scene, cuts, top, height):
    scene, watch = fake_scene(PIXELS, PIXELS[0] > 1), Watch()
    edges = [0, *sorted(cuts), 60]
    for first, last in itertools.pairwise(edges):
        WatchedScene(scene, watch).read(Window.between(first, last, 5, 25))
    window = Window(row=top, col=5, height=height, width=20)
    assert watch.digest_of([window]) == watch_again(scene, [window], Watch())


@given(row=st.integers(0, 59), col=st.integers(0, 39), kind=st.sampled_from(["image", "valid"]))
def test_the_digest_sees_every_pixel_and_no_other(fake_scene, row, col, kind):
    window = Window(row=10, col=5, height=30, width=20)
    before = fake_scene(PIXELS, PIXELS[0] > 1)
    image, valid = PIXELS.copy(), PIXELS[0] > 1
    if kind == "image":
        image[2, row, col] += 1
    else:
        valid[row, col] = ~valid[row, col]
    inside = Window(row=row, col=col, height=1, width=1).intersect(window) is not None
    same = watch_again(before, [window], Watch()) == watch_again(fake_scene(image, valid), [window], Watch())
    assert same is not inside


def test_rows_that_were_seen_are_not_read_again(fake_scene):
    scene, watch = fake_scene(PIXELS, PIXELS[0] > 1), Watch()
    watch_again(scene, [Window.of_shape(40, 40)], watch)
    scene.reads.clear()
    watch_again(scene, [Window(row=20, col=0, height=30, width=40)], watch)
    assert [(read.row, read.bottom) for read in scene.reads] == [(40, 50)]


def test_rows_that_were_not_read_have_no_digest(fake_scene):
    watch = Watch()
    WatchedScene(fake_scene(PIXELS, PIXELS[0] > 1), watch).read(Window.of_shape(40, 40))
    watch.forget(10)
    for window in (Window.of_shape(40, 40), Window(row=20, col=0, height=21, width=40), Window.of_shape(10, 39)):
        with pytest.raises(KeyError):
            watch.digest_of([window])


@pytest.mark.parametrize("change", ["time", "size", "place", "mask beside"])
def test_the_state_of_a_scene_shows_changes(write_scene, change):
    path = write_scene(PIXELS, photometric="minisblack")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    before = state_of(describe_scene(path))
    assert before == state_of(describe_scene(path))
    if change == "time":
        os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))
    elif change == "size":
        with path.open("ab") as file:
            file.write(b"x")
    elif change == "place":
        copy = path.with_name("copy.tif")
        copy.write_bytes(path.read_bytes())
        copy.replace(path)
    else:
        path.with_name("scene.tif.aux.xml").write_text("<PAMDataset/>")
    assert state_of(describe_scene(path)) != before


def test_a_file_that_was_just_written_is_not_quiet(write_scene, monkeypatch):
    source = describe_scene(write_scene(PIXELS, photometric="minisblack"))
    assert not is_quiet(source)
    monkeypatch.setattr("time.time", lambda: Path(source.path).stat().st_ctime + 10)
    assert is_quiet(source)
    monkeypatch.setattr("time.time", lambda: LONG_AGO / 1e9)  # the clock was set back
    assert not is_quiet(source)


def test_a_scene_that_is_no_ordinary_file_has_no_state(write_scene):
    path = write_scene(PIXELS, photometric="minisblack")
    assert state_of(describe_scene(f"GTIFF_DIR:1:{path}")) is None
