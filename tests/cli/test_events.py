"""Events on stdout and more lines on stderr: what programs and people see while a command runs."""

from __future__ import annotations

import json
import logging

import click
import numpy as np
import pytest

from geoseg.cli.app import COMMANDS, app, run
from geoseg.cli.verbosity import with_verbosity
from geoseg.events import Told

RGB = np.random.default_rng(5).integers(1, 256, (3, 150, 130), dtype=np.uint8)
ENDS = ("finished", "failed")


@pytest.fixture
def predict(tiny_model, tmp_path, monkeypatch, fake_engine):
    """Run the command; gives the exit code."""
    monkeypatch.setattr("geoseg.predict.task.engine_for", lambda _: fake_engine())

    def call(*arguments):
        options = ["--model", str(tiny_model), "--no-vector", "--block-rows", "40", "-o", str(tmp_path / "out")]
        return run(["predict", *map(str, arguments), *options])

    return call


@pytest.fixture
def scenes(write_scene, tmp_path):
    """Two scenes, and one between them that is none."""
    (tmp_path / "bad.tif").write_text("no raster")
    return write_scene(RGB, "a.tif"), tmp_path / "bad.tif", write_scene(RGB, "c\x1b[31m.tif", crs=None)


def lines_of(text):
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_an_event_and_they_come_in_order(predict, scenes, capsys):
    assert predict(*scenes, "--events") == 1
    shown = capsys.readouterr()
    lines = lines_of(shown.out)
    assert all({"event", "time", "seconds", "command_id"} <= set(line) for line in lines)
    assert len({line["command_id"] for line in lines}) == 1
    assert [line["seconds"] for line in lines] == sorted(line["seconds"] for line in lines)
    for scene in map(str, scenes):
        of_scene = [line["event"] for line in lines if line.get("scene") == scene and line["event"] != "warning"]
        assert of_scene[0] == "started"
        assert [kind for kind in of_scene if kind in ENDS] == [of_scene[-1]]
        if of_scene[-1] == "finished":
            assert of_scene[1:-1] == ["plan", *["block"] * 4, *["layer"] * 4]
    assert "\x1b" not in shown.out + shown.err


def test_the_last_line_is_what_json_writes_at_the_end(predict, scenes, capsys):
    predict(*scenes, "--events")
    last = lines_of(capsys.readouterr().out)[-1]
    assert last["event"] == "result"
    predict(*scenes, "--json", "--overwrite")
    told = json.loads(capsys.readouterr().out)["scenes"]
    assert [{**scene, "seconds": 0} for scene in last["scenes"]] == [{**scene, "seconds": 0} for scene in told]


def test_a_warning_is_an_event_of_its_scene(predict, scenes, capsys):
    predict(*scenes, "--events")
    shown = capsys.readouterr()
    warnings = [line for line in lines_of(shown.out) if line["event"] == "warning"]
    assert {line["scene"] for line in warnings} == {str(scenes[2])}
    assert all(f"geoseg: warning: {line['message']}" in shown.err for line in warnings)


def test_after_an_interrupt_the_last_line_says_so(predict, scenes, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("geoseg.cli.progress._Lines.__call__", stop)
    assert predict(*scenes, "--events") == 130
    lines = lines_of(capsys.readouterr().out)
    assert (lines[-1]["event"], lines[-1]["reason"]) == ("failed", "interrupted")
    assert len({line.get("scene") for line in lines}) == 1


def test_with_v_every_block_is_one_line_on_stderr(predict, scenes, capsys):
    assert predict(scenes[0], "-v") == 0
    shown = capsys.readouterr()
    blocks = [line for line in shown.err.splitlines() if line.startswith("geoseg: event=block ")]
    assert len(blocks) == 4
    for number, line in enumerate(blocks, start=1):
        words = dict(word.split("=", 1) for word in line.removeprefix("geoseg: ").split())
        assert words["block"] == str(number)
        assert words["scene"] == str(scenes[0])
        assert {"time", "rows", "cols", "tiles", "skipped", "mpx_per_s", "read", "network", "write"} <= set(words)
    assert "event=" not in shown.out


def test_without_it_there_is_none(predict, scenes, capsys):
    assert predict(scenes[0]) == 0
    assert "event=" not in capsys.readouterr().err


def test_one_v_is_less_than_two_and_the_next_command_forgets_them(monkeypatch, capsys):
    def tells():
        logging.getLogger("geoseg.x").debug("a\x1b[0m\ndetail")
        logging.getLogger("geoseg.x").info("news")
        Told()("started", scene="a b\x1b")

    monkeypatch.setattr("geoseg.cli.doctor.command", click.command(tells))
    shown = []
    for arguments in (["-vv"], ["-v"], []):
        run(["doctor", *arguments])
        shown.append(capsys.readouterr().err.splitlines())
    assert [len(lines) for lines in shown] == [3, 2, 1]
    assert shown[0][0] == "geoseg: debug: a\\x1b[0m detail"
    assert shown[0][1:2] == shown[1][:1] == shown[2] == ["geoseg: news"]
    assert shown[1][1].endswith('scene="a b\\u001b"')


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_it_once(name):
    for _ in range(2):
        command = app.get_command(click.Context(app), name)
    for each in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert sum("-v" in option.opts for option in with_verbosity(each).params) == 1
