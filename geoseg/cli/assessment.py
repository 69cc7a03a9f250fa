"""An assessment of accuracy and area as tables on stdout. Knows no command."""

from __future__ import annotations

import math

import click

from geoseg.cli.tables import show_table
from geoseg.evaluation.estimate import AccuracyAssessment, Estimate

_SQUARE_METRES_PER_HECTARE = 10_000


def show_assessment(assessment: AccuracyAssessment) -> None:
    """Write accuracy and areas with their margins, and the points by class, to stdout."""
    overall = assessment.overall_accuracy
    click.echo(
        f"overall accuracy {_with_margin(overall, (), 3)} from {assessment.points:,} points; "
        f"± is the {100 * assessment.confidence_level:g} % confidence interval"
    )
    for count, why in ((assessment.unlabelled, "not labelled"), (assessment.unmapped, "outside the map or on nodata")):
        if count:
            click.echo(f"points left out, {why}: {count:,}")
    click.echo()
    _show_classes(assessment)
    click.echo()
    _show_counts(assessment)


def _show_classes(assessment: AccuracyAssessment) -> None:
    hectares = assessment.area_unit == "m2"
    factor, unit, decimals = (1 / _SQUARE_METRES_PER_HECTARE, "ha", 2) if hectares else (1.0, "px", 0)
    areas = assessment.areas.scaled(factor)
    show_table(
        ("class", "user's accuracy", "producer's accuracy", f"mapped {unit}", f"area {unit}"),
        [
            (
                name,
                _with_margin(assessment.users_accuracy, index, 3),
                _with_margin(assessment.producers_accuracy, index, 3),
                f"{assessment.mapped_areas[index] * factor:,.{decimals}f}",
                _with_margin(areas, index, decimals),
            )
            for index, name in enumerate(assessment.class_names)
        ],
    )


def _show_counts(assessment: AccuracyAssessment) -> None:
    show_table(
        ("mapped as (rows), points that are", *assessment.class_names),
        [
            (name, *(f"{count:,}" for count in row))
            for name, row in zip(assessment.class_names, assessment.counts, strict=True)
        ],
    )


def _with_margin(estimate: Estimate, index: int | tuple[()], decimals: int) -> str:
    value, margin = estimate.value[index], estimate.margin[index]
    if math.isnan(value):
        return "-"
    return f"{value:,.{decimals}f} ± {'?' if math.isnan(margin) else f'{margin:,.{decimals}f}'}"
