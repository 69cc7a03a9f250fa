"""`geoseg sample CLASSES -o POINTS.gpkg`: points to label, with which to assess a map."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli.options import settings_options
from geoseg.cli.tables import show_table
from geoseg.config.sample import SampleSettings
from geoseg.evaluation.sample import Sample, draw_sample


@click.command("sample")
@click.argument("classes", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "points",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE.gpkg",
    help="The GeoPackage with the points.",
)
@settings_options(SampleSettings)
def command(settings: SampleSettings, classes: Path, points: Path) -> None:
    """Draw points to label, with which to assess a map.

    CLASSES is the class raster of the map. The points are a random sample of its pixels, class by class. Open them in
    QGIS and give each its reference class; `geoseg evaluate --points` then estimates accuracy and areas.
    """
    sample = draw_sample(classes, points, settings)
    click.echo(str(sample.path))
    click.echo()
    _show_strata(sample)


def _show_strata(sample: Sample) -> None:
    strata = sample.strata
    shares = strata.pixels / strata.pixels.sum()
    show_table(
        ("class", "pixels", "% of map", "points"),
        [
            (name, f"{pixels:,}", f"{100 * share:.2f}", f"{points:,}")
            for name, pixels, share, points in zip(
                strata.classes.names, strata.pixels, shares, sample.points, strict=True
            )
        ],
    )
