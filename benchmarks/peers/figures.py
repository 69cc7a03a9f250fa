"""From the answers of arms to tables: medians, ratios, markdown, and a line of JSON for each run."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from benchmarks.peers.job import Job
from benchmarks.peers.workers import Found

_LIBRARIES = (
    *("torch", "openvino", "rasterio", "numpy", "segmentation-models-pytorch"),
    *("monai", "pytorch-toolbelt", "rastervision-core", "torchgeo"),
)
NOTHING = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What one arm needed, over its runs."""

    seconds: float
    """Median."""

    spread: float
    """Slowest minus fastest, divided by the median."""

    runs: int
    """How many."""

    @classmethod
    def of(cls, answers: Sequence[Found]) -> Timing | None:
        """Of the runs that came to an end; None where one failed or there are none."""
        if not answers or any("failed" in found for found in answers):
            return None
        seconds = [float(found["seconds"]) for found in answers]
        median = statistics.median(seconds)
        return cls(seconds=median, spread=(max(seconds) - min(seconds)) / median, runs=len(seconds))


def timings(answers: Mapping[str, Sequence[Found]]) -> dict[str, Timing | None]:
    """By label of the arm."""
    return {label: Timing.of(found) for label, found in answers.items()}


def fastest(timed: Mapping[str, Timing | None], labels: Sequence[str]) -> float | None:
    """The least median among these labels, seconds; None where none of them came to an end."""
    seconds = [timing.seconds for label in labels if (timing := timed.get(label)) is not None]
    return min(seconds, default=None)


def failure(answers: Sequence[Found]) -> str:
    """Why an arm has no figures."""
    return next((str(found["failed"]) for found in answers if "failed" in found), NOTHING)


def markdown(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; None becomes a dash."""
    lines = [f"| {' | '.join(headers)} |", f"|{'--|' * len(headers)}"]
    lines += [f"| {' | '.join(NOTHING if cell is None else str(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def ratio(part: float | None, whole: float | None, digits: int = 2) -> str | None:
    """A quotient as text; None where a part of it is missing."""
    return None if part is None or not whole else f"{part / whole:.{digits}f}"


def keep(table: str, jobs: Mapping[str, Job], answers: Mapping[str, Sequence[Found]], **facts: object) -> Path:
    """Append the raw runs to runs/peers/TABLE.jsonl, a line for each run."""
    path = Path("runs/peers") / f"{table}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "load": os.getloadavg()[0], **facts}
    with path.open("a") as lines:
        for label, found in answers.items():
            told = json.loads(jobs[label].to_json())
            for turn, one in enumerate(found):
                lines.write(
                    json.dumps({"table": table, "arm": label, "turn": turn, **about, "job": told, **one}) + "\n"
                )
    return path


def machine() -> str:
    """The processor, its cores and the versions of what was compared, in one line."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    found = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    load = os.getloadavg()[0]
    return f"{model}, {len(os.sched_getaffinity(0))} cores, load before {load:.1f}; {', '.join(found)}"


def announce(title: str) -> None:
    """The title of a table and the machine."""
    click.echo(f"\n{title}\n{machine()}\n")
