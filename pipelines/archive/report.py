"""What became of every scene of an archive: lines while it runs, a table at the end."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from geoseg.errors import one_line
from pipelines.archive.jobs import ArchiveJob
from pipelines.written import write_json, write_text

REPORT = "report.json"
"""All that is known of every scene."""

TABLE = "report.csv"
"""A row for every scene."""

PAGE = "report.md"
"""The same table to be read."""

COLUMNS = ("scene", "status", "model", "Mpx", "seconds", "reason")

MAPPED, SKIPPED, FAILED = "mapped", "skipped", "failed"
"""What becomes of a scene."""

Entry = Mapping[str, Any]
"""What the report says of a scene."""

_WRITE_SECONDS = 5.0
_LINE_SECONDS = 1.0
_LONGEST_REASON = 500


class ArchiveReport:
    """The report of a run, in the order of its jobs; on disk it is never more than some seconds behind."""

    def __init__(self, jobs: Sequence[ArchiveJob], output: Path) -> None:
        """Begin it.

        Raises:
            OutputError: if it cannot be written.
        """
        self._places = {job.folder: place for place, job in enumerate(jobs)}
        self._output = output
        self._entries: dict[int, Entry] = {}
        self._began = time.monotonic()
        self._written = self._shown = -_WRITE_SECONDS
        self._pixels = 0
        self.write()

    @property
    def entries(self) -> list[Entry]:
        """Those of the scenes that are through."""
        return [self._entries[place] for place in sorted(self._entries)]

    def has(self, job: ArchiveJob) -> bool:
        """Whether a scene is through."""
        return self._places[job.folder] in self._entries

    def add(self, job: ArchiveJob, entry: Entry) -> None:
        """Take what became of a scene; every failure is a line, other lines come once a second.

        Raises:
            OutputError: if the report cannot be written.
        """
        self._entries[self._places[job.folder]] = entry
        if entry["status"] == MAPPED:
            self._pixels += _pixels(entry)
        now = time.monotonic()
        is_last = len(self._entries) == len(self._places)
        if entry["status"] == FAILED or is_last or now - self._shown >= _LINE_SECONDS:
            click.echo(self._line(entry, now), err=True)
            self._shown = now
        if now - self._written >= _WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write report.json, report.csv and report.md as they are now.

        Raises:
            OutputError: if one cannot be written.
        """
        entries = self.entries
        write_json(self._output / REPORT, {"scenes": entries, "remaining": len(self._places) - len(entries)})
        write_text(self._output / TABLE, as_csv(entries))
        write_text(self._output / PAGE, as_markdown(entries))
        self._written = time.monotonic()

    def _line(self, entry: Entry, now: float) -> str:
        text = f"{len(self._entries)}/{len(self._places)} {entry['status']}: {one_line(str(entry['scene']))}"
        if entry["status"] == FAILED:
            return f"{text}: {_reason(entry)}"
        speed = self._pixels / 1e6 / max(now - self._began, 1e-3)
        return f"{text} ({speed:.2f} Mpx/s)" if self._pixels else text


def counted(entries: Sequence[Entry]) -> dict[str, int]:
    """How many scenes were mapped, skipped and failed, without those that are none."""
    return dict(sorted(Counter(str(entry["status"]) for entry in entries).items()))


def rows_of(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """The rows of the table, see `COLUMNS`."""
    return [
        (
            one_line(str(entry["scene"])),
            str(entry["status"]),
            str(entry.get("model", "")),
            f"{_pixels(entry) / 1e6:.3f}" if "height" in entry else "",
            f"{entry['seconds']:.2f}" if "seconds" in entry else "",
            _reason(entry),
        )
        for entry in entries
    ]


def as_csv(entries: Sequence[Entry]) -> str:
    """The table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([COLUMNS, *rows_of(entries)])
    return text.getvalue()


def as_markdown(entries: Sequence[Entry]) -> str:
    """The table as Markdown, what failed first."""
    ordered = sorted(entries, key=lambda entry: entry["status"] != FAILED)
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows_of(ordered)]
    told = ", ".join(f"{count} {status}" for status, count in counted(entries).items()) or "nothing yet"
    table = "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)
    return f"{told}\n\n{table}\n"


def _reason(entry: Entry) -> str:
    """Why a scene failed, or what of it is not in its map."""
    if entry.get("error"):
        reason = str(entry["error"]).removeprefix(one_line(str(entry["scene"]))).removeprefix(": ")
        return one_line(reason, longest=_LONGEST_REASON)
    if entry.get("unreadable"):
        return f"{entry['unreadable']} px cannot be read and are nodata"
    is_empty = bool(entry.get("classes")) and not any(each["pixels"] for each in entry["classes"])
    return "no pixel can be used: the map is empty" if is_empty else ""


def _pixels(entry: Entry) -> int:
    return int(entry.get("height", 0)) * int(entry.get("width", 0))


def _escaped(cell: str) -> str:
    for char in "\\|<>`[]*_":
        cell = cell.replace(char, f"\\{char}") if cell != "---" else cell
    return cell
