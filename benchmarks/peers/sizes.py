"""The table of memory: what an arm holds beyond its imports, and how that grows with the scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from benchmarks.peers.figures import announce, keep, markdown
from benchmarks.peers.job import PEERS, Arm, Job
from benchmarks.peers.memory import MB
from benchmarks.peers.scenes import repeated
from benchmarks.peers.workers import Found, Worker, jobs_of, told

OWN = Arm(by="geoseg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Which scenes are mapped."""

    small: tuple[int, ...]
    """Sides that every arm maps, px."""

    large: tuple[int, ...]
    """Sides that geoseg alone maps, px."""

    limited: int
    """Side of the scene that every arm tries to map under the limit, px."""

    limit_gb: float
    """All the memory that an arm may hold there, its imports too, GB."""


def memory_table(template: Job, scenes: Path, sizes: Sizes, only: tuple[str, ...]) -> None:
    """Measure, print, keep."""
    announce("Memory beyond imports, MB: one convolution, two threads")
    jobs = jobs_of([OWN, *(Arm(by=name) for name in PEERS)], template, only=only)
    answers: dict[str, list[Found]] = {label: [] for label in jobs}
    for side in sizes.small:
        for label, job in jobs.items():
            answers[label].append(mapped(job, scenes, side))
    for side in sizes.large if OWN.label in jobs else ():
        answers[OWN.label].append(mapped(jobs[OWN.label], scenes, side))
    limited = {
        label: mapped(replace(job, limit_gb=sizes.limit_gb), scenes, sizes.limited) for label, job in jobs.items()
    }
    sides = (*sizes.small, *sizes.large)
    headers = ["arm", "imports", *(f"{side} px" for side in sides), "B/px small", "B/px large"]
    headers.append(f"{sizes.limited} px in {sizes.limit_gb:g} GB")
    click.echo(markdown(headers, [row(label, answers[label], limited[label], sizes) for label in jobs]))
    both = {label: [*answers[label], limited[label]] for label in jobs}
    click.echo(f"\n{keep('memory', jobs, both, limit_gb=sizes.limit_gb)}")


def mapped(job: Job, scenes: Path, side: int) -> Found:
    """One run in a process of its own."""
    scene = repeated(scenes / f"scene_{side}.tif", side)
    with Worker(job) as worker:
        found = worker.ready() | worker.map(scene) | {"side": side}
    click.echo(f"  {side} px {job.arm.label}: {told(found)}", err=True)
    return found


def row(label: str, found: Sequence[Found], limited: Found, sizes: Sizes) -> list[object]:
    """What one arm held."""
    beyond = {one["side"]: beyond_imports(one) for one in found}
    imports = next((f"{one['imports_mb']:.0f}" for one in found if "imports_mb" in one), None)
    cells = [_cell(found, side) for side in (*sizes.small, *sizes.large)]
    held = limited.get("failed") or f"{limited['peak_mb']:.0f} MB in all, {limited['seconds']:.0f} s"
    return [label, imports, *cells, slope(beyond, sizes.small), slope(beyond, sizes.large), held]


def beyond_imports(found: Found) -> float | None:
    """Most memory held while mapping, without what the imports hold, MB; None for a run that failed."""
    return None if "failed" in found else float(found["peak_mb"]) - float(found["imports_mb"])


def slope(beyond: dict[int, float | None], sides: Sequence[int]) -> str | None:
    """Bytes for each further pixel between the first and the last side."""
    if len(sides) < 2 or None in {beyond.get(sides[0]), beyond.get(sides[-1])}:
        return None
    grown = (beyond[sides[-1]] or 0) - (beyond[sides[0]] or 0)
    return f"{grown * MB / (sides[-1] ** 2 - sides[0] ** 2):.2f}"


def _cell(found: Sequence[Found], side: int) -> str | None:
    one = next((one for one in found if one["side"] == side), None)
    if one is None:
        return None
    held = beyond_imports(one)
    return str(one["failed"]) if held is None else f"{held:.0f}"
