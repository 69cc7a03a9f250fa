"""How far a command is, on stderr: a bar on a terminal, a line per tenth elsewhere. Knows no command."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from geoseg.config.predict import Progress
from geoseg.errors import one_line

_TENTHS = 10


@contextmanager
def progress_shown(label: str) -> Iterator[Progress]:
    """Give a callback `(stage, done, total)` that shows the progress of what `label` names."""
    label = one_line(label)
    if not sys.stderr.isatty():
        yield _Lines(label)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Terminal(label, bars)


class _Lines:
    """One line for each tenth that is done."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._shown: dict[str, int] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        tenths = _TENTHS * done // total if total else _TENTHS
        if tenths > self._shown.get(stage, 0):
            self._shown[stage] = tenths
            click.echo(f"{self._label}: {stage} {100 * tenths // _TENTHS} %", err=True)


class _Terminal:
    """One bar for each stage."""

    def __init__(self, label: str, bars: Bars) -> None:
        self._label = label
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(escape(f"{self._label}: {stage}"), total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total)
