"""Tables on stdout: drawn on a terminal, plain columns elsewhere. Knows no command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table


def show_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table; the first column is text, the others stand flush right."""
    if sys.stdout.isatty():
        Console().print(_drawn(header, rows))
    else:
        for line in _plain(header, rows):
            click.echo(line)


def _drawn(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(box=None, header_style="bold")
    for position, title in enumerate(header):
        table.add_column(title, justify="right" if position else "left", no_wrap=bool(position))
    for row in rows:
        table.add_row(*row)
    return table


def _plain(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
