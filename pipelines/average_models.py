"""Averages the weights of model packages that come from one another, which steadies them (Wortsman et al. 2022).

    python -m pipelines.average_models runs/first/best runs/refined/best -o runs/averaged

The result has the facts and scores of the last package but for its calibration, the mean of all: score it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import torch
from torch import Tensor

from geoseg.errors import GeosegError, ModelError
from geoseg.models.calibration import Calibration
from geoseg.models.package import ModelPackage, save_package
from geoseg.models.zoo import load_model


def average_models(packages: Sequence[ModelPackage]) -> ModelPackage:
    """The package whose every weight, mean and deviation is the mean of those given.

    Raises:
        ModelError: unless all have one network, one legend and one set of bands.
    """
    last = packages[-1]
    for package in packages:
        if (package.spec, package.classes, package.bands) != (last.spec, last.classes, last.bands):
            raise ModelError(
                f"{package.name} has another network, legend or bands than {last.name}: average like models"
            )
    states = [package.network.state_dict() for package in packages]
    last.network.load_state_dict({name: _mean([state[name] for state in states]) for name in states[-1]})
    normalizers = [package.normalizer for package in packages]
    return replace(
        last,
        normalizer=replace(
            last.normalizer,
            mean=_means([normalizer.mean for normalizer in normalizers]),
            std=_means([normalizer.std for normalizer in normalizers]),
        ),
        calibration=_mean_calibration([package.calibration for package in packages], len(last.classes)),
    )


def _mean_calibration(calibrations: Sequence[Calibration], classes: int) -> Calibration:
    temperature = sum(calibration.temperature for calibration in calibrations) / len(calibrations)
    if not any(calibration.is_vector for calibration in calibrations):
        return Calibration(temperature=temperature)
    filled = [calibration.filled(classes) for calibration in calibrations]
    return Calibration(
        temperature=temperature,
        scale=_means([calibration.scale for calibration in filled]),
        bias=_means([calibration.bias for calibration in filled]),
    )


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    if not tensors[-1].is_floating_point():
        return tensors[-1]
    return torch.stack([tensor.double() for tensor in tensors]).mean(dim=0).to(tensors[-1].dtype)


def _means(values: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(band) / len(band) for band in zip(*values, strict=True))


@click.command(help="Average the weights of model packages (names, folders or zips) that come from one another.")
@click.argument("models", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder or zip of the result.")
def main(models: tuple[str, ...], output: Path) -> None:
    """Write the averaged package."""
    try:
        save_package(average_models([load_model(model) for model in models]), output)
    except GeosegError as error:
        raise click.ClickException(str(error)) from error
    click.echo(output)


if __name__ == "__main__":
    main()
