"""The command `geoseg`: which commands there are, and how their errors leave the program.

Knows nothing of what the commands do: each is a module, imported when it is called, so that help stays quick.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import click

import geoseg
from geoseg.cli.messages import reported
from geoseg.cli.verbosity import with_verbosity

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "predict": "Map the land cover of scenes.",
        "plan": "Say what mapping scenes would need.",
        "train": "Train a model package on scenes with labels.",
        "shift": "Say how far scenes are from what a model knows.",
        "adapt": "Fit a model to other ground without labels.",
        "evaluate": "Say how good maps are, against references or sampled points.",
        "sample": "Draw points to label, with which to assess a map.",
        "models": "List, show, export and import models.",
        "demo": "Make a landscape, map it, and show how good the map is.",
        "vectorize": "Make polygons of a class raster.",
        "diff": "Say what became of each class between two maps.",
        "doctor": "Check that this installation works.",
    }
)
"""Every command with its one line of help; `geoseg.cli.<name>` holds it as `command`."""


class _LazyGroup(click.Group):
    """A group whose commands are imported when they are called and whose help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"geoseg.cli.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"geoseg.cli.{cmd_name}.command is no click command")
        return with_verbosity(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(geoseg.__version__, prog_name="geoseg")
def app() -> None:
    """Turn satellite and aerial scenes into land-cover layers that a GIS opens.

    `geoseg COMMAND --help` tells about a command.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code.

    Args:
        arguments: without the program's name; those of this process where None.

    Returns:
        0 where all went well, 1 after an error of the user's data, 2 after wrong usage, 130 after Ctrl-C.
    """
    return reported(app, arguments, prog_name="geoseg")


def main() -> None:
    """The entry point of the installed program."""
    # Read when torch loads. Where other programs use the cores, torch's waiting threads would spin against them.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    sys.exit(run())
