"""Work on a few items at once, and results in the order of the items. Knows nothing of what the work is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_order(
    function: Callable[[_Item], _Result],
    items: Iterable[_Item],
    *,
    workers: int,
    ahead: int = 1,
    begin: Callable[[], None] | None = None,
) -> Iterator[_Result]:
    """Apply a function to items by several threads.

    Items are drawn in the caller's thread, a few more than there are threads ahead of the results, so memory does not
    grow with their number. An error of the function is raised where its result would stand; what has not begun then
    never does.

    Args:
        function: may run in several threads at once.
        items: drawn one by one.
        workers: threads; with 1 nothing is done ahead.
        ahead: items that wait for a thread, so that none is idle while a result is taken.
        begin: called in each thread before its first item, not with one worker.
    """
    if workers == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="geoseg", initializer=begin)
    waiting: deque[Future[_Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= workers + ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def read_ahead(items: Iterable[_Item]) -> Iterator[_Item]:
    """The same items, the next one made in a thread while the consumer works on this one."""
    source = iter(items)
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="geoseg-ahead") as pool:
        coming = pool.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, source, end)
            yield item  # type: ignore[misc] # the sentinel is excluded above
