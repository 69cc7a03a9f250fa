"""Fits a state dict from elsewhere to a whole network. Every tensor must find its place."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from geoseg.errors import ModelError

_LOG = logging.getLogger("geoseg")
_COUNTER = "num_batches_tracked"
_IMAGE_HEAD = "classification_head."


def matched_state(
    state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], *, prefix: str | None, origin: str
) -> dict[str, Tensor]:
    """The tensors of a network, under its names and in its number formats.

    Counters of batches may be missing, and a head for the class of the whole image is left out: neither changes the
    map. A head with one logit becomes one with two, for what is not and what is: softmax((0, z)) is sigmoid(z).

    Args:
        state: tensors as stored.
        wanted: the state dict of the network as built.
        prefix: what stands before the names in `state`; None finds it out.
        origin: where `state` comes from, for messages.

    Raises:
        ModelError: if a tensor is missing, left over or of another shape, or two prefixes fit alike.
    """
    found = _below(state, _found_prefix(state, wanted, origin) if prefix is None else prefix, origin)
    found = {name: tensor for name, tensor in found.items() if not name.startswith(_IMAGE_HEAD)}
    found |= {name: tensor for name, tensor in wanted.items() if name.endswith(_COUNTER) and name not in found}
    found = {name: _second_logit(name, tensor, wanted.get(name)) for name, tensor in found.items()}
    _refuse_misfits(found, wanted, origin)
    return {name: found[name].to(tensor.dtype) for name, tensor in wanted.items()}


def _found_prefix(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor], origin: str) -> str:
    """What stands before most of the wanted names; the network of a whole timm encoder has one part more."""
    by_end: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")
        by_end.update(
            ".".join([*parts[:cut], ""]) if cut else "" for cut in range(len(parts)) if ".".join(parts[cut:]) in wanted
        )
    best = by_end.most_common(2)
    if not best:
        raise ModelError(
            f"{origin}: none of its {len(state)} tensors has a name of the network, such as {next(iter(wanted))}: "
            "correct architecture and encoder"
        )
    if len(best) > 1 and best[0][1] == best[1][1]:
        names = " and ".join(repr(prefix) for prefix, _ in best)
        raise ModelError(f"{origin}: holds more than one network, under {names}: choose by the setting prefix")
    return best[0][0]


def _below(state: Mapping[str, Tensor], prefix: str, origin: str) -> dict[str, Tensor]:
    outside = [name for name in state if not name.startswith(prefix)]
    if outside:
        _LOG.warning("%s: left out %d tensors outside %r, %s first", origin, len(outside), prefix, outside[0])
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _second_logit(name: str, tensor: Tensor, wanted: Tensor | None) -> Tensor:
    is_head = wanted is not None and name.startswith("segmentation_head.")
    if not is_head or wanted is None or tensor.shape != (1, *wanted.shape[1:]) or wanted.shape[0] != len("01"):
        return tensor
    return torch.cat([torch.zeros_like(tensor), tensor])


def _refuse_misfits(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], origin: str) -> None:
    missing = [name for name in wanted if name not in found]
    left_over = [name for name in found if name not in wanted]
    other = [name for name in wanted if name in found and found[name].shape != wanted[name].shape]
    parts = [
        f"{len(names)} {what}, {names[0]} first"
        for what, names in (("missing", missing), ("left over", left_over))
        if names
    ]
    if other:
        first = other[0]
        shapes = f"{tuple(found[first].shape)} for {tuple(wanted[first].shape)}"
        parts.append(f"{len(other)} of another shape, {first} first ({shapes})")
    if parts:
        raise ModelError(
            f"{origin}: of the {len(wanted)} tensors of the network {'; '.join(parts)}: "
            "correct architecture, encoder, options, bands or classes"
        )
