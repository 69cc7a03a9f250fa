"""Finds out by running it what a network takes, gives and is made of. Changes nothing of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from geoseg.errors import ModelError
from geoseg.models.catalogue import TIMM
from geoseg.models.spec import NetworkSpec

_KINDS: tuple[tuple[str, type[nn.Module]], ...] = (
    ("batch_norm", nn.modules.batchnorm._BatchNorm),  # noqa: SLF001 - torch has no public name for all of them
    ("instance_norm", nn.modules.instancenorm._InstanceNorm),  # noqa: SLF001
    ("layer_norm", nn.LayerNorm),
    ("group_norm", nn.GroupNorm),
    ("rms_norm", nn.RMSNorm),
)
_DIVISORS = (1, 2, 4, 7, 8, 14, 16, 28, 32, 56, 64)
_SMALLEST_PROBE = 128
_FACTORS = tuple(number for number in range(3, 140, 2) if number % 7)
"""Times a divisor they make no multiple of a larger one of `_DIVISORS`, whose quotients are 2s and 7s."""

REFUSALS = (RuntimeError, AssertionError, ValueError, IndexError, TypeError)
"""What networks raise at an image of a size that they do not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFacts:
    """What a network is made of, and which tiles it takes."""

    parameters: int
    """Numbers that are learned."""

    normalisation: Mapping[str, int]
    """Layers by kind: batch_norm, layer_norm, group_norm, ...; kinds without a layer are left out."""

    divisor: int
    """A tile must be a multiple of it, px; the tile itself where the network takes no other size."""

    fixed_size: bool
    """True where the network takes no tile but the one it was tried with."""


def inspect_network(network: nn.Module, spec: NetworkSpec, *, tile: int) -> NetworkFacts:
    """Run a network on noise: once on a tile, and on small images until its divisor is found.

    Args:
        network: as built from `spec`; neither its weights nor its mode change.
        spec: how it was built.
        tile: side of the square that it will see, px.

    Raises:
        ModelError: if the network does not take such a tile, or gives anything but finite logits
            (1, classes, tile, tile).
    """
    with evaluating(network):
        refusal = _refusal(network, spec, tile)
        divisor = find_divisor(network, spec, tile=tile, works=refusal is None)
        if refusal is not None:
            raise ModelError(
                f"{spec.architecture} with encoder {spec.encoder} cannot map tiles of {tile} px: "
                f"{_advice(network, spec, tile, divisor)} ({refusal})"
            )
    return NetworkFacts(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        normalisation=count_normalisation(network),
        divisor=divisor or tile,
        fixed_size=divisor is None,
    )


def count_normalisation(network: nn.Module) -> dict[str, int]:
    """Normalisation layers by kind; a kind that torch does not have is called as its class is."""
    kinds = Counter(kind for module in network.modules() if (kind := _kind(module)))
    return dict(sorted(kinds.items()))


def _kind(module: nn.Module) -> str | None:
    for kind, base in _KINDS:
        if isinstance(module, base):
            return kind
    name = type(module).__name__
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() if "norm" in name.lower() and own else None


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Inside, the network is in evaluation mode and keeps no gradients; afterwards its modes are as they were."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def _refusal(network: nn.Module, spec: NetworkSpec, side: int) -> str | None:
    """Why a network cannot be used on a square of noise; None where it can."""
    weights = next(network.parameters())
    noise = torch.randn(1, spec.bands, side, side, generator=torch.Generator().manual_seed(0))
    try:
        logits: object = network(noise.to(weights))
    except REFUSALS as error:
        return " ".join(str(error).split())[:200] or type(error).__name__
    if not isinstance(logits, Tensor):
        return f"it gives a {type(logits).__name__}, not one tensor of logits"
    if logits.shape != (1, spec.classes, side, side):
        return f"it gives logits of shape {tuple(logits.shape)}, not {(1, spec.classes, side, side)}"
    return None if bool(torch.isfinite(logits).all()) else "its logits are not finite numbers"


def find_divisor(network: nn.Module, spec: NetworkSpec, *, tile: int, works: bool = True) -> int | None:
    """The smallest number of which the network takes odd multiples; None where it takes no other size than the tile.

    Args:
        network: in evaluation mode.
        spec: how it was built.
        tile: side of the square that it will see, px.
        works: True where it takes the tile.
    """
    for divisor in _DIVISORS:
        if works and tile % divisor:
            continue
        if all(_refusal(network, spec, side) is None for side in _probe_sides(divisor, tile)):
            return divisor
    return None


def _probe_sides(divisor: int, tile: int) -> tuple[int, int]:
    """Two multiples that no larger divisor of `_DIVISORS` shares, 128 px or more and not the tile."""
    sides = (divisor * factor for factor in _FACTORS)
    first, second, *_ = (side for side in sides if side >= _SMALLEST_PROBE and side != tile)
    return first, second


def _advice(network: nn.Module, spec: NetworkSpec, tile: int, divisor: int | None) -> str:
    if divisor is not None:
        below = tile // divisor * divisor
        tried = [side for side in (below, below + divisor, below + 2 * divisor) if side and side != tile]
        taken = [str(side) for side in tried if _refusal(network, spec, side) is None]
        return f"it takes multiples of {divisor} px, such as {' or '.join(taken) or 'larger ones'}"
    options = spec.options
    if spec.encoder.startswith(TIMM) and not options.get("dynamic_img_size") and options.get("img_size") != tile:
        return f"choose the size of its encoder, or set dynamic_img_size: true or img_size: {tile} in its options"
    return "choose another tile, encoder or option"
