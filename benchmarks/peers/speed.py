"""The tables of time: what an arm adds to the network, and which arm is the fastest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.peers.figures import announce, failure, fastest, keep, markdown, ratio, timings
from benchmarks.peers.job import PEERS, Arm, Job
from benchmarks.peers.maps import agreements, percent
from benchmarks.peers.workers import Found, Worker, in_turns, jobs_of

WHOLE = Arm(by="whole")
_HEADERS = (
    "arm", "s", "spread", "Mpx/s", "/ forward, own way", "/ forward, fastest", "fastest peer, same / arm",
    "fastest peer, float32 / arm", "as whole pass", "as geoseg float32",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What is timed: arms on one scene."""

    table: str
    """Name of the table."""

    title: str
    """Its first line."""

    arms: list[Arm]
    """Its rows."""

    template: Job
    """Everything but the arms."""

    scene: Path
    """What all map."""

    side: int
    """Of the scene, px."""

    repeats: int
    """Turns."""

    only: tuple[str, ...] = ()
    """Arms wanted; empty = all."""


def overhead_arms() -> list[Arm]:
    """One convolution: what is measured is everything else."""
    ways = [Arm(by="forward", way=way) for way in ("tiles", "batch")]
    ways.append(Arm(by="forward", way="tiles", engine="openvino"))
    own = [Arm(by="geoseg"), Arm(by="geoseg", precision="bf16"), Arm(by="geoseg", engine="openvino")]
    return [*ways, *own, *(Arm(by=name) for name in PEERS)]


def network_arms() -> list[Arm]:
    """Real networks: the same engine and arithmetic, and peers as they are used."""
    ways = [
        Arm(by="forward", way=way, engine=engine, precision="bf16")
        for engine in ("torch", "openvino")
        for way in ("tiles", "batch")
    ]
    own = [Arm(by="geoseg", engine=engine, precision="bf16") for engine in ("torch", "openvino")]
    half = [Arm(by=name, precision="bf16") for name in PEERS]
    compiled = [Arm(by=name, engine="openvino", precision="bf16") for name in ("monai", "toolbelt")]
    own += [Arm(by="geoseg", way="polygons", precision="bf16"), Arm(by="geoseg")]
    return [*ways, *own, *half, *compiled, *(Arm(by=name) for name in PEERS)]


def contest(asked: Contest) -> None:
    """Time the arms in turns, print the table, keep the runs."""
    announce(asked.title)
    jobs = jobs_of(asked.arms, asked.template, only=asked.only)
    answers: dict[str, list[Found]] = dict(in_turns(jobs, asked.scene, repeats=asked.repeats))
    whole = jobs_of([WHOLE], asked.template)
    with Worker(whole[WHOLE.label]) as worker:
        click.echo(f"  the whole scene in one pass, for its labels: {asked.side} px", err=True)
        answers[WHOLE.label] = [worker.ready() | worker.map(asked.scene)]
    click.echo(markdown(_HEADERS, rows(jobs, answers, asked)))
    click.echo(f"\n{keep(asked.table, jobs | whole, answers, side=asked.side)}")


def rows(jobs: Mapping[str, Job], answers: Mapping[str, Sequence[Found]], asked: Contest) -> list[list[object]]:
    """A row for each arm that was run."""
    timed = timings(answers)
    rim = asked.template.overlap
    as_whole = agreements(answers, WHOLE.label, rim=rim)
    as_float = agreements(answers, Arm(by="geoseg").label, rim=rim)
    made = []
    for label, job in jobs.items():
        timing = timed[label]
        if timing is None:
            made.append([label, failure(answers[label]), *([None] * (len(_HEADERS) - 2))])
            continue
        seconds = timing.seconds
        made.append([
            label,
            f"{seconds:.2f}",
            f"{timing.spread:.0%}",
            f"{asked.side**2 / 1e6 / seconds:.2f}",
            ratio(seconds, fastest(timed, _forward(jobs, job.arm, way="tiles"))),
            ratio(seconds, fastest(timed, _forward(jobs, job.arm, way=None))),
            ratio(fastest(timed, _peers(jobs, job.arm.engine, job.arm.precision)), seconds),
            ratio(fastest(timed, _peers(jobs, "torch", "fp32")), seconds),
            percent(as_whole.get(label)),
            percent(as_float.get(label)),
        ])  # fmt: skip
    return made


def _forward(jobs: Mapping[str, Job], arm: Arm, *, way: str | None) -> list[str]:
    """The physical limits of an arm's engine: geoseg's way to call it, or any."""
    return [
        label
        for label, job in jobs.items()
        if job.arm.by == "forward"
        and (job.arm.engine, job.arm.precision) == (arm.engine, arm.precision)
        and way in {None, job.arm.way}
    ]


def _peers(jobs: Mapping[str, Job], engine: str, precision: str) -> list[str]:
    return [
        label
        for label, job in jobs.items()
        if job.arm.is_peer and (job.arm.engine, job.arm.precision) == (engine, precision)
    ]
