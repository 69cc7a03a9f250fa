"""What a user reads on stderr, errors and warnings in one line each, and the exit code. Knows no command."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from geoseg.errors import ConfigError, GeosegError, one_line
from geoseg.events import Event, in_words

INTERRUPTED = 130
"""The exit code of a program that was stopped from the keyboard."""

TERMINATED = 143
"""The exit code of a program that was asked to end (SIGTERM)."""


def reported(command: click.Command, arguments: Sequence[str] | None = None, *, prog_name: str) -> int:
    """Run a command; what is wrong with its input becomes one line on stderr. The only place that does so.

    Args:
        command: what to run; it may return an exit code.
        arguments: without the program's name; those of this process where None.
        prog_name: as the user calls it.

    Returns:
        0 where all went well, 1 after an error of the user's data, 2 after wrong usage, 130 after Ctrl-C, 143 where the
        system asked the program to end.
    """
    with log_shown(), _asked_to_end():
        try:
            _refuse_undecodable(sys.argv[1:] if arguments is None else arguments)
            result = command.main(arguments, prog_name=prog_name, standalone_mode=False)
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except Terminated:
            click.echo("geoseg: asked to end", err=True)
            return TERMINATED
        except click.Abort:
            click.echo("geoseg: interrupted", err=True)
            return INTERRUPTED
        except GeosegError as error:
            show_error(error)
            return 1
    return result if isinstance(result, int) else 0


def show_error(error: GeosegError, *, about: str = "") -> None:
    """Write an error as one line; `about` is named in front where the error itself does not name it."""
    text, about = str(error), one_line(about)
    click.echo(f"geoseg: {text}" if about in text else f"geoseg: {about}: {text}", err=True)


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Names that are no UTF-8 cannot be written into the layers."""
    odd = next((each for each in arguments if not each.isascii() and not _is_text(each)), None)
    if odd is not None:
        raise ConfigError(f"{odd}: is no UTF-8: rename the file")


def _is_text(argument: str) -> bool:
    return all(not "\ud800" <= character <= "\udfff" for character in argument)


class Terminated(BaseException):
    """The system asked the program to end."""


@contextmanager
def _asked_to_end() -> Iterator[None]:
    """SIGTERM raises `Terminated`, so that what is half-made is cleared away and what is made stays to go on from."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Lines(logging.Handler):
    """`geoseg: ` and one line for each; an event as key=value, with the time in front."""

    def emit(self, record: logging.LogRecord) -> None:
        event = record.msg
        if isinstance(event, Event):
            if event.kind != "result":  # which stands on stdout
                click.echo(f"geoseg: {one_line(in_words(event))}", err=True)
            return
        kind = "warning: " if record.levelno >= logging.WARNING else ""
        kind = "debug: " if record.levelno <= logging.DEBUG else kind
        click.echo(f"geoseg: {kind}{one_line(record.getMessage())}", err=True)


def show_from(level: int) -> None:
    """Show also what is logged below INFO, from a level on, as long as `log_shown` shows anything."""
    logger = logging.getLogger("geoseg")
    for handler in logger.handlers:
        if isinstance(handler, _Lines):
            handler.setLevel(min(handler.level, level))
            logger.setLevel(min(logger.level, level))


@contextmanager
def log_shown() -> Iterator[None]:
    """What geoseg logs at INFO and above appears on stderr."""
    logger = logging.getLogger("geoseg")
    handler, level = _Lines(level=logging.INFO), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
