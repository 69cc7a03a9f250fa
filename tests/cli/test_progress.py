from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from geoseg.cli.progress import progress_shown


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_elsewhere_than_on_a_terminal_every_tenth_is_one_line(capsys):
    with progress_shown("scene.tif") as progress:
        for done in range(101):
            progress("predict", done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [f"scene.tif: predict {percent} %" for percent in range(10, 101, 10)]


def test_stages_are_told_apart(capsys):
    with progress_shown("scene.tif") as progress:
        progress("predict", 1, 1)
        progress("polygons", 1, 1)
    assert capsys.readouterr().err == "scene.tif: predict 100 %\nscene.tif: polygons 100 %\n"


@given(steps=st.lists(st.integers(0, 1000), max_size=40), total=st.integers(0, 1000))
def test_there_are_never_more_than_ten_lines_for_a_stage(steps, total):
    lines = []
    with progress_shown("scene") as progress:
        for done in sorted(min(step, total) for step in steps):
            before = dict(progress._shown)
            progress("predict", done, total)
            lines += [progress._shown] if progress._shown != before else []
    assert len(lines) <= 10


def test_a_terminal_gets_a_bar_and_stdout_stays_empty(monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with progress_shown("scene.tif") as progress:
        progress("predict", 1, 2)
        progress("predict", 2, 2)
    assert "scene.tif: predict" in terminal.getvalue()
    assert capsys.readouterr().out == ""
