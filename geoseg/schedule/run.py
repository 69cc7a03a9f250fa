"""Where blocks are computed: in threads of this process, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from geoseg.config.cluster import load_cluster
from geoseg.schedule.cluster import connected, run_on_cluster
from geoseg.schedule.clusters import open_cluster
from geoseg.schedule.threads import run_in_threads

Block = TypeVar("Block")
Result = TypeVar("Result")


def run_blocks(
    compute: Callable[[Block], Result],
    consume: Callable[[Result], None],
    blocks: Sequence[Block],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    cluster: Path | None = None,
) -> None:
    """Compute every block somewhere and consume the results here, one at a time.

    In threads they come in the order of the blocks, from a cluster as they are finished.

    Args:
        compute: a pure function of a block; picklable where processes compute.
        consume: called in this process, never twice at a time.
        blocks: the work, in order.
        workers: 1 computes in threads of this process, more in that many local processes.
        scheduler: address of a running Dask cluster to compute on instead.
        cluster: YAML file of a cluster to make, compute on, and end.

    Raises:
        ConfigError: if the cluster cannot be made or reached, or one of its workers died.
        GeosegError: whatever `compute` and `consume` raise; blocks not yet begun are then dropped.
    """
    if workers == 1 and scheduler is None and cluster is None:
        run_in_threads(compute, consume, blocks)
        return
    with connected(workers, scheduler) if cluster is None else open_cluster(load_cluster(cluster)) as client:
        run_on_cluster(compute, consume, blocks, client)
