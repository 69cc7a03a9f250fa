"""`geoseg evaluate PREDICTED... REFERENCE...`: how good maps are, by rasters, polygons or labelled points."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import click

from geoseg.cli.assessment import show_assessment
from geoseg.cli.evaluation_tables import show_comparison
from geoseg.cli.options import settings_options
from geoseg.config.evaluate import EvaluateSettings
from geoseg.evaluation.estimate import AccuracyAssessment
from geoseg.evaluation.output import write_comparison
from geoseg.evaluation.points import assess_points
from geoseg.evaluation.pool import ScenePaths, compare
from geoseg.evaluation.sample_file import REFERENCE_COLUMN
from geoseg.raster.staging import Staging

_ASSESSMENT = "assessment.json"
_FILE = click.Path(path_type=Path)


class _Rest(TypedDict):
    """Options that are no settings and belong to no single map."""

    points: Path | None
    folder: Path | None
    as_json: bool


@click.command("evaluate")
@click.argument("paths", nargs=-1, required=True, type=_FILE, metavar="PREDICTED... [REFERENCE...]")
@click.option(
    "--reference",
    "references",
    multiple=True,
    type=_FILE,
    help="A reference; all PATHS are then maps. Once for all maps, or once for each, in their order.",
)
@click.option(
    "--confidence",
    "confidences",
    multiple=True,
    type=_FILE,
    help="Confidence of a map, per cent, for calibration; once for each map, in their order.",
)
@click.option(
    "--points",
    type=_FILE,
    help="Labelled points of `geoseg sample`: estimates accuracy and areas of one map from them.",
)
@click.option(
    "-o",
    "--output",
    "folder",
    type=_FILE,
    metavar="DIR",
    help="Folder for scores as JSON and CSV, pictures, a web page, and blocks as a GeoPackage.",
)
@settings_options(EvaluateSettings)
@click.option("--json", "as_json", is_flag=True, help="Write the scores as JSON.")
def command(
    settings: EvaluateSettings,
    paths: tuple[Path, ...],
    references: tuple[Path, ...],
    confidences: tuple[Path, ...],
    **rest: Unpack[_Rest],
) -> None:
    """Say how good maps are, against references or sampled points.

    The first half of the paths are maps, the second half their references, in the same order: `a.tif a_ref.tif`, or
    `a.tif b.tif a_ref.tif b_ref.tif`. With --reference all paths are maps.

    A reference holds the true classes, as a raster of class ids or as a vector layer (--attribute), also on another
    grid or in another CRS. Pixels that are nodata in either count in no score. A class that is only in the map counts
    with an IoU of 0 in the mean IoU, and not at all in that of the reference's classes.

    With --points there is one path, the map, and no reference.
    """
    folder = rest["folder"]
    if rest["points"] is not None:
        assessment = assess(rest["points"], _only_map(paths, references, confidences), settings, folder)
        shown, show = assessment.as_json(), functools.partial(show_assessment, assessment)
    else:
        comparison = compare(scene_paths(paths, references, confidences), settings)
        if folder is not None:
            write_comparison(comparison, folder, overwrite=settings.overwrite)
        shown, show = comparison.as_json(), functools.partial(show_comparison, comparison)
    if rest["as_json"]:
        click.echo(json.dumps(shown, indent=2))
    else:
        show()


def assess(points: Path, class_raster: Path, settings: EvaluateSettings, folder: Path | None) -> AccuracyAssessment:
    """Estimate accuracy and areas from labelled points; with a folder also as `assessment.json` in it.

    Raises:
        LabelError: if the points or the map are not what they should be.
        OutputError: if the file is there already and may not be replaced, or cannot be written.
    """
    assessment = assess_points(
        points,
        class_raster,
        confidence_level=settings.confidence_level,
        attribute=settings.attribute or REFERENCE_COLUMN,
        allow=settings.allow,
    )
    if folder is not None:
        with Staging(folder, [_ASSESSMENT], overwrite=settings.overwrite) as staging:
            text = json.dumps(assessment.as_json(), indent=2, allow_nan=False)
            staging.path(_ASSESSMENT).write_text(text + "\n", encoding="utf-8")
            staging.commit()
    return assessment


def _only_map(paths: Sequence[Path], references: Sequence[Path], confidences: Sequence[Path]) -> Path:
    if len(paths) != 1 or references or confidences:
        raise click.UsageError("--points takes one path, the class raster, and neither --reference nor --confidence")
    return paths[0]


def scene_paths(paths: Sequence[Path], references: Sequence[Path], confidences: Sequence[Path]) -> list[ScenePaths]:
    """Which file belongs to which map.

    Raises:
        click.UsageError: if their numbers do not fit.
    """
    maps, labels = _halves(paths) if not references else (paths, references)
    if len(labels) == 1:
        labels = [*labels] * len(maps)
    if len(labels) != len(maps):
        raise click.UsageError(f"{len(maps)} maps and {len(labels)} references: give one for all, or one for each map")
    if confidences and len(confidences) != len(maps):
        raise click.UsageError(f"{len(maps)} maps and {len(confidences)} of confidence: give one for each map")
    beside: Sequence[Path | None] = confidences or [None] * len(maps)
    return [
        ScenePaths(predicted=predicted, reference=reference, confidence=confidence)
        for predicted, reference, confidence in zip(maps, labels, beside, strict=True)
    ]


def _halves(paths: Sequence[Path]) -> tuple[Sequence[Path], Sequence[Path]]:
    if len(paths) % 2:
        raise click.UsageError(
            f"{len(paths)} paths are no pairs: give as many references as maps, or one for all with --reference"
        )
    return paths[: len(paths) // 2], paths[len(paths) // 2 :]
