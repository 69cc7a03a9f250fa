"""`geoseg adapt --model M --target SCENE... -o DIR`: fits a model to other ground without labels."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from geoseg.cli.options import settings_options
from geoseg.cli.progress import progress_shown
from geoseg.cli.tables import show_table
from geoseg.config.adapt import AdaptSettings
from geoseg.config.train import load_train_settings

if TYPE_CHECKING:
    from geoseg.adaptation.result import AdaptResult, CandidateScore

UNUSABLE = 3
"""The exit code with --strict where the shift is too large for the model."""


class _Rest(TypedDict):
    """Options that are no settings."""

    source: Path | None
    folder: Path
    as_json: bool


@click.command("adapt")
@click.argument("more", nargs=-1, metavar="[SCENE]...")
@click.option(
    "--target",
    "targets",
    multiple=True,
    required=True,
    metavar="SCENE",
    help="Scene of the ground to fit to, without labels; more of them may follow it or be given each with --target.",
)
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    metavar="CONFIG",
    help="Training config with the labelled scenes that the model was trained on, where they are at hand.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder to make: a model package, and adaptation.json and report.html with all candidates.",
)
@settings_options(AdaptSettings)
@click.option("--json", "as_json", is_flag=True, help="Write what was found as JSON.")
def command(
    settings: AdaptSettings, targets: tuple[str, ...], more: tuple[str, ...], **rest: Unpack[_Rest]
) -> int | None:
    """Fit a model to other ground without labels.

    Where that does not help, the model stays as it is. Adapters propose candidates. The one whose maps change least
    when held-out windows are turned, mirrored and brightened is taken, if it is steadier than the model as it was by
    more than chance and the guard sees no harm in it. DIR is a model package like any other:
    `geoseg predict SCENE --model DIR`.

    Ctrl-C ends it; the same command goes on after the last adapter that came through.
    """
    source, folder = rest["source"], rest["folder"]
    ground = None if source is None else load_train_settings(source)
    from geoseg.adaptation.adapt import adapt_model  # noqa: PLC0415 - torch only where it runs, not for --help

    with progress_shown(folder.name) as progress:
        result = adapt_model(settings, (*targets, *more), folder, source=ground, progress=progress)
    if rest["as_json"]:
        click.echo(json.dumps(result.as_json(), indent=2))
    else:
        show_result(result, folder)
    return UNUSABLE if settings.strict and result.outcome == "unusable" else None


def show_result(result: AdaptResult, folder: Path) -> None:
    """Write the candidates, the steadiest first, the choice, and what to do next."""
    show_table(("candidate", "consistency", "gain", "p", "guard"), _rows(result.candidates))
    click.echo(f"shift: {result.shift.verdict}; {result.shift.judgement.sentence}")
    for adapter, reason in result.refused.items():
        click.echo(f"not tried or broken off: {adapter}: {reason}")
    before, after = result.expected_before, result.expected_after
    if before is not None and after is not None:
        click.echo(f"expected mean IoU: {before.mean_iou:.2f} before, {after.mean_iou:.2f} now")
    click.echo(f"{result.outcome}: {result.reason}")
    click.echo(f"{folder}: {_next_step(result, folder)}")


def _rows(candidates: Sequence[CandidateScore]) -> list[tuple[str, ...]]:
    ordered = sorted(candidates, key=lambda each: -each.consistency if math.isfinite(each.consistency) else 0.0)
    return [
        (
            each.label,
            _number(each.consistency),
            _number(each.gain, signed=True),
            _number(each.p_value),
            f"{each.verdict}: {each.reason}" if each.reason else each.verdict,
        )
        for each in ordered
    ]


def _number(number: float, *, signed: bool = False) -> str:
    if not math.isfinite(number):
        return "-"
    return f"{number:+.3f}" if signed else f"{number:.3f}"


def _next_step(result: AdaptResult, folder: Path) -> str:
    if result.outcome == "adapted":
        return f"map with `geoseg predict SCENE --model {folder}`"
    if result.outcome == "unusable":
        return "holds the model as it was; label some of this ground and train on it (`geoseg train`)"
    if result.shift.verdict == "fine":
        return "holds the model as it was, which knows such ground"
    return "holds the model as it was; to do better, label some of this ground and train on it (`geoseg train`)"
