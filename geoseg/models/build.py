"""Builds networks. Knows nothing of packages, files or training."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable

from torch import nn

from geoseg.errors import ModelError
from geoseg.models.spec import NetworkSpec
from geoseg.models.torchvision_shim import declare_missing_operators

_SET_BY_SPEC = {"self", "kwargs", "encoder_name", "encoder_weights", "in_channels", "classes", "activation"}


def build_network(spec: NetworkSpec, *, encoder_weights: str | None = None) -> nn.Module:
    """A network from images (n, bands, height, width) to logits (n, classes, height, width).

    Height and width must be multiples of 32. smp is imported here and not above: it takes seconds.

    Args:
        spec: what to build.
        encoder_weights: name of pretrained weights that smp may download; None starts from random weights.

    Raises:
        ModelError: for an unknown architecture, encoder or option, or ones that do not go together.
    """
    declare_missing_operators()
    import segmentation_models_pytorch as smp  # noqa: PLC0415

    architectures = smp.MODEL_ARCHITECTURES_MAPPING
    architecture = spec.architecture.lower()
    if architecture not in architectures:
        raise ModelError(f"unknown architecture {spec.architecture!r}{_like(architecture, architectures)}")
    _refuse_unknown_encoder(spec.encoder)
    known = set(inspect.signature(architectures[architecture]).parameters) - _SET_BY_SPEC
    unknown = sorted(set(spec.options) - known)
    if unknown:
        raise ModelError(f"{architecture} has no option {unknown[0]!r}: it has {', '.join(sorted(known))}")
    try:
        network = smp.create_model(
            architecture,
            encoder_name=spec.encoder,
            encoder_weights=encoder_weights,
            in_channels=spec.bands,
            classes=spec.classes,
            **spec.options,
        )
    except (KeyError, ValueError, TypeError, RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{architecture} with encoder {spec.encoder} cannot be built: {reason}") from error
    if not isinstance(network, nn.Module):
        raise TypeError(f"smp built a {type(network).__name__}, not a torch module")
    return network


def _refuse_unknown_encoder(encoder: str) -> None:
    import segmentation_models_pytorch as smp  # noqa: PLC0415
    import timm  # noqa: PLC0415

    if encoder.startswith("tu-"):
        name = encoder.removeprefix("tu-")
        if not timm.is_model(name):
            raise ModelError(f"unknown timm encoder {encoder!r}{_like(name, timm.list_models(), 'tu-')}")
    elif encoder not in smp.encoders.get_encoder_names():
        raise ModelError(f"unknown encoder {encoder!r}{_like(encoder, smp.encoders.get_encoder_names())}")


def _like(wrong: str, known: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(wrong, list(known), n=4, cutoff=0.4)
    return f": did you mean {', '.join(prefix + name for name in close)}?" if close else ""
