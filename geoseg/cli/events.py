"""What happens in a command as JSON lines on stdout, for programs that start geoseg. Knows no command."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

from geoseg.errors import one_line
from geoseg.events import VERBOSE, Event, stamped

_ENDS = ("finished", "failed")


class _JsonLines(logging.Handler):
    """One line for each event, and for each warning; a warning is of the scene that is being mapped."""

    def __init__(self) -> None:
        super().__init__(level=VERBOSE)
        self._scene: dict[str, object] = {}

    def emit(self, record: logging.LogRecord) -> None:
        event = record.msg
        if isinstance(event, Event):
            self._write(event)
            if event.kind in {"started", *_ENDS}:
                self._scene = {} if event.kind in _ENDS else {"scene": event.facts.get("scene")}
        elif record.levelno >= logging.WARNING:
            self._write(Event("warning", {**self._scene, "message": one_line(record.getMessage())}))

    @staticmethod
    def _write(event: Event) -> None:
        click.echo(json.dumps(stamped(event)))


@contextmanager
def events_written() -> Iterator[None]:
    """What geoseg tells is written to stdout as it happens, whatever is shown on stderr."""
    logger = logging.getLogger("geoseg")
    handler, level = _JsonLines(), logger.level
    logger.addHandler(handler)
    logger.setLevel(min(logger.getEffectiveLevel(), VERBOSE))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
