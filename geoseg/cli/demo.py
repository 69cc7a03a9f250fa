"""`geoseg demo`: the whole job on a landscape made on the spot."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli.evaluation_tables import show_evaluation
from geoseg.cli.progress import progress_shown


@click.command("demo")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    default=Path("geoseg_demo"),
    show_default=True,
    metavar="DIR",
    help="Where everything goes; files of an earlier demo there are replaced.",
)
def command(folder: Path) -> None:
    """Make a landscape, map it, and show how good the map is.

    The landscape is drawn from a seed that no training used, and its classes are known exactly.
    """
    from geoseg.demo import run_demo  # noqa: PLC0415 - torch only where it runs, not for --help

    with progress_shown("demo") as progress:
        demo = run_demo(folder, progress=progress)
    for path in demo.outputs:
        click.echo(str(path))
    click.echo()
    show_evaluation(demo.evaluation)
    click.echo()
    click.echo(f"Look at {demo.quicklook}; open {demo.class_raster} and the GeoPackage beside it in QGIS.")
