"""What reaches the normalisation layers of a network: moments of their inputs on some ground, and how far apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from geoseg.models.reference import LayerMoments, Numbers
from geoseg.shift.forward import Forward

_KINDS = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm, nn.LayerNorm, nn.GroupNorm)  # noqa: SLF001 - their public subclasses differ by dimension alone
_AT_ONCE = 8
_MOST_SIDE = 64
_LEAST_VARIANCE = 1e-3
_LEAST = 1e-12


def normalisation_layers(network: nn.Module) -> Mapping[str, nn.Module]:
    """Batch, instance, layer and group normalisation by name, in the network's order."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, _KINDS)}


def measure_moments(forward: Forward, images: Tensor, valid: Tensor) -> Mapping[str, LayerMoments]:
    """Mean and variance of what reaches each normalisation layer, channel by channel, over usable pixels.

    A layer of more than 64 x 64 px is looked at on every second row and column, or third, and so on.

    Args:
        forward: the network; it stays as it is.
        images: (n, bands, side, side) as the network sees them.
        valid: (n, side, side), True = usable; at a layer a pixel counts by the share of it that is.

    Returns:
        By name of the layer; without layers that no usable pixel reached.
    """
    sums = MomentSums(forward.network, np.zeros(len(images), dtype=np.intp))
    masks = torch.split(valid, _AT_ONCE)
    for number, batch in enumerate(torch.split(images, _AT_ONCE)):
        with sums.listening(masks[number], first=number * _AT_ONCE):
            for _ in forward.batches(batch):
                pass
    return sums.moments()


def moment_distance(reference: Mapping[str, LayerMoments], target: Mapping[str, LayerMoments]) -> float:
    """How far two grounds are apart for the normalisation layers of a network.

    For each channel the mean of both Kullback-Leibler divergences of two normal distributions, nat; then the mean over
    the channels of a layer, then over the layers. A variance counts as at least a thousandth of the layer's mean one.

    Returns:
        At least 0; NaN where they share no layer.
    """
    shared = [name for name in reference if name in target]
    parts = [_divergence(reference[name], target[name]) for name in shared]
    return float(np.mean(parts)) if parts else float("nan")


class MomentSums:
    """Adds up the moments of what reaches the layers of a network, group of windows by group."""

    def __init__(self, network: nn.Module, groups: NDArray[np.intp]) -> None:
        """Start without pixels.

        Args:
            network: to listen to.
            groups: (windows,) number of the group of each window, from 0.
        """
        self._layers = normalisation_layers(network)
        self._groups = groups
        self._sums: dict[str, Numbers] = {}

    @contextmanager
    def listening(self, valid: Tensor, *, first: int) -> Iterator[None]:
        """A context in which the network is run on one batch.

        Args:
            valid: (n, side, side), True = usable, of its windows.
            first: number of the first of them.
        """
        weight = valid[:, None].float()
        groups = self._groups[first : first + len(valid)]
        with ExitStack() as stack:
            for name, layer in self._layers.items():

                def before(layer: nn.Module, inputs: tuple[Tensor, ...], *, name: str = name) -> None:
                    self._add(name, *_pixels(layer, inputs[0], weight), groups)

                stack.enter_context(layer.register_forward_pre_hook(before))
            yield

    def moments(self, which: NDArray[np.bool_] | None = None) -> Mapping[str, LayerMoments]:
        """Of the groups where `which` is True; None takes all."""
        found = {}
        for name in self._layers:
            if name in self._sums:
                count, total, squares = self._sums[name][slice(None) if which is None else which].sum(axis=0)
                if count[0] > 0:
                    mean = total / count
                    found[name] = LayerMoments(mean=mean, variance=np.maximum(squares / count - mean**2, 0))
        return found

    def _add(self, name: str, numbers: Tensor, weight: Tensor, groups: NDArray[np.intp]) -> None:
        """Take numbers (n, channels, pixels) with weights (n, pixels) of the windows of some groups."""
        groups = np.repeat(groups, len(numbers) // len(groups))
        if numbers.device.type == "mps":  # which has no float64
            numbers, weight = numbers.cpu(), weight.cpu()
        shares = weight[:, None]
        total = (numbers * shares).sum(dim=2, dtype=torch.float64).cpu().numpy()
        squares = (numbers.double() ** 2 * shares).sum(dim=2).cpu().numpy()
        count = np.broadcast_to(weight.sum(dim=1, dtype=torch.float64).cpu().numpy()[:, None], total.shape)
        kept = self._sums.setdefault(name, np.zeros((int(self._groups.max()) + 1, 3, total.shape[1])))
        np.add.at(kept, groups, np.stack([count, total, squares], axis=1))


def _pixels(layer: nn.Module, inputs: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """What reaches a layer, as (n, channels, pixels), and how much of each pixel is usable: (n, pixels).

    Where pixels have no place, as in tokens of parts of a window, all count.
    """
    maps = _as_maps(layer, inputs)
    if len(maps) != len(valid) or maps.shape[2] != maps.shape[3]:
        return maps.float().flatten(2), torch.ones(len(maps), maps[0, 0].numel(), device=maps.device)
    step = max(1, -(-maps.shape[2] // _MOST_SIDE))
    weight = adaptive_avg_pool2d(valid, (maps.shape[2], maps.shape[3]))[:, 0, ::step, ::step].flatten(1)
    return maps[:, :, ::step, ::step].float().flatten(2), weight.to(maps.device)


def _as_maps(layer: nn.Module, inputs: Tensor) -> Tensor:
    """As (n, channels, height, width): tokens in rows of a square where they fill one, else in one row."""
    if isinstance(layer, nn.LayerNorm) and not _has_channels_first(layer, inputs):
        inputs = inputs.movedim(-1, 1)
    if inputs.dim() == 4:  # noqa: PLR2004 - images, channels, rows, columns
        return inputs
    flat = inputs.flatten(2)
    count = flat.shape[2]
    side = round(count**0.5)
    return flat.reshape(*flat.shape[:2], *((side, side) if side**2 == count else (1, count)))


def _has_channels_first(layer: nn.LayerNorm, inputs: Tensor) -> bool:
    """True for the layer normalisation of convolutional networks, which timm derives from torch's."""
    channels = layer.normalized_shape[-1]
    fits = inputs.dim() == 4 and inputs.shape[1] == channels  # noqa: PLR2004 - images, channels, rows, columns
    return fits and (inputs.shape[-1] != channels or type(layer) is not nn.LayerNorm)


def _divergence(reference: LayerMoments, target: LayerMoments) -> float:
    least = max(_LEAST_VARIANCE * float(reference.variance.mean()), _LEAST)
    one, other = (np.maximum(moments.variance, least) for moments in (reference, target))
    gap = (reference.mean - target.mean) ** 2
    return float(np.mean((one / other + other / one + gap * (1 / one + 1 / other)) / 4 - 0.5))
