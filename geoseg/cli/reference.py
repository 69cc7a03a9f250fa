"""The page docs/cli.md, made from the commands themselves: `python -m geoseg.cli.reference > docs/cli.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from geoseg.cli.app import app

_OPENING = """# Command line

Every option of `predict` and `evaluate` is also a key of its YAML file (`--config FILE`), with `_` for `-`, and a
keyword of the Python function. A value on the command line wins over the file.

Results go to stdout, everything else to stderr ([What a run tells](observability.md)). Exit codes: 0 all went well, 1
something about the data, a file or a setting has to be mended (one line on stderr says what), 2 wrong usage, 4 a map
was made with `--on-error nodata` and parts of the scene could not be read, 130 stopped with Ctrl-C, 143 asked to end
(SIGTERM).

Made by `python -m geoseg.cli.reference > docs/cli.md`; do not edit by hand.
"""


def reference() -> str:
    """The page as Markdown."""
    return "\n".join([_OPENING, *(_section(path, command) for path, command in _commands(app, "geoseg"))])


def _commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its full name."""
    context = click.Context(group, info_name=path)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")
        elif command is not None:
            yield f"{path} {name}", command


def _section(path: str, command: click.Command) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"## {path}", "", inspect.cleandoc(command.help or ""), "", f"    {path} {usage}", ""]
    options = [option.get_help_record(context) for option in command.params if isinstance(option, click.Option)]
    if options:
        parts += ["| option | |", "|---|---|"]
        parts += [f"| `{_cell(record[0])}` | {_cell(record[1])} |" for record in options if record]
        parts.append("")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    click.echo(reference(), nl=False)
