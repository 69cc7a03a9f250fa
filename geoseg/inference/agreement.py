"""Whether another engine gives the classes that torch gives in float32."""

from __future__ import annotations

from collections.abc import Callable

import torch

from geoseg.errors import ModelError
from geoseg.inference.preparation import Calibrated
from geoseg.models.noise import smooth_noise
from geoseg.models.package import ModelPackage

LEAST_AGREEMENT = 0.995
"""Share of the probe's pixels that an engine gives the class of torch float32, at least."""

_TILES = 3
_SEED = 20


def probe(bands: int, tile: int) -> torch.Tensor:
    """Pseudo-random smooth pixels with the mean and variance of a model's training imagery; always the same.

    Returns:
        (3, bands, tile, tile) float32, normalised: mean 0 and variance 1 over each band.
    """
    return smooth_noise((_TILES, bands, tile, tile), seed=_SEED)


@torch.inference_mode()
def check_agreement(
    engine: str, package: ModelPackage, inputs: torch.Tensor, probabilities: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Refuse an engine that gives other classes than torch does in float32.

    Args:
        engine: its name.
        package: what it runs; its network is on the CPU.
        inputs: (n, bands, tile, tile) normalised pixels, see `probe`.
        probabilities: the engine: inputs (1, bands, tile, tile) to (1, classes, tile, tile).

    Raises:
        ModelError: if classes are equal on less than 99.5 % of the pixels.
    """
    calibrated = Calibrated(package, inputs.device)
    equal = 0
    for one in torch.split(inputs, 1):
        expected = calibrated(package.network(one)).argmax(dim=1)
        equal += int((probabilities(one).argmax(dim=1) == expected).sum())
    share = equal / inputs[:, 0].numel()
    if share < LEAST_AGREEMENT:
        raise ModelError(
            f"engine {engine!r} gives {share:.2%} of its probe the class that model {package.name!r} gives in torch "
            f"float32, less than {LEAST_AGREEMENT:.1%}; use --engine torch"
        )
