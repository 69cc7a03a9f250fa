"""Runs killed (SIGKILL) at random moments until each map is made: the same bytes, and little computed twice.

    nice python -m benchmarks.kill_runs [--kills 100] [--kills-of-workers 20] [--seed 0]

A map is begun, killed after a random time, and begun again until it is whole. "Computed twice" counts the blocks that a
killed run had computed to the end although the next one did not find them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks.stopped import Work, begun, computed, contents, kept, prepared

ROWS = 16
MOMENTS = 0.002
COLUMNS = (
    *("computing", "kills", "of them with blocks to go on from", "maps", "not the same bytes", "errors"),
    *("blocks computed twice", "at most after a kill"),
)


@dataclass(slots=True)
class Outcome:
    """What became of some maps."""

    maps: int = 0
    kills: int = 0
    with_blocks: int = 0
    differing: int = 0
    failed: int = 0
    most_twice: int = 0
    twice: int = 0


def ended(process: int, seconds: float) -> int | None:
    """Exit code of a process within some time, else kill it; None where it was killed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(MOMENTS)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    return None if code == -signal.SIGKILL else code


def killed_until_made(work: Work, output: Path, options: dict[str, object], seconds: float, outcome: Outcome) -> None:
    """Make one map."""
    while True:
        before = len(computed(output))
        code = ended(begun(work, output, options), random.uniform(0, seconds))  # noqa: S311 - no secret
        if code is not None:
            outcome.failed += code != 0
            return
        outcome.kills += 1
        there = kept(output)
        lost = set(computed(output)[before:]) - there
        outcome.with_blocks += bool(there)
        outcome.twice += len(lost)
        outcome.most_twice = max(outcome.most_twice, len(lost))


def measured(work: Work, options: dict[str, object], kills: int, reference: dict[str, str]) -> Outcome:
    """Kill so many runs."""
    output = work.folder / "killed"
    shutil.rmtree(output, ignore_errors=True)
    started = time.monotonic()
    if ended(begun(work, output, options), 600) != 0:
        raise click.ClickException(Path(f"{output}.error").read_text())
    seconds = time.monotonic() - started
    outcome = Outcome()
    while outcome.kills < kills:
        shutil.rmtree(output, ignore_errors=True)
        Path(f"{output}.log").unlink(missing_ok=True)
        killed_until_made(work, output, options, seconds, outcome)
        outcome.maps += 1
        outcome.differing += contents(output) != reference
    return outcome


@click.command()
@click.option("--kills", default=100, help="Runs to kill that compute by themselves.")
@click.option("--kills-of-workers", default=20, help="Runs to kill that compute in two processes.")
@click.option("--seed", default=0, help="Of the random moments.")
@click.option("--height", default=320, help="Rows of the scene, px.")
@click.option("--width", default=240, help="Columns of the scene, px.")
def main(kills: int, kills_of_workers: int, seed: int, height: int, width: int) -> None:
    """Print a table."""
    random.seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        work = prepared(Path(folder), height=height, width=width)
        whole = work.folder / "whole"
        if ended(begun(work, whole, {}), 600) != 0:
            raise click.ClickException(Path(f"{whole}.error").read_text())
        reference = contents(whole)
        click.echo(f"| {' | '.join(COLUMNS)} |\n{'|--' * len(COLUMNS)}|")
        for name, workers, count in (("here", 1, kills), ("2 workers", 2, kills_of_workers)):
            found = measured(work, {"block_rows": ROWS, "workers": workers}, count, reference) if count else Outcome()
            counts = (found.kills, found.with_blocks, found.maps, found.differing, found.failed, found.twice)
            click.echo(f"| {name} | {' | '.join(map(str, counts))} | {found.most_twice} |")


if __name__ == "__main__":
    main()
