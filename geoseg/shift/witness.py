"""A model beside itself: the same weights with what it takes for granted of images measured anew on other ground.

Where ground looks different, a model can be sure and wrong, however its windows are turned. What it says once its
statistics are those of the ground at hand tells how much of its map hangs on how the ground looks.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from geoseg.models.reference import ReferenceStatistics
from geoseg.raster.normalize import Normalizer
from geoseg.shift.bands import band_quantiles, matching_curves
from geoseg.shift.batchnorm import has_batchnorm, recomputed_batchnorm
from geoseg.shift.forward import Forward
from geoseg.shift.windows import WindowSample

_KEPT = (0.0, 0.5)
_CLAMP = 100.0  # standard deviations, as the engine has it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Witness:
    """A network and what it is given to see."""

    forward: Forward
    """The network and the way it is run."""

    normalizer: Normalizer
    """Of its images."""

    def images(self, sample: WindowSample) -> Tensor:
        """(n, bands, side, side) as the network sees windows; 0 where not valid."""
        return sample.tensor(self.normalizer).clamp(-_CLAMP, _CLAMP)

    def probabilities(self, sample: WindowSample) -> Tensor:
        """(n, classes, side, side) float32 on the CPU, calibrated, summing to 1 over the classes."""
        return self.forward.probabilities(self.images(sample))


def witnesses_of(
    model: Witness, sample: WindowSample, reference: ReferenceStatistics | None = None
) -> tuple[Witness, ...]:
    """What a model would be with the statistics of some windows: two more to ask of each pixel, the same each time.

    A network with batch normalisation takes those of the windows, whole and half-way (Schneider et al. 2020,
    Improving robustness against common corruptions by covariate shift adaptation). Any other sees the bands through
    curves that give them the distribution of the reference ground, by quantiles and by moments.

    Args:
        model: as it is; it stays so.
        sample: windows of the ground at hand, at least one.
        reference: what the model was validated on; without it only batch normalisation helps.

    Returns:
        Two, or none where there is nothing to measure anew.
    """
    if has_batchnorm(model.forward.network):
        return _renormalised(model, sample)
    if reference is None:
        return ()
    found = band_quantiles(sample)
    kinds = (matching_curves(reference.quantiles, found, kind=kind) for kind in ("cdf", "moments"))
    return tuple(replace(model, normalizer=replace(model.normalizer, curves=curves)) for curves in kinds)


def heard(own: Tensor, witnesses: Sequence[Tensor]) -> Tensor:
    """Probabilities of a model and of its witnesses in one: these together count as much as the model alone.

    Args:
        own: any shape.
        witnesses: each of the same shape; none leave the model's own.
    """
    return (own + torch.stack(tuple(witnesses)).mean(dim=0)) / 2 if witnesses else own


def _renormalised(model: Witness, sample: WindowSample) -> tuple[Witness, ...]:
    images, valid = model.images(sample), torch.from_numpy(sample.valid)
    before = {name: tensor.detach().cpu() for name, tensor in model.forward.network.state_dict().items()}
    found = recomputed_batchnorm(model.forward, images, valid, keep=0.0)
    return tuple(_with_state(model, _between(before, found, keep)) for keep in _KEPT)


def _between(before: Mapping[str, Tensor], found: Mapping[str, Tensor], keep: float) -> dict[str, Tensor]:
    return {
        name: tensor.lerp(before[name], keep) if tensor.is_floating_point() else tensor
        for name, tensor in found.items()
    }


def _with_state(model: Witness, state: Mapping[str, Tensor]) -> Witness:
    network = copy.deepcopy(model.forward.network)
    network.load_state_dict(state)
    return replace(model, forward=replace(model.forward, network=network))
