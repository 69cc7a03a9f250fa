"""Batch normalisation folded into the convolutions before it: the same network in fewer passes over memory."""

from __future__ import annotations

import copy
import logging
from collections import Counter

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

_CLOSE = 1e-3
_CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)
_SMALL = 64  # px; enough to see which layer follows which


@torch.no_grad()
def folded(network: nn.Module, *, bands: int, tile: int) -> nn.Module:
    """A copy of a network in which convolutions do what the batch normalisation after them did.

    In evaluation a batch normalisation multiplies and shifts each channel by constants, which weights and bias of the
    convolution can take (Jacob et al. 2018, Quantization and Training of Neural Networks, section 3.2). Only pairs
    that a run of the network shows are folded, and the copy is used only where it gives the same logits.

    Args:
        network: in evaluation mode, float32; not changed.
        bands: that it takes.
        tile: side of the tiles that it takes, px.

    Returns:
        The copy; one without any change where it would give other logits.
    """
    plain = copy.deepcopy(network)
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return plain
    weights = next(network.parameters())
    side = min(tile, _SMALL) if _takes_any_size(network) else tile
    inputs = torch.linspace(-2, 2, bands * side * side).view(1, bands, side, side).to(weights)
    changed = copy.deepcopy(network)
    for convolution, norm in _pairs(changed, inputs):
        _fold(changed, convolution, norm)
    expected, found = plain(inputs), changed(inputs)
    if torch.allclose(found, expected, rtol=_CLOSE, atol=_CLOSE * float(expected.abs().max())):
        return changed
    log.info("batch normalisation is not folded: the network would give other logits")
    return plain


def has_only_convolutions(network: nn.Module) -> bool:
    """True where convolutions alone have weights, so that all of them may be of less precision."""
    return all(isinstance(module, _CONVOLUTIONS) for module in _with_numbers(network))


def _takes_any_size(network: nn.Module) -> bool:
    return all(isinstance(module, (*_CONVOLUTIONS, nn.BatchNorm2d)) for module in _with_numbers(network))


def _with_numbers(network: nn.Module) -> list[nn.Module]:
    """Layers that have weights or other numbers of their own."""
    return [
        module for module in network.modules() if [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    ]


def _pairs(network: nn.Module, inputs: Tensor) -> list[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Each convolution with the normalisation that its output goes into; both run once."""
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # the tensors too, so that no other gets the place of one
    pairs: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    runs: Counter[nn.Module] = Counter()

    def after(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        runs[module] += 1
        if isinstance(module, nn.Conv2d):
            made[id(output)] = (module, output)

    def before(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.BatchNorm2d) and id(given[0]) in made:
            pairs.append((made[id(given[0])][0], module))

    hooks = [module.register_forward_hook(after) for module in network.modules()]
    hooks += [module.register_forward_pre_hook(before) for module in network.modules()]
    try:
        network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return [pair for pair in pairs if all(runs[module] == 1 for module in pair) and pair[1].running_var is not None]


def _fold(network: nn.Module, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        return
    scale = torch.rsqrt(variance + norm.eps)
    shift = -mean * scale
    if norm.affine:
        scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
    bias = 0.0 if convolution.bias is None else convolution.bias * scale
    weight = convolution.weight * scale.view(-1, 1, 1, 1)
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = nn.Parameter(shift + bias, requires_grad=False)
    name = next(name for name, module in network.named_modules() if module is norm)
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, _rest(norm))


def _rest(norm: nn.BatchNorm2d) -> nn.Module:
    """What a normalisation does besides: timm has some with an activation inside."""
    inside = [module for name in ("drop", "act") if isinstance(module := getattr(norm, name, None), nn.Module)]
    return nn.Sequential(*inside) if inside else nn.Identity()
