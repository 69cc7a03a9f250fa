"""`geoseg vectorize CLASSES.tif`: polygons of any class raster."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from geoseg.cli.options import settings_options
from geoseg.cli.progress import progress_shown
from geoseg.cli.tables import show_table
from geoseg.config.vectorize import VectorizeSettings

if TYPE_CHECKING:
    from geoseg.polygons import PolygonMap
    from geoseg.vector.summary import ClassSummary

_FILE = click.Path(path_type=Path)
_HECTARE = 1e4


class _Beside(TypedDict):
    """Rasters that belong to the class raster."""

    confidence: Path | None
    probabilities: Path | None


@click.command("vectorize")
@click.argument("class_raster", type=_FILE, metavar="CLASSES")
@click.option(
    "-o",
    "--output",
    "out",
    type=_FILE,
    metavar="FILE",
    help="A GeoPackage (.gpkg), GeoParquet (.parquet) or FlatGeobuf (.fgb); a GeoPackage beside CLASSES if not given.",
)
@click.option("--confidence", type=_FILE, help="Confidence of the map, per cent: for columns and the review layer.")
@click.option("--probabilities", type=_FILE, help="Probability of each class, per cent: for --smooth.")
@settings_options(VectorizeSettings)
@click.option("--json", "as_json", is_flag=True, help="Write what was made as JSON.")
def command(
    settings: VectorizeSettings, class_raster: Path, out: Path | None, *, as_json: bool, **beside: Unpack[_Beside]
) -> None:
    """Make polygons of a class raster.

    CLASSES is the class raster of a prediction, or any raster with one band of whole numbers from 0 to 254. It brings
    the names and colours of its classes along, in the file or beside it; --classes gives others. A STAC item is written
    beside the polygons.
    """
    from geoseg.polygons import vectorize_raster  # noqa: PLC0415 - compiled code only where it runs, not for --help
    from geoseg.vector.blocks import ClassRasters  # noqa: PLC0415 - the same

    rasters = ClassRasters(class_raster=class_raster, **beside)
    with progress_shown(class_raster.name) as progress:
        made = vectorize_raster(rasters, out, settings, progress=progress)
    if as_json:
        click.echo(json.dumps(result_as_json(made), indent=2, allow_nan=False))
    else:
        _show(made)


def result_as_json(made: PolygonMap) -> dict[str, object]:
    """What was made, as plain values."""
    summary = made.summary
    return {
        "output": str(made.path),
        "stac_item": str(made.stac_item),
        "polygons": summary.polygons,
        "merges": None if summary.merges is None else asdict(summary.merges),
        "classes": [asdict(each) for each in summary.classes],
    }


def _show(made: PolygonMap) -> None:
    click.echo(f"{made.path}\n{made.stac_item}\n")
    show_table(("class", "polygons", "share", "area", "mean confidence"), [_row(each) for each in made.summary.classes])
    click.echo(f"\n{made.summary.polygons:,} polygons")


def _row(each: ClassSummary) -> tuple[str, ...]:
    return (
        each.name,
        f"{each.polygons:,}",
        f"{each.share:.1%}",
        f"{each.pixels:,} px" if each.area is None else f"{each.area / _HECTARE:,.2f} ha",
        "-" if each.confidence is None else f"{each.confidence:.0%}",
    )
