"""What a user reads on stderr: errors and warnings, one line each. Knows no command."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

from geoseg.errors import GeosegError


def show_error(error: GeosegError, *, about: str = "") -> None:
    """Write an error as one line; `about` is named in front where the error itself does not name it."""
    text = " ".join(str(error).split())
    click.echo(f"geoseg: {text}" if about in text else f"geoseg: {about}: {text}", err=True)


class _WarningLines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"geoseg: warning: {' '.join(record.getMessage().split())}", err=True)


@contextmanager
def warnings_shown() -> Iterator[None]:
    """What geoseg logs at WARNING and above appears on stderr."""
    logger = logging.getLogger("geoseg")
    handler = _WarningLines(level=logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
