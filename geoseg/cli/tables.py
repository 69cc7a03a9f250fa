"""Tables on stdout: drawn on a terminal, plain columns elsewhere. Knows no command."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from geoseg.errors import one_line

_NUMBER = re.compile(r"-|-?\d.*")


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table; columns of numbers stand flush right. What a terminal would act on in a cell is written out."""
    rows = [[one_line(cell) for cell in row] for row in rows]
    right = [all(_NUMBER.fullmatch(row[column]) for row in rows) and column > 0 for column in range(len(header))]
    if sys.stdout.isatty():
        Console().print(_drawn(header, rows, right))
    else:
        for line in _plain(header, rows, right):
            click.echo(line)


def _drawn(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> Table:
    table = Table(box=None, header_style="bold")
    for title, is_right in zip(header, right, strict=True):
        table.add_column(title, justify="right" if is_right else "left", no_wrap=is_right)
    for row in rows:
        table.add_row(*map(Text, row))  # not markup: a name may hold brackets
    return table


def _plain(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool]) -> list[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in (header, *rows)
    ]
