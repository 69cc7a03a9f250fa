"""The option `-v`, which every command has: how much of what geoseg does is shown on stderr. Knows no command."""

from __future__ import annotations

import logging

import click

from geoseg.cli.messages import show_from
from geoseg.events import VERBOSE

_HELP = "Tell on stderr what is being done, a line for each block; twice (-vv) also what helps to find defects."


def with_verbosity(command: click.Command) -> click.Command:
    """Give a command, or those of a group, the option `-v`; the same command, and once is enough."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            with_verbosity(each)
    elif not any("-v" in option.opts for option in command.params):
        command.params.append(_option())
    return command


def _option() -> click.Option:
    return click.Option(["-v", "--verbose"], count=True, expose_value=False, is_eager=True, callback=_show, help=_HELP)


def _show(_context: click.Context, _option: click.Parameter, times: int) -> None:
    if times:
        show_from(VERBOSE if times == 1 else logging.DEBUG)
