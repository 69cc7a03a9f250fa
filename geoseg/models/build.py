"""Builds networks. Knows nothing of packages or training."""

from __future__ import annotations

import re
from pathlib import Path

from torch import nn

from geoseg.errors import ModelError
from geoseg.models.catalogue import (
    TIMM,
    hub_weights,
    known_architecture,
    known_encoder,
    no_such_option,
    refuse_unknown_options,
    smp,
)
from geoseg.models.encoder_weights import fill_encoder
from geoseg.models.spec import NetworkSpec
from geoseg.models.state_dict import STATE_DICT_SUFFIXES, read_state_dict

_HINTS = {
    "downsampling pattern": " Plain vision transformers go with dpt alone",
    "argument 'output_stride'": ": this encoder cannot be dilated, choose another or fpn, unet, segformer, upernet",
}
_STRANGE_KEYWORD = re.compile(r"unexpected keyword argument '(\w+)'")


def build_network(spec: NetworkSpec, *, encoder_weights: str | Path | None = None) -> nn.Module:
    """A network from images (n, bands, height, width) to logits (n, classes, height, width).

    Which heights and widths it takes, `geoseg.models.probing.inspect_network` finds out.

    Args:
        spec: what to build.
        encoder_weights: what the encoder starts from: the name of weights that smp or timm may download (`imagenet`),
            the path of a file with a state dict, or None for random weights.

    Raises:
        ModelError: for an unknown architecture, encoder or option, ones that do not go together, or weights that
            cannot be had or do not fit.
    """
    architecture = known_architecture(spec.architecture)
    encoder = known_encoder(spec.encoder)
    refuse_unknown_options(architecture, encoder, spec.options)
    if encoder_weights is None:
        return _made(architecture, spec, None)
    if isinstance(encoder_weights, Path) or _is_path(encoder_weights):
        path = Path(encoder_weights)
        state = read_state_dict(path)
        network = _made(architecture, spec, None)
        fill_encoder(network.get_submodule("encoder"), state, bands=spec.bands, origin=str(path))
        return network
    return _downloaded(architecture, spec, encoder_weights)


def _is_path(text: str) -> bool:
    return Path(text).suffix.lower() in STATE_DICT_SUFFIXES or "/" in text or "\\" in text


def _downloaded(architecture: str, spec: NetworkSpec, name: str) -> nn.Module:
    names = hub_weights(spec.encoder)
    if name not in names:
        hint = f"there are {', '.join(names)}" if names else "the hub has none"
        if names and spec.encoder.startswith(TIMM):
            hint = (
                f"give {names[0]}, and choose among a timm model's weights by its name, such as {TIMM}resnet18.a1_in1k"
            )
        raise ModelError(f"encoder {spec.encoder} has no weights {name!r}: {hint}; a local file or null will do too")
    try:
        return _made(architecture, spec, name)
    except OSError as error:
        raise ModelError(
            f"weights {name!r} of encoder {spec.encoder} cannot be downloaded ({type(error).__name__}): they need the "
            "network; set encoder_weights to a local file (.safetensors, .pt, .pth), or to null for random weights"
        ) from error


def _made(architecture: str, spec: NetworkSpec, weights: str | None) -> nn.Module:
    """Let smp build; a timm encoder takes True in place of the name of its weights."""
    try:
        network = smp().create_model(
            architecture,
            encoder_name=spec.encoder,
            encoder_weights=True if weights and spec.encoder.startswith(TIMM) else weights,
            in_channels=spec.bands,
            classes=spec.classes,
            **spec.options,
        )
    except (KeyError, ValueError, TypeError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())
        strange = _STRANGE_KEYWORD.search(reason)
        if strange and strange[1] in spec.options:
            raise no_such_option(architecture, strange[1]) from error
        hint = next((hint for cause, hint in _HINTS.items() if cause in reason), "")
        raise ModelError(f"{architecture} with encoder {spec.encoder} cannot be built: {reason}{hint}") from error
    if not isinstance(network, nn.Module):
        raise TypeError(f"smp built a {type(network).__name__}, not a torch module")
    return network
