"""Blocks computed on a cluster: local processes, or whatever a Dask scheduler has."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

from geoseg.errors import ConfigError
from geoseg.schedule.clusters import ACCELERATOR
from geoseg.schedule.versions import Admission

if TYPE_CHECKING:
    from distributed import Client, Future, as_completed

log = logging.getLogger(__name__)

Block = TypeVar("Block")
Result = TypeVar("Result")

_AHEAD = 2
_LOST = (
    "the Dask cluster was lost in the middle of the work: the same command, on this cluster or another, goes on from "
    "where it stopped"
)
_LOOK_SECONDS = 10.0
_PATIENCE_SECONDS = 120.0
_CONNECT_SECONDS = "10s"
_RESOURCES = (ACCELERATOR, "GPU")


def run_on_cluster(
    compute: Callable[[Block], Result], consume: Callable[[Result], None], blocks: Sequence[Block], client: Client
) -> None:
    """As `run_blocks`, on the workers that a client knows; a few blocks more than there are threads are in flight.

    Blocks of a worker that is lost are computed by others. Results are consumed as they come. Before the first block
    every worker is asked for its version of geoseg, and those that come later before a result of theirs is consumed.

    Raises:
        ConfigError: if a worker has another geoseg, a block ended several workers, or the cluster was lost.
    """
    from distributed import (  # noqa: PLC0415 - slow to import, and only here
        CancelledError,
        KilledWorker,
        LocalCluster,
        as_completed,
    )
    from distributed.comm.core import CommClosedError  # noqa: PLC0415 - as above

    admission = Admission(client, asks=not isinstance(client.cluster, LocalCluster))  # which is of this installation
    waiting, coming = deque(blocks), as_completed(loop=client.loop)
    resources = _one_at_a_time(client)

    def submit(threads: int) -> None:
        for block in _taken(waiting, threads + _AHEAD - coming.count()):
            coming.add(client.submit(compute, block, pure=False, resources=resources))

    try:
        threads = _threads(admission)
        log.info("computing on %d threads of %s", threads, client.dashboard_link)
        submit(threads)
        while coming.count():
            _wait_for_one(coming, admission)
            future = next(coming)
            threads = _threads(admission)
            consume(_result(future))
            submit(threads)
    except KilledWorker as error:
        raise ConfigError(
            f"a block ended {error.allowed_failures + 1} workers one after the other, probably for want of memory: use "
            "fewer --workers, a smaller --tile or --block-rows; the same command goes on from where it stopped"
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise ConfigError(_LOST) from error
    finally:
        with suppress(CommClosedError, OSError):
            client.cancel(list(coming.futures))


def _wait_for_one(coming: as_completed, admission: Admission) -> None:
    """Until a result is there.

    Raises:
        ConfigError: if there was no worker for two minutes: lost ones are not always started again.
    """
    left_alone = None
    while not coming.has_ready():
        with coming.thread_condition:
            coming.thread_condition.wait_for(coming.has_ready, timeout=_LOOK_SECONDS)
        if coming.has_ready() or _threads(admission) > 0:
            left_alone = None
        elif left_alone is None:
            left_alone = time.monotonic()
            log.warning("no worker is left: waiting %.0f s for one", _PATIENCE_SECONDS)
        elif time.monotonic() - left_alone > _PATIENCE_SECONDS:
            raise ConfigError(_LOST)


def _threads(admission: Admission) -> int:
    try:
        return admission.threads()
    except OSError as error:  # Dask's, or that of a connection that could not be made again
        raise ConfigError(_LOST) from error


def _result(future: Future[Any]) -> Any:  # noqa: ANN401 - whatever a task gives
    """What a task gave; nothing else holds it afterwards."""
    try:
        return future.result()
    finally:
        future.release()


def _taken(waiting: deque[Block], count: int) -> list[Block]:
    return [waiting.popleft() for _ in range(min(count, len(waiting)))]


def _one_at_a_time(client: Client) -> dict[str, float] | None:
    """What a task asks for, so that it is alone on the accelerator of its worker; None where workers tell of none."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    offered = {name for worker in workers for name in worker.get("resources", {})}
    return next(({name: 1.0} for name in _RESOURCES if name in offered), None)


@contextmanager
def connected(workers: int, scheduler: str | None) -> Iterator[Client]:
    """A client of a running cluster, or of one of local processes that ends with it.

    Raises:
        ConfigError: if no scheduler answers at the address, or it has no workers.
    """
    from distributed import Client, LocalCluster  # noqa: PLC0415 - as above

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=_CONNECT_SECONDS)
        except (OSError, ValueError) as error:
            raise ConfigError(f"no Dask scheduler answers at {scheduler!r}: check --scheduler ({error})") from error
        with client:
            if not client.nthreads():
                raise ConfigError(
                    f"the Dask cluster at {scheduler!r} has no workers: start some (dask worker {scheduler})"
                )
            yield client
        return
    cluster = LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # else two runs would want one port
        memory_limit=0,
        silence_logs=logging.ERROR,
    )
    from geoseg.schedule.interrupts import leave_interrupts_to  # noqa: PLC0415 - imports Dask

    with cluster, Client(cluster) as client:
        leave_interrupts_to(client)
        yield client
