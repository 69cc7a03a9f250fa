"""Fills the encoder of a network from a state dict that others named. Knows nothing of files."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from geoseg.errors import ModelError

_LOG = logging.getLogger("geoseg")
_WRAPPERS = {"encoder", "backbone", "model", "module", "network", "net", "_orig_mod"}
"""First parts of names that say only where the encoder stands."""

_KERNEL_DIMENSIONS = 4


def fill_encoder(encoder: nn.Module, state: Mapping[str, Tensor], *, bands: int, origin: str) -> None:
    """Put the tensors that fit into an encoder; the others keep their random numbers, which is logged.

    Names fit with and without what stands before the encoder (`encoder.`, `model.`), and as timm has them. A first
    convolution for another number of bands is adapted.

    Args:
        encoder: is changed.
        state: tensors by name; those of a decoder or a classifier are ignored.
        bands: of the encoder's images.
        origin: where the tensors come from, for messages.

    Raises:
        ModelError: if less than half of the encoder's tensors find one that fits.
    """
    wanted = {name: tensor for name, tensor in encoder.state_dict().items() if not _is_counter(name)}
    offered = {_plain(name): tensor for name, tensor in _of_encoder(state).items()}
    fitting: dict[str, Tensor] = {}
    for name, tensor in wanted.items():
        found = _fitted(offered.get(_plain(name)), tensor.shape, bands)
        if found is not None:
            fitting[name] = found.to(tensor.dtype)
    missing = [name for name in wanted if name not in fitting]
    if len(fitting) * 2 < len(wanted):
        raise ModelError(
            f"{origin}: {len(fitting)} of {len(wanted)} tensors of the encoder fit, at least half must: "
            f"{missing[0]} is the first that does not; give the weights of the same encoder"
        )
    if missing:
        _LOG.warning(
            "%s: %d of %d tensors of the encoder do not fit and stay random, %s first",
            origin,
            len(missing),
            len(wanted),
            missing[0],
        )
    with torch.no_grad():
        encoder.load_state_dict({**encoder.state_dict(), **fitting})


def adapt_bands(kernel: Tensor, bands: int) -> Tensor:
    """A first convolution for another number of bands whose response keeps its scale.

    The bands of the kernel are repeated in turn and scaled down, or summed where one band is left, as smp does.

    Args:
        kernel: (out, bands in the file, height, width).
        bands: wanted, at least 1.

    Returns:
        (out, bands, height, width).
    """
    held = kernel.shape[1]
    if bands == 1:
        return kernel.sum(dim=1, keepdim=True)
    order = torch.arange(bands) % held
    return kernel[:, order] * (held / bands)


def _of_encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Only what stands under `encoder.` where something does."""
    inside = {name: tensor for name, tensor in state.items() if "encoder" in name.split(".")[:3]}
    has_decoder = any("decoder" in name.split(".")[:3] for name in state)
    return inside if has_decoder else dict(state)


def _plain(name: str) -> str:
    """A name without what stands before the encoder; timm has `stages.0` and smp `stages_0` for the same."""
    parts = name.split(".")
    while len(parts) > 1 and parts[0] in _WRAPPERS:
        parts = parts[1:]
    return ".".join(parts).replace("_", ".")


def _fitted(found: Tensor | None, shape: torch.Size, bands: int) -> Tensor | None:
    if found is None or found.shape == shape:
        return found
    is_first = found.ndim == len(shape) == _KERNEL_DIMENSIONS and shape[1] == bands
    if is_first and (found.shape[0], *found.shape[2:]) == (shape[0], *shape[2:]):
        return adapt_bands(found, bands)
    return None


def _is_counter(name: str) -> bool:
    return name.endswith("num_batches_tracked")
