"""Timings are found again where all is the same; what cannot be read or written costs a measurement, never a run."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from geoseg.predict import speeds
from geoseg.predict.speeds import Circumstances, Timing, cache_folder, machine, remember, remembered

HERE = Circumstances(
    machine="Linux x86_64 some processor",
    threads=2,
    versions={"torch": "2.9", "openvino": ""},
    package="0123",
    tile=512,
    bands=3,
    precision="auto",
)
TIMING = Timing(engine="openvino", speeds={"torch": 2.5, "openvino": 8.25})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GEOSEG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "engines"


def test_what_was_never_measured_is_not_remembered():
    assert remembered(HERE) is None


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"machine": "another"},
        {"threads": 3},
        {"versions": {"torch": "2.10", "openvino": ""}},
        {"package": "4567"},
        {"tile": 256},
        {"bands": 2},
        {"precision": "fp32"},
    ],
)
def test_a_timing_holds_where_all_is_the_same(change):
    remember(HERE, TIMING)
    assert remembered(replace(HERE, **change)) == (None if change else TIMING)


def test_a_new_timing_replaces_the_old_one(folder):
    remember(HERE, TIMING)
    again = Timing(engine="onnx", speeds={"onnx": 9.0})
    remember(HERE, again)
    assert remembered(HERE) == again
    assert len(list(folder.iterdir())) == 1


def _changed(text, **values):
    return json.dumps(json.loads(text) | values)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "",
        lambda text: text[:-9],
        lambda _: "[]",
        lambda _: "null",
        lambda _: "\x00\xff",
        lambda _: "[" * 10_000,
        lambda text: text + " " * 2**17,
        lambda text: _changed(text, engine="rm -rf"),
        lambda text: _changed(text, engine="onnx"),
        lambda text: _changed(text, speeds={"torch": "fast", "openvino": 1}),
        lambda text: _changed(text, speeds={"openvino": -1}),
        lambda text: _changed(text, speeds={"openvino": float("nan")}),
        lambda text: _changed(text, speeds=[8]),
        lambda text: _changed(text, speeds={"openvino": 8, "another": 9}),
        lambda text: _changed(text, of={"machine": "another"}),
    ],
)
def test_a_damaged_file_is_as_good_as_none_and_is_written_anew(folder, damage):
    remember(HERE, TIMING)
    (file,) = folder.iterdir()
    file.write_text(damage(file.read_text(encoding="utf-8")), encoding="utf-8")
    assert remembered(HERE) is None
    remember(HERE, TIMING)
    assert remembered(HERE) == TIMING


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GEOSEG_CACHE", str(tmp_path / "file"))
    remember(HERE, TIMING)
    assert remembered(HERE) is None


def test_a_user_without_a_home_is_no_error(monkeypatch):
    def homeless():
        raise RuntimeError("no home")

    monkeypatch.setattr(speeds, "cache_folder", homeless)
    remember(HERE, TIMING)
    assert remembered(HERE) is None


def test_a_disk_that_is_full_leaves_nothing_behind(folder, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(speeds.Path, "replace", full)
    remember(HERE, TIMING)
    assert list(folder.iterdir()) == []


def test_many_writers_leave_one_whole_file(folder):
    timings = [Timing(engine="torch", speeds={"torch": 1.0 + number}) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda timing: remember(HERE, timing), timings))
    assert remembered(HERE) in timings
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"GEOSEG_CACHE": "/own"}, "/own"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/geoseg"),
        ("linux", {}, "/home/me/.cache/geoseg"),
        ("darwin", {"XDG_CACHE_HOME": "/xdg"}, "/home/me/Library/Caches/geoseg"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/geoseg/cache"),
    ],
)
def test_the_cache_folder_is_that_of_the_platform_unless_named(monkeypatch, platform, variables, expected):
    for name in ("GEOSEG_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (variables | {"HOME": "/home/me"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(speeds.sys, "platform", platform)
    assert cache_folder().as_posix() == expected


def test_a_machine_is_called_the_same_every_time():
    assert machine() == machine() != ""
