"""How much faster two single-thread workers are than one, on a scene that takes its time in the network.

    OMP_NUM_THREADS=1 python -m benchmarks.workers_speedup [--side 8192] [--repeats 1] [--model landcover-rgb]
        [--precision bf16]

OMP_NUM_THREADS=1 keeps each to one core. The workers run all the time, each with its model loaded by a map of a quarter
of the side that is not counted; both kinds take turns.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click
from dask.distributed import Client, LocalCluster

from benchmarks.peers.scenes import repeated
from geoseg.predict import predict_scene


def timed(scene: Path, folder: Path, cluster: LocalCluster, model: str, precision: str) -> float:
    """Seconds of one map, without polygons, blocks of 1024 rows."""
    started = time.monotonic()
    predict_scene(
        scene,
        folder,
        model=model,
        precision=precision,
        engine="torch",
        block_rows=1024,
        vector=False,
        overwrite=True,
        restart=True,
        scheduler=cluster.scheduler_address,
    )
    return time.monotonic() - started


@click.command()
@click.option("--side", default=8192, help="Of the scene, px.")
@click.option("--repeats", default=1, help="Turns.")
@click.option("--model", default="landcover-rgb", help="Packaged or a folder.")
@click.option("--precision", default="auto", help="bf16 or fp32.")
def main(side: int, repeats: int, model: str, precision: str) -> None:
    """Print one line."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        scenes = [repeated(folder / f"scene_{size}.tif", size) for size in (side // 4, side)]
        clusters = []
        for workers in (1, 2):
            cluster = stack.enter_context(LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None))
            stack.enter_context(Client(cluster)).wait_for_workers(workers)
            clusters.append(cluster)
        taken: list[list[float]] = [[], []]
        for turn in range(repeats + 1):
            for number, cluster in enumerate(clusters):
                seconds = timed(scenes[min(turn, 1)], folder / f"map{number}", cluster, model, precision)
                if turn:
                    taken[number].append(seconds)
                click.echo(f"{turn}/{repeats} {number + 1} workers: {seconds:.1f} s", err=True)
    one, two = map(statistics.median, taken)
    click.echo("| scene | one worker, s | two, s | times as fast |\n|--|--|--|--|")
    click.echo(f"| {side} x {side} | {one:.1f} | {two:.1f} | {one / two:.2f} |")


if __name__ == "__main__":
    main()
