"""`geoseg train CONFIG -o DIR`: from scenes with labels to a model package."""

from __future__ import annotations

from contextlib import nullcontext
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
    help="Folder of the run: settings, metrics, figures and the model package.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in DIR from where it stopped.")
def command(config: Path, folder: Path, *, resume: bool) -> None:
    """Train a model package on scenes with labels.

    CONFIG is a YAML file that names scenes, labels, classes and network; configs/ holds working ones. Ctrl-C ends the
    run after the current step; --resume goes on as if it had not been stopped.

    On several GPUs: torchrun --nproc-per-node 2 -m geoseg train CONFIG -o DIR
    """
    settings = load_train_settings(config)
    from geoseg.training.distributed import is_first_process  # noqa: PLC0415 - torch only where it runs, not for --help
    from geoseg.training.train import train_model  # noqa: PLC0415 - as above

    first = is_first_process()
    with progress_shown(settings.name) if first else nullcontext() as progress:
        result = train_model(settings, folder, resume=resume, progress=progress)
    if not first:
        return
    click.echo(str(result.package))
    ended = f", ended after {result.iterations} as no better score came" if result.stopped_early else ""
    click.echo(
        f"best after {result.best_iteration} iterations: validation mean IoU {result.validation.mean_iou:.3f}{ended}"
    )
    if result.test is not None:
        click.echo(f"held-out mean IoU {result.test.mean_iou:.3f}, pixel accuracy {result.test.pixel_accuracy:.3f}")
