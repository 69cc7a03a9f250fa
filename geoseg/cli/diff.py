"""`geoseg diff BEFORE AFTER`: what became of each class between two maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from geoseg.cli.options import settings_options
from geoseg.cli.progress import progress_shown
from geoseg.cli.tables import show_table
from geoseg.config.diff import DiffSettings
from geoseg.evaluation.change import ChangeMatrix, Transition

_FILE = click.Path(path_type=Path)
_MOST_COLUMNS = 8
_MOST_CHANGES = 20
_HECTARE = 1e4


@click.command("diff")
@click.argument("before", type=_FILE)
@click.argument("after", type=_FILE)
@click.option(
    "-o",
    "--output",
    "out",
    type=_FILE,
    metavar="FILE.gpkg",
    help="A GeoPackage for polygons of all ground that changed; the matrix is written beside it, as CSV.",
)
@settings_options(DiffSettings)
@click.option("--json", "as_json", is_flag=True, help="Write the matrix as JSON.")
def command(settings: DiffSettings, before: Path, after: Path, out: Path | None, *, as_json: bool) -> None:
    """Say what became of each class between two maps.

    BEFORE and AFTER are class rasters or GeoPackages of geoseg. Classes are the same where their names are. Maps on
    different grids are compared on that of the first raster.
    """
    from geoseg.evaluation.diff import diff  # noqa: PLC0415 - compiled code only where it runs, not for --help

    with progress_shown("diff") as progress:
        matrix = diff(before, after, out, settings, progress=progress)
    if as_json:
        outputs = [] if out is None else [str(out), str(out.with_suffix(".csv"))]
        click.echo(json.dumps({"outputs": outputs} | matrix.as_json(), indent=2, allow_nan=False))
        return
    if out is not None:
        click.echo(f"{out}\n")
    show_changes(matrix)


def show_changes(matrix: ChangeMatrix) -> None:
    """Write how much changed, and the matrix, or the largest changes where it has many classes, to stdout."""
    compared = [each for each in matrix.transitions if each.from_class is not None and each.to_class is not None]
    changed = [each for each in compared if each.is_change]
    share = sum(each.pixels for each in changed) / sum(each.pixels for each in compared)
    click.echo(f"{_size(changed)} of {_size(compared)} changed ({share:.2%} of the pixels)")
    names = [name for name in matrix.names if any(name in {each.from_class, each.to_class} for each in compared)]
    click.echo()
    if len(names) <= _MOST_COLUMNS:
        _show_matrix(compared, names)
    elif changed:
        _show_largest(changed)


def _show_matrix(compared: Sequence[Transition], names: Sequence[str]) -> None:
    by_pair = {(each.from_class, each.to_class): each for each in compared}
    unit = "px" if compared[0].area_m2 is None else "ha"
    show_table(
        (f"from / to, {unit}", *names),
        [(row, *(_number(by_pair[row, col]) if (row, col) in by_pair else "-" for col in names)) for row in names],
    )


def _show_largest(changed: Sequence[Transition]) -> None:
    ordered = sorted(changed, key=lambda each: -each.pixels)
    show_table(
        ("from", "to", "area"),
        [(str(each.from_class), str(each.to_class), _size([each])) for each in ordered[:_MOST_CHANGES]],
    )
    if len(ordered) > _MOST_CHANGES:
        click.echo(f"and {len(ordered) - _MOST_CHANGES} others")


def _size(transitions: Sequence[Transition]) -> str:
    if any(each.area_m2 is None for each in transitions):
        return f"{sum(each.pixels for each in transitions):,} px"
    return f"{sum(each.area_m2 or 0.0 for each in transitions) / _HECTARE:,.2f} ha"


def _number(each: Transition) -> str:
    return f"{each.pixels:,}" if each.area_m2 is None else f"{each.area_m2 / _HECTARE:,.2f}"
