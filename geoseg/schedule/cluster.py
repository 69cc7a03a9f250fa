"""Blocks computed on a cluster: local processes, or whatever a Dask scheduler has."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from geoseg.errors import ConfigError

if TYPE_CHECKING:
    from distributed import Client

Block = TypeVar("Block")
Result = TypeVar("Result")

_AHEAD = 2
_CONNECT_SECONDS = "10s"


def run_on_cluster(
    compute: Callable[[Block], Result], consume: Callable[[Result], None], blocks: Sequence[Block], client: Client
) -> None:
    """As `run_blocks`, on the workers that a client knows; a few blocks more than there are threads are in flight.

    Raises:
        ConfigError: if a worker died, or the cluster was lost.
    """
    from distributed import CancelledError, KilledWorker  # noqa: PLC0415 - slow to import, and only clusters need it
    from distributed.comm.core import CommClosedError  # noqa: PLC0415 - as above

    waiting, coming = deque(blocks), deque[Any]()
    try:
        while waiting or coming:
            in_flight = sum(client.nthreads().values()) + _AHEAD  # workers may come and go
            while waiting and len(coming) < in_flight:
                coming.append(client.submit(compute, waiting.popleft(), pure=False))
            consume(coming.popleft().result())
    except KilledWorker as error:
        raise ConfigError(
            f"a worker died, probably out of memory: use fewer --workers or --block-rows ({error})"
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise ConfigError(f"the Dask cluster was lost in the middle of the work ({error}): start again") from error
    finally:
        client.cancel(list(coming))


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
    with cluster, Client(cluster) as client:
        yield client
