from __future__ import annotations

import io

from geoseg.cli.tables import show_table

HEADER = ("class", "IoU")
ROWS = [("low vegetation", "0.91"), ("road", "-")]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_elsewhere_than_on_a_terminal_columns_are_flush(capsys):
    show_table(HEADER, ROWS)
    assert capsys.readouterr().out == "class            IoU\nlow vegetation  0.91\nroad               -\n"


def test_a_terminal_shows_every_cell(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    show_table(HEADER, ROWS)
    assert all(cell in terminal.getvalue() for row in (HEADER, *ROWS) for cell in row)


def test_a_table_may_be_empty(capsys):
    show_table(HEADER, [])
    assert capsys.readouterr().out == "class  IoU\n"


def test_columns_of_text_stand_flush_left(capsys):
    show_table(("model", "GSD", "title"), [("a", "0.6 m", "Fields"), ("b", "10 m", "Towns and fields")])
    lines = ["model    GSD  title", "a      0.6 m  Fields", "b       10 m  Towns and fields"]
    assert capsys.readouterr().out.splitlines() == lines
