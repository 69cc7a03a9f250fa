from __future__ import annotations

from pathlib import Path

import click
import pytest

from geoseg.cli.app import app
from geoseg.cli.reference import reference

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cli.md"


def commands(group, path="geoseg"):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


COMMANDS = dict(commands(app))
each_command = pytest.mark.parametrize("path", list(COMMANDS))


@each_command
def test_a_command_and_each_of_its_options_has_help(path):
    command = COMMANDS[path]
    assert command.help
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help, f"{path} {option.opts[0]} has no help"


@each_command
def test_a_command_and_each_of_its_options_stands_in_the_docs(path):
    command = COMMANDS[path]
    if isinstance(command, click.Group):
        return
    page = PAGE.read_text()
    assert f"\n## {path}\n" in page
    section = page.split(f"\n## {path}\n")[1].split("\n## ")[0]
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.opts[0] in section, f"{path} {option.opts[0]} is missing: python -m geoseg.cli.reference"


def test_the_page_is_the_one_that_the_commands_make():
    assert PAGE.read_text() == reference(), "run: python -m geoseg.cli.reference > docs/cli.md"
