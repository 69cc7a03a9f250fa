"""What the scheduling of blocks costs, and whether the scheduler grows with their number.

    python -m benchmarks.schedule_overhead [--blocks 1000] [--seconds 0.5] [--workers 4] [--kilobytes 500]

A block sleeps in place of computing and gives back some bytes, so that the cores are free and all that is over is
overhead. The scheduler lives in this process; its memory is asked for after a tenth of the blocks and at the end.
"""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path

import click

from geoseg.schedule.cluster import connected, run_on_cluster

PAGE = os.sysconf("SC_PAGE_SIZE")


def slept(block: int, *, seconds: float, size: int) -> tuple[int, bytes]:
    """A block that takes some time and gives some bytes."""
    time.sleep(seconds)
    return block, os.urandom(size)


def resident() -> float:
    """Memory of this process, MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


@click.command()
@click.option("--blocks", default=1000, help="How many.")
@click.option("--seconds", default=0.5, help="Each takes.")
@click.option("--workers", default=4, help="Processes.")
@click.option("--kilobytes", default=500, help="Each gives.")
def main(blocks: int, seconds: float, workers: int, kilobytes: int) -> None:
    """Print one line."""
    memory: list[float] = []

    def consume(result: tuple[int, bytes]) -> None:
        if len(memory) < blocks:
            memory.append(resident())
        del result

    compute = functools.partial(slept, seconds=seconds, size=kilobytes * 1000)
    with connected(workers, None) as client:
        client.wait_for_workers(workers)
        run_on_cluster(compute, consume, list(range(-2 * workers, 0)), client)
        memory.clear()
        started = time.monotonic()
        run_on_cluster(compute, consume, list(range(blocks)), client)
        took = time.monotonic() - started
    ideal = blocks * seconds / workers
    early, late = max(memory[: blocks // 10]), max(memory[-blocks // 10 :])
    columns = ("blocks", "workers", "s each", "s", "ideal", "overhead", "MB after a tenth", "at the end")
    click.echo(f"| {' | '.join(columns)} |\n{'|--' * len(columns)}|")
    figures = (blocks, workers, f"{seconds:g}", f"{took:.1f}", f"{ideal:.1f}", f"{took / ideal - 1:.1%}")
    click.echo(f"| {' | '.join(map(str, figures))} | {early:.0f} | {late:.0f} |")


if __name__ == "__main__":
    main()
