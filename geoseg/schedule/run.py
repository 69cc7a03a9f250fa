"""Where blocks are computed: in threads of this process, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from geoseg.schedule.cluster import connected, run_on_cluster
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
) -> None:
    """Compute every block somewhere and consume the results here, one at a time, in the order of the blocks.

    Args:
        compute: a pure function of a block; picklable where processes compute.
        consume: called in this process, never twice at a time.
        blocks: the work, in order.
        workers: 1 computes in threads of this process, more in that many local processes.
        scheduler: address of a running Dask cluster to compute on instead.

    Raises:
        ConfigError: if the cluster cannot be reached, or one of its workers died.
        GeosegError: whatever `compute` and `consume` raise; blocks not yet begun are then dropped.
    """
    if scheduler is None and workers == 1:
        run_in_threads(compute, consume, blocks)
        return
    with connected(workers, scheduler) as client:
        run_on_cluster(compute, consume, blocks, client)
