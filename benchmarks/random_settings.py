"""Maps with random sizes of blocks, processes, threads, schedulers and interruptions: all have the same bytes.

    nice python -m benchmarks.random_settings [--maps 200] [--seed 0]

Each map is made with settings of its own. Half are stopped once or twice on the way, by an interrupt or by SIGKILL, and
begun again, with other numbers of threads and processes. Compared are both rasters byte for byte and all rows of the
GeoPackage.
"""

# ruff: noqa: S311 - settings are no secrets
from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from benchmarks.kill_runs import ended
from benchmarks.stopped import FAILED, Work, begun, contents, prepared

SHARES = {"threads": 0.6, "local processes": 0.15, "external scheduler": 0.25}
LONGEST = 3600.0


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[str]:
    """Address of a Dask scheduler with some workers, all in processes of their own."""
    facts = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    commands = [[*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(facts)]]
    worker = ["--scheduler-file", str(facts), "--nthreads", "1", "--no-dashboard"]
    commands += [[*dask, "worker", *worker, "--local-directory", str(folder)]] * workers
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [subprocess.Popen(command, **quiet) for command in commands]
    try:
        while not facts.exists():
            time.sleep(0.1)
        yield json.loads(facts.read_text())["address"]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def drawn(address: str, height: int) -> tuple[str, dict[str, object]]:
    """How to compute, and the settings for it."""
    kind = random.choices(list(SHARES), list(SHARES.values()))[0]
    options: dict[str, object] = {"threads": random.randint(1, 3)}
    if random.random() < 0.8:
        options["block_rows"] = random.randint(1 if kind == "threads" else height // 12, height)
    if kind == "local processes":
        options["workers"] = random.randint(2, 3)
    elif kind == "external scheduler":
        options["scheduler"] = address
    return kind, options


def made(work: Work, output: Path, address: str, height: int, seconds: float) -> str:
    """Make one map; tells how it was interrupted."""
    kind, options = drawn(address, height)
    stops = random.choice([0, 0, 1, 2])
    for _ in range(stops):
        if random.random() < 0.5:
            code = ended(begun(work, output, options, stop_at=random.randint(1, height - 1)), LONGEST)
        else:
            code = ended(begun(work, output, options), random.uniform(0, seconds))
        if code == 0:
            return f"{kind}, {stops} stops"
        if code not in {None, FAILED}:
            raise click.ClickException(Path(f"{output}.error").read_text())
        options |= {"threads": random.randint(1, 3)} | (
            {"workers": random.randint(2, 3)} if "workers" in options else {}
        )
    code = ended(begun(work, output, options), LONGEST)
    if code != 0:
        raise click.ClickException(f"{options}: " + Path(f"{output}.error").read_text())
    return f"{kind}, {stops} stops"


@click.command()
@click.option("--maps", default=200, help="How many maps.")
@click.option("--seed", default=0, help="Of the random settings.")
@click.option("--height", default=240, help="Rows of the scene, px.")
@click.option("--width", default=200, help="Columns of the scene, px.")
def main(maps: int, seed: int, height: int, width: int) -> None:
    """Print a table."""
    random.seed(seed)
    count, differing = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as name, cluster(Path(name), 2) as address:
        work = prepared(Path(name), height=height, width=width)
        started = time.monotonic()
        if ended(begun(work, work.folder / "whole", {}), LONGEST) != 0:
            raise click.ClickException((work.folder / "whole.error").read_text())
        seconds = time.monotonic() - started
        reference = contents(work.folder / "whole")
        for number in range(maps):
            output = work.folder / f"map{number}"
            way = made(work, output, address, height, seconds)
            count[way] += 1
            differing[way] += contents(output) != reference
            shutil.rmtree(output)
            click.echo(f"{number + 1}: {way}, {differing.total()} differ", err=True)
    click.echo("| computed by | maps | not the same bytes |\n|--|--|--|")
    for way in sorted(count):
        click.echo(f"| {way} | {count[way]} | {differing[way]} |")
    click.echo(f"| all | {count.total()} | {differing.total()} |")


if __name__ == "__main__":
    main()
