"""Blocks computed in threads of this process."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from geoseg.errors import GeosegError

Block = TypeVar("Block")
Result = TypeVar("Result")

_THREADS = 2
_AHEAD = 2
_PARTS = 4
_LOOK_SECONDS = 0.1


def run_in_threads(
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
