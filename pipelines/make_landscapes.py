"""Write procedural landscapes with exact labels: python -m pipelines.make_landscapes -o DIR."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.errors import GeosegError
from geoseg.landscapes.series import training_landscapes
from geoseg.landscapes.write import write_landscape


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
def main(output: Path, scenes: int, size: int, seed: int, gsd: float) -> None:
    """Write the scenes one after the other; files of the same names are replaced."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        for spec in training_landscapes(scenes, seed=seed, size=size, gsd=gsd):
            scene = output / f"landscape_{spec.seed}_scene.tif"
            write_landscape(spec, scene, output / f"landscape_{spec.seed}_labels.tif")
            click.echo(scene)
    except (GeosegError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
