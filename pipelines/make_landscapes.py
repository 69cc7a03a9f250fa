"""Write procedural landscapes with exact labels: python -m pipelines.make_landscapes -o DIR."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.errors import GeosegError
from geoseg.landscapes.series import training_landscapes
from geoseg.landscapes.write import write_label_polygons, write_landscape


@click.command(help="Write landscapes to train on: landscape_SEED_scene.tif and landscape_SEED_labels.tif.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the files; made where it is missing.",
)
@click.option("--scenes", type=click.IntRange(min=1), default=12, show_default=True, help="How many.")
@click.option("--size", type=click.IntRange(min=64), default=1536, show_default=True, help="Rows and columns, px.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the first scene.")
@click.option(
    "--gsd",
    type=click.FloatRange(min=0.2, max=10.0),
    default=1.0,
    show_default=True,
    help="Metres per pixel.",
)
@click.option(
    "--polygons",
    is_flag=True,
    help="Write the labels as polygons too: landscape_SEED_labels.gpkg, in degrees (EPSG:4326).",
)
def main(output: Path, scenes: int, size: int, seed: int, gsd: float, *, polygons: bool) -> None:
    """Write the scenes one after the other; files of the same names are replaced."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        for spec in training_landscapes(scenes, seed=seed, size=size, gsd=gsd):
            scene = output / f"landscape_{spec.seed}_scene.tif"
            labels = output / f"landscape_{spec.seed}_labels.tif"
            write_landscape(spec, scene, labels)
            if polygons:
                write_label_polygons(labels, labels.with_suffix(".gpkg"))
            click.echo(scene)
    except (GeosegError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
