"""Running blocks: the only module that knows Dask.

One graph of `compute(block)` tasks, and one consumer that takes their results in block order. Threads of this
process by default; a cluster of local processes or any running Dask cluster where asked. Few results are in
flight at a time, so memory does not follow the number of blocks.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from geoseg.errors import ConfigError, GeosegError

if TYPE_CHECKING:
    from distributed import Client

Block = TypeVar("Block")
Result = TypeVar("Result")

_THREADS = 2
_AHEAD = 2
_PARTS = 4
_LOOK_SECONDS = 0.1
_CONNECT_SECONDS = "10s"


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
        _run_threads(compute, consume, blocks)
        return
    with _client(workers, scheduler) as client:
        _run_cluster(compute, consume, blocks, client)


def stream_blocks(
    compute: Callable[[Block], Iterable[Result]], consume: Callable[[Result], None], blocks: Sequence[Block]
) -> None:
    """Compute blocks in parts, one after the other, and consume the parts as they come, in two threads.

    For this process alone: no block has to be in memory as a whole, and computing and consuming overlap.

    Args:
        compute: gives the parts of a block, in order.
        consume: takes every part, in the order of the blocks; never called twice at a time.
        blocks: the work, in order.

    Raises:
        GeosegError: whatever `compute` and `consume` raise; what has not begun is then dropped.
    """
    from dask.base import compute as compute_graph  # noqa: PLC0415 - half a second that only running blocks needs
    from dask.delayed import delayed  # noqa: PLC0415 - as above

    channel: _Channel[Result] = _Channel()

    def computed(block: Block, _previous: None) -> None:
        try:
            for part in compute(block):
                channel.put(part)
        finally:
            channel.put(None)

    def consumed(_block: Block, _previous: None) -> None:
        while (part := channel.get()) is not None:
            channel.unless_closed(consume, part)

    tails: list[Any] = [None, None]
    for block in blocks:
        tails = [delayed(each, pure=False)(block, tail) for each, tail in zip((computed, consumed), tails, strict=True)]
    try:
        compute_graph(*tails, scheduler="threads", num_workers=_THREADS, optimize_graph=False)
    finally:
        channel.close()


class _Channel(Generic[Result]):
    """A few parts on their way from one thread to another; closed when the run is over, however it ends."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Result | None] = queue.Queue(maxsize=_PARTS)
        self._closed = threading.Event()
        self._turn = threading.Lock()

    def put(self, part: Result | None) -> None:
        """Wait for room.

        Raises:
            _RunOverError: if the run is over, so that a part without a taker ends its maker too.
        """
        while not self._closed.is_set():
            with suppress(queue.Full):
                return self._queue.put(part, timeout=_LOOK_SECONDS)
        raise _RunOverError("the run is over")

    def get(self) -> Result | None:
        """Wait for a part; None after the last one of a block, and when the run is over."""
        while not self._closed.is_set():
            with suppress(queue.Empty):
                return self._queue.get(timeout=_LOOK_SECONDS)
        return None

    def unless_closed(self, consume: Callable[[Result], None], part: Result) -> None:
        """Consume a part, unless the run is over."""
        with self._turn:
            if not self._closed.is_set():
                consume(part)

    def close(self) -> None:
        """The run is over: waits until nothing is being consumed any more."""
        with self._turn:
            self._closed.set()


class _RunOverError(GeosegError):
    """Ends a thread whose results nobody waits for."""


def _run_threads(
    compute: Callable[[Block], Result], consume: Callable[[Result], None], blocks: Sequence[Block]
) -> None:
    """A chain of consumers beside the computations; a block waits until all but a few before it are consumed."""
    from dask.base import compute as compute_graph  # noqa: PLC0415 - half a second that only running blocks needs
    from dask.delayed import delayed  # noqa: PLC0415 - as above

    turn, over = threading.Lock(), threading.Event()

    def computed(block: Block, _earlier: None) -> Result:
        return compute(block)

    def consumed(result: Result, _previous: None) -> None:
        with turn:
            if not over.is_set():
                consume(result)

    links: list[Any] = [None] * (_THREADS + _AHEAD)
    for block in blocks:
        result = delayed(computed, pure=False)(block, links[-_THREADS - _AHEAD])
        links.append(delayed(consumed, pure=False)(result, links[-1]))
    try:
        compute_graph(links[-1], scheduler="threads", num_workers=_THREADS, optimize_graph=False)
    finally:
        with turn:  # after an error or an interrupt a thread may still be at it
            over.set()


def _run_cluster(
    compute: Callable[[Block], Result], consume: Callable[[Result], None], blocks: Sequence[Block], client: Client
) -> None:
    from distributed import CancelledError, KilledWorker  # noqa: PLC0415 - as above
    from distributed.comm.core import CommClosedError  # noqa: PLC0415 - as above

    waiting, coming = deque(blocks), deque[Any]()
    in_flight = sum(client.nthreads().values()) + _AHEAD
    try:
        while waiting or coming:
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
def _client(workers: int, scheduler: str | None) -> Iterator[Client]:
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
