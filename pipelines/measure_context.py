"""Measures what the edges of tiles change in the maps of model packages, and writes it into them.

    python -m pipelines.measure_context runs/landcover_rgb/best

Packages made by `geoseg train` and `geoseg models import` have it already. Weights and all else stay as they are.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from geoseg.errors import GeosegError, ModelError
from geoseg.models.context import Context
from geoseg.models.edge_effects import measure_context
from geoseg.models.package import load_package, save_package


def record_context(path: Path) -> Context:
    """Measure the network of a package and replace the context that the package has.

    Raises:
        ModelError: if there is no package, or its network takes no size but its tile.
    """
    package = load_package(path)
    context = measure_context(package.network, package.spec, tile=package.tile, calibration=package.calibration)
    if context is None:
        raise ModelError(f"{path}: its network takes no tile but {package.tile} px: there is nothing to measure")
    save_package(replace(package, context=context), path, overwrite=True)
    return context


@click.command(help="Measure what the edges of tiles change, and write it into the packages (folders or zips).")
@click.argument("packages", nargs=-1, required=True, type=click.Path(path_type=Path))
def main(packages: tuple[Path, ...]) -> None:
    """Run it."""
    try:
        for path in packages:
            click.echo(f"{path.name}: {record_context(path).summary}")
    except GeosegError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
