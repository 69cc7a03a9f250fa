"""`geoseg train CONFIG -o DIR`: from scenes with labels to a model package."""

from __future__ import annotations

from pathlib import Path

import click

from geoseg.cli.progress import progress_shown
from geoseg.config.train import load_train_settings


@click.command("train")
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the run: settings, metrics, curves and the model package.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in DIR from where it stopped.")
def command(config: Path, folder: Path, *, resume: bool) -> None:
    """Train a model package on scenes with labels.

    CONFIG is a YAML file that names scenes, labels, classes and network; configs/ holds working ones.
    """
    settings = load_train_settings(config)
    from geoseg.training.train import train_model  # noqa: PLC0415 - torch only where it runs, not for --help

    with progress_shown(settings.name) as progress:
        result = train_model(settings, folder, resume=resume, progress=progress)
    click.echo(str(result.package))
    click.echo(f"best after {result.best_iteration} iterations: validation mean IoU {result.validation.mean_iou:.3f}")
    if result.test is not None:
        click.echo(f"held-out mean IoU {result.test.mean_iou:.3f}, pixel accuracy {result.test.pixel_accuracy:.3f}")
