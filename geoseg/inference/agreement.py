"""Whether another engine gives the classes that torch gives in float32."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from geoseg.errors import ModelError
from geoseg.inference.preparation import Calibrated
from geoseg.models.package import ModelPackage

LEAST_AGREEMENT = 0.995
"""Share of the probe's pixels that an engine gives the class of torch float32, at least."""

_TILES = 3
_CELLS = (4, 16, 64)  # px from one random number to the next: fields, their parts, and texture
_SEED = 20


def probe(bands: int, tile: int) -> torch.Tensor:
    """Pseudo-random smooth pixels with the mean and variance of a model's training imagery; always the same.

    Bands share half of their variance, as those of real imagery share brightness.

    Returns:
        (3, bands, tile, tile) float32, normalised: mean 0 and variance 1 over each band.
    """
    generator = torch.Generator().manual_seed(_SEED)
    total = torch.zeros(_TILES, bands + 1, tile, tile)
    for cell in _CELLS:
        knots = torch.randn(_TILES, bands + 1, tile // cell + 2, tile // cell + 2, generator=generator)
        total += functional.interpolate(knots, size=(tile, tile), mode="bilinear", align_corners=True)
    pixels = total[:, :bands] + total[:, bands:]
    every = (0, 2, 3)
    return (pixels - pixels.mean(dim=every, keepdim=True)) / pixels.std(dim=every, keepdim=True)


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
