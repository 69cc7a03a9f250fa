"""Scores as tables on the terminal. Computes nothing."""

from __future__ import annotations

import math

import click

from geoseg.cli.tables import show_table
from geoseg.evaluation.pool import POOLED, Comparison
from geoseg.evaluation.scores import Evaluation

_MOST_ZONES = 10
_SCENE_COLUMNS = {
    "mean_iou": "mean IoU",
    "pixel_accuracy": "pixel accuracy",
    "mean_pixel_accuracy": "mean accuracy",
    "frequency_weighted_iou": "weighted IoU",
    "kappa": "kappa",
    "mean_boundary_f": "boundary F",
    "expected_calibration_error": "ECE",
}


def show_comparison(comparison: Comparison) -> None:
    """Write the scores of each map, if there are several, and of all together to stdout."""
    if len(comparison.scenes) > 1:
        _show_scenes(comparison)
        click.echo()
    show_evaluation(comparison.pooled)


def show_evaluation(evaluation: Evaluation) -> None:
    """Write the scores of the whole map, of each class and zone, and the confusion matrix to stdout."""
    click.echo(
        f"mean IoU {evaluation.mean_iou:.3f}{_of_reference(evaluation)}, "
        f"pixel accuracy {evaluation.pixel_accuracy:.3f}, "
        f"mean pixel accuracy {evaluation.mean_pixel_accuracy:.3f} over {evaluation.pixels:,} pixels"
    )
    click.echo(
        f"frequency-weighted IoU {_score(evaluation.frequency_weighted_iou)}, kappa {_score(evaluation.kappa)}"
        + _boundary(evaluation)
        + _calibration(evaluation)
    )
    if evaluation.unmapped_pixels:
        click.echo(f"{evaluation.unmapped_share:.2%} of the reference is not mapped and counts in no score")
    click.echo()
    _show_classes(evaluation)
    click.echo()
    _show_confusion(evaluation)
    if evaluation.zones:
        click.echo()
        _show_zones(evaluation)


def _of_reference(evaluation: Evaluation) -> str:
    """The mean over the reference's classes, where the map has others too."""
    own = evaluation.confusion.mean_iou_of_reference
    return "" if own == evaluation.mean_iou else f" ({own:.3f} over the reference's classes)"


def _boundary(evaluation: Evaluation) -> str:
    boundary = evaluation.boundary
    if boundary is None:
        return ""
    return f", boundary F-score {_score(boundary.mean_f_score)} at {boundary.tolerance:.3g} {boundary.unit}"


def _calibration(evaluation: Evaluation) -> str:
    if evaluation.reliability is None:
        return ""
    return f", expected calibration error {_score(evaluation.reliability.error)}"


def _show_scenes(comparison: Comparison) -> None:
    keys = [key for key in _SCENE_COLUMNS if key in comparison.pooled.overall()]
    named = [*zip(comparison.names, comparison.scenes, strict=True), (POOLED, comparison.pooled)]
    show_table(
        ("scene", *(_SCENE_COLUMNS[key] for key in keys), "pixels"),
        [(name, *(_score(scene.overall().get(key)) for key in keys), f"{scene.pixels:,}") for name, scene in named],
    )


def _show_classes(evaluation: Evaluation) -> None:
    matrix = evaluation.confusion
    columns = {"IoU": matrix.iou, "F1": matrix.f1, "precision": matrix.precision, "recall": matrix.recall}
    if evaluation.boundary is not None:
        columns["boundary F"] = evaluation.boundary.f_score
    pixels = matrix.counts.sum(axis=1).tolist()
    show_table(
        ("class", *columns, "pixels"),
        [
            (name, *(_score(value) for value in values), f"{count:,}")
            for name, values, count in zip(
                evaluation.class_names, zip(*columns.values(), strict=True), pixels, strict=True
            )
        ],
    )


def _show_confusion(evaluation: Evaluation) -> None:
    """Shares of each reference class, per cent."""
    counts = evaluation.confusion.counts
    shares = 100 * counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    show_table(
        ("reference (rows), % mapped as", *evaluation.class_names),
        [(name, *(f"{share:.1f}" for share in row)) for name, row in zip(evaluation.class_names, shares, strict=True)],
    )


def _show_zones(evaluation: Evaluation) -> None:
    shown = evaluation.zones[:_MOST_ZONES]
    show_table(
        ("zone, the worst first", "pixel accuracy", "mean IoU", "kappa", "pixels"),
        [
            (
                each.zone.name,
                _score(each.confusion.pixel_accuracy),
                _score(each.confusion.mean_iou),
                _score(each.confusion.kappa),
                f"{each.confusion.pixels:,}",
            )
            for each in shown
        ],
    )
    if len(evaluation.zones) > len(shown):
        click.echo(f"and {len(evaluation.zones) - len(shown):,} better ones")


def _score(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"
