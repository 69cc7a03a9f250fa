"""`geoseg evaluate PREDICTED REFERENCE`: how good a map is."""

from __future__ import annotations

import json
import math
from pathlib import Path

import click

from geoseg.cli.options import settings_options
from geoseg.cli.tables import show_table
from geoseg.config.evaluate import EvaluateSettings
from geoseg.evaluation.compare import evaluate
from geoseg.evaluation.scores import Evaluation


@click.command("evaluate")
@click.argument("predicted", type=click.Path(path_type=Path))
@click.argument("reference", type=click.Path(path_type=Path))
@settings_options(EvaluateSettings)
@click.option("--json", "as_json", is_flag=True, help="Write the scores as JSON.")
def command(settings: EvaluateSettings, predicted: Path, reference: Path, *, as_json: bool) -> None:
    """Compare a class raster with a reference.

    PREDICTED is a class raster; REFERENCE holds the true classes, also on another grid or in another CRS.
    Pixels that are nodata in either count in no score.
    """
    evaluation = evaluate(predicted, reference, ignore=settings.ignore, label_map=settings.label_map)
    if as_json:
        click.echo(json.dumps(evaluation.as_json(), indent=2))
    else:
        show_evaluation(evaluation)


def show_evaluation(evaluation: Evaluation) -> None:
    """Write the scores of the whole map, of each class, and the confusion matrix to stdout."""
    click.echo(
        f"mean IoU {evaluation.mean_iou:.3f}, pixel accuracy {evaluation.pixel_accuracy:.3f}, "
        f"mean pixel accuracy {evaluation.mean_pixel_accuracy:.3f} over {evaluation.pixels:,} pixels"
    )
    if evaluation.unmapped_share:
        click.echo(f"{evaluation.unmapped_share:.2%} of the reference is not mapped and counts in no score")
    click.echo()
    _show_classes(evaluation)
    click.echo()
    _show_confusion(evaluation)


def _show_classes(evaluation: Evaluation) -> None:
    matrix = evaluation.confusion
    scores = zip(matrix.iou, matrix.f1, matrix.precision, matrix.recall, strict=True)
    pixels = matrix.counts.sum(axis=1)
    show_table(
        ("class", "IoU", "F1", "precision", "recall", "pixels"),
        [
            (name, *(_score(value) for value in values), f"{count:,}")
            for name, values, count in zip(evaluation.class_names, scores, pixels, strict=True)
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


def _score(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
