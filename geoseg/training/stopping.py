"""Ctrl-C and SIGTERM as a wish that is granted after the current step."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopWish:
    """Whether the user wants the training to end."""

    def __init__(self) -> None:
        self.asked = False
        """True once a signal came."""

    def hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        """Take a signal.

        Raises:
            KeyboardInterrupt: at a Ctrl-C after the first signal.
        """
        if self.asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def stop_wish() -> Iterator[StopWish]:
    """Hear signals within; outside the main thread of a process there are none to hear."""
    wish = StopWish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = {number: signal.signal(number, wish.hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
