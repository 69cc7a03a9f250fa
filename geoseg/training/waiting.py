"""How long the training loop waits for its next batch."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class WaitClock:
    """Shares the time of a loop between waiting and steps; what else the loop does is not counted."""

    def __init__(self) -> None:
        self._waited = 0.0
        self._stepped = 0.0
        self._came = 0.0
        self.steps = 0
        """Steps done."""

    def watch(self, batches: Iterable[T]) -> Iterator[T]:
        """The same batches, each the beginning of a step."""
        iterator = iter(batches)
        while True:
            asked = time.perf_counter()
            try:
                batch = next(iterator)
            except StopIteration:
                return
            self._came = time.perf_counter()
            self._waited += self._came - asked
            yield batch

    def stepped(self) -> None:
        """The step that the last batch began is done."""
        self._stepped += time.perf_counter() - self._came
        self.steps += 1

    @property
    def share(self) -> float:
        """Of the time spent waiting, 0 to 1; 0 before anything happened."""
        whole = self._waited + self._stepped
        return self._waited / whole if whole else 0.0
