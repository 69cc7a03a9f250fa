"""The statistics of a network's batch normalisation, taken anew on other ground (AdaBN)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle

from geoseg.models.device import autocast
from geoseg.shift.forward import Forward

_PIXELS_AT_ONCE = 2**20
_LEAST_WEIGHT = 2.0  # pixels; fewer have no variance worth knowing


def has_batchnorm(network: nn.Module) -> bool:
    """True where a network normalises by statistics that it keeps."""
    return bool(_layers_of(network))


@torch.no_grad()
def recomputed_batchnorm(forward: Forward, images: Tensor, valid: Tensor, *, keep: float) -> dict[str, Tensor]:
    """The state of a network with batch normalisation by the statistics of other images, as AdaBN does.

    Every layer normalises a batch by that batch's own statistics, so that later layers see what they will see; mean
    and variance of all batches are then pooled. They are those of torch's training mode with `momentum=None`, except
    that pixels without a measurement do not count and that windows are dealt to batches so that each has some from
    everywhere. The blend with the statistics of training is what keeps one-sided ground from harming.

    Li, Wang, Shi, Liu, Hou (2016): Revisiting Batch Normalization For Practical Domain Adaptation.
    Schneider, Rusak, Eck, Bringmann, Brendel, Bethge (2020): Improving robustness against common corruptions by
    covariate shift adaptation (the blend).

    Args:
        forward: the network and where it runs; it stays as it is.
        images: (n, bands, side, side) as the network sees them.
        valid: (n, side, side), True = usable.
        keep: weight of the statistics of training, 0 to 1; 1 changes nothing.

    Returns:
        Weights and buffers on the CPU, by name; all but running means and variances as they were.
    """
    network = copy.deepcopy(forward.network).to(forward.device).eval()
    sums = {name: _Sums(layer) for name, layer in _layers_of(network).items()}
    for batch in _dealt(images, valid):
        with autocast(forward.device, forward.precision), ExitStack() as stack:
            weight = batch.valid[:, None].to(forward.device, torch.float32)
            for each in sums.values():
                stack.enter_context(each.listening(weight))
            network(batch.images.to(forward.device))
    state = {name: tensor.detach().cpu().clone() for name, tensor in forward.network.state_dict().items()}
    for name, each in sums.items():
        _blend(state, name, each, keep)
    return state


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    images: Tensor
    valid: Tensor


class _Sums:
    """Adds up the moments of one layer's inputs and lends the layer those of the batch at hand."""

    def __init__(self, layer: _BatchNorm) -> None:
        self._layer = layer
        self._source = layer.running_mean, layer.running_var
        self._weight = 0.0
        self._total, self._squares = torch.zeros(2, layer.num_features, dtype=torch.float64)

    def listening(self, weight: Tensor) -> RemovableHandle:
        """A context in which it does so; weight (n, 1, side, side) says which pixels count."""

        def before(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:  # noqa: ARG001 - torch's signature
            self._meet(inputs[0], weight)

        return self._layer.register_forward_pre_hook(before)

    def moments(self) -> tuple[Tensor, Tensor] | None:
        """Mean and unbiased variance (channels,) of all that was met; None where that is too little."""
        if self._weight < _LEAST_WEIGHT:
            return None
        mean = self._total / self._weight
        variance = (self._squares / self._weight - mean**2).clamp(min=0)
        return mean.float(), (variance * (self._weight / (self._weight - 1))).float()

    def _meet(self, inputs: Tensor, weight: Tensor) -> None:
        shares = adaptive_avg_pool2d(weight, (inputs.shape[2], inputs.shape[3]))
        count = float(shares.sum(dtype=torch.float64))
        if count < _LEAST_WEIGHT:
            self._layer.running_mean, self._layer.running_var = self._source
            return
        numbers = inputs.float()
        mean = (numbers * shares).sum(dim=(0, 2, 3), dtype=torch.float64) / count
        centred = (numbers - mean.float().view(1, -1, 1, 1)) ** 2
        variance = (centred * shares).sum(dim=(0, 2, 3), dtype=torch.float64) / count
        self._weight += count
        self._total += (mean * count).cpu()
        self._squares += ((variance + mean**2) * count).cpu()
        self._layer.running_mean, self._layer.running_var = mean.float(), variance.float()


def _layers_of(network: nn.Module) -> dict[str, _BatchNorm]:
    return {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, _BatchNorm) and layer.running_mean is not None
    }


def _dealt(images: Tensor, valid: Tensor) -> Iterator[_Batch]:
    """Batches of some windows each, like cards: neighbours go to different batches. Empty windows are left out."""
    there = valid.flatten(1).any(dim=1).nonzero().flatten()
    most = max(1, _PIXELS_AT_ONCE // (images.shape[2] * images.shape[3]))
    batches = -(-len(there) // most)
    for first in range(batches):
        part = there[first::batches]
        yield _Batch(images[part], valid[part])


def _blend(state: dict[str, Tensor], name: str, sums: _Sums, keep: float) -> None:
    found = sums.moments()
    if found is None:
        return
    for key, target in zip((f"{name}.running_mean", f"{name}.running_var"), found, strict=True):
        state[key] = (keep * state[key].float() + (1 - keep) * target).to(state[key].dtype)
