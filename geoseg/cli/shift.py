"""`geoseg shift SCENE... --model M`: how far scenes are from what a model knows, and what follows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from geoseg.cli.options import settings_options
from geoseg.cli.tables import show_table
from geoseg.config.shift import ShiftSettings

if TYPE_CHECKING:
    from geoseg.shift.report import SceneFacts, ShiftReport

_UNKNOWN = "-"


@click.command("shift")
@click.argument("scenes", nargs=-1, required=True, metavar="SCENE...")
@click.option(
    "--map",
    "competence",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write how far the model can be trusted, pixel by pixel: a COG in per cent, of one scene.",
)
@settings_options(ShiftSettings)
@click.option("--json", "as_json", is_flag=True, help="Write the report as JSON.")
def command(settings: ShiftSettings, scenes: tuple[str, ...], competence: Path | None, *, as_json: bool) -> None:
    """Say how far scenes are from what a model knows.

    It needs no labels, and also tells what accuracy to expect. The verdict is fine, radiometric (another light or
    sensor), prior (classes cover other shares of the ground), content (the ground looks different) or unusable, with
    the adapters of `geoseg adapt` that suit it and those that would harm.
    """
    from geoseg.predict.report import report_shift  # noqa: PLC0415 - torch only where it runs, not for --help

    report = report_shift(scenes, settings, competence=competence)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, allow_nan=False))
        return
    _show(report)
    if competence is not None:
        click.echo(f"\n{competence}")


def _show(report: ShiftReport) -> None:
    click.echo(f"{report.verdict}: {report.judgement.sentence}")
    if report.expected is not None:
        expected = report.expected
        click.echo(f"expected mean IoU: {expected.mean_iou:.2f} ({expected.low:.2f} to {expected.high:.2f})")
    if report.suited:
        click.echo(f"adapters that suit: {', '.join(report.suited)}")
    for adapter, reason in report.forbidden.items():
        click.echo(f"not {adapter}: {reason}")
    for sentence in report.unsaid:
        click.echo(f"not known: {sentence}")
    click.echo()
    _show_scenes(report)
    click.echo()
    _show_distances(report)
    click.echo()
    _show_bands(report)
    click.echo()
    _show_classes(report)
    click.echo(f"\n{report.windows} windows seen by {report.model}")


def _show_scenes(report: ShiftReport) -> None:
    show_table(
        ("scene", "pixels", "by the model's", "type", "nodata", "lacks"),
        [
            (
                Path(facts.scene).name,
                _UNKNOWN if facts.gsd is None else f"{facts.gsd:.3g} m",
                _number(facts.gsd_ratio),
                facts.dtype,
                _share(facts.nodata),
                _lacks(facts),
            )
            for facts in report.scenes
        ],
    )


def _lacks(facts: SceneFacts) -> str:
    names = "names of bands" if facts.by_position else ""
    return ", ".join((*facts.bands_absent, names)).strip(", ") or "nothing"


def _show_distances(report: ShiftReport) -> None:
    found, spread = report.distances, report.spread
    rows = (
        ("bands", found.bands, spread.get("bands")),
        ("farthest band", found.worst_band, None),
        ("layers", found.layers, spread.get("layers")),
        ("layers, bands matched", found.layers_matched, spread.get("layers")),
        ("class shares", found.prior, spread.get("prior")),
        ("far pixels", found.features, spread.get("features")),
    )
    show_table(
        ("distance", "here", "within reference"), [(name, _number(one), _number(two)) for name, one, two in rows]
    )


def _show_bands(report: ShiftReport) -> None:
    show_table(
        ("band", "mean", "known", "distance"),
        [(row.band, f"{row.mean:.4g}", f"{row.reference_mean:.4g}", _number(row.distance)) for row in report.bands],
    )


def _show_classes(report: ShiftReport) -> None:
    show_table(
        ("class", "mapped", "corrected", "reference"),
        [
            (row.class_name, _share(row.predicted), _share(row.corrected), _share(row.reference))
            for row in report.classes
        ],
    )


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.1%}"
