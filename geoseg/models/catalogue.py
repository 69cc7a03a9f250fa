"""Which architectures and encoders there are to build from, and which of their options. Builds nothing."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable
from fnmatch import fnmatchcase
from types import ModuleType

from geoseg.errors import ModelError
from geoseg.models.torchvision_shim import declare_missing_operators

TIMM = "tu-"
"""Before the name of a timm model it makes that of an encoder."""

SET_BY_SPEC = frozenset({"self", "kwargs", "encoder_name", "encoder_weights", "in_channels", "classes", "activation"})
"""Keywords of an architecture that are no options: geoseg sets them itself."""

_LISTED = "`geoseg models networks` lists them"


def smp() -> ModuleType:
    """segmentation-models-pytorch, imported when it is first needed: it takes seconds."""
    declare_missing_operators()
    import segmentation_models_pytorch  # noqa: PLC0415

    module: ModuleType = segmentation_models_pytorch
    return module


def architectures() -> tuple[str, ...]:
    """Names of all architectures, in lower case, sorted."""
    return tuple(sorted(smp().MODEL_ARCHITECTURES_MAPPING))


def options_of(architecture: str) -> tuple[str, ...]:
    """Names of the options that an architecture takes, sorted.

    Args:
        architecture: one of `architectures()`.
    """
    builder = smp().MODEL_ARCHITECTURES_MAPPING[architecture]
    return tuple(sorted(set(inspect.signature(builder).parameters) - SET_BY_SPEC - {"aux_params"}))


def native_encoders() -> tuple[str, ...]:
    """Names of smp's own encoders, in smp's order."""
    return tuple(smp().encoders.get_encoder_names())


def timm_encoders() -> tuple[str, ...]:
    """Names of the encoders made of timm models, sorted."""
    declare_missing_operators()
    import timm  # noqa: PLC0415

    return tuple(sorted(TIMM + name for name in timm.list_models()))


def encoders_like(pattern: str | None) -> tuple[str, ...]:
    """Encoders whose name matches a pattern as shells match them, smp's own first; only smp's own without a pattern."""
    if pattern is None:
        return native_encoders()
    own = tuple(name for name in native_encoders() if fnmatchcase(name, pattern))
    return own + tuple(name for name in timm_encoders() if fnmatchcase(name, pattern))


def hub_weights(encoder: str) -> tuple[str, ...]:
    """What `encoder_weights` may be called for an encoder; empty where the hub has none.

    Args:
        encoder: one of `native_encoders()`, or `tu-` and a timm model with or without the tag of its weights.
    """
    if not encoder.startswith(TIMM):
        return tuple(smp().encoders.encoders[encoder]["pretrained_settings"])
    import timm  # noqa: PLC0415

    return ("imagenet",) if timm.models.is_model_pretrained(encoder.removeprefix(TIMM)) else ()


def known_architecture(name: str) -> str:
    """The name of an architecture as smp keys it.

    Raises:
        ModelError: if there is none of that name.
    """
    found = name.lower()
    if found not in architectures():
        raise ModelError(f"unknown architecture {name!r}{_like(found, architectures())}; {_LISTED}")
    return found


def known_encoder(name: str) -> str:
    """The name of an encoder, once it is known to be one.

    Raises:
        ModelError: if there is none of that name.
    """
    own = native_encoders()
    import timm  # noqa: PLC0415

    if name.startswith(TIMM):
        if not timm.is_model(name.removeprefix(TIMM)):
            close = _like(name.removeprefix(TIMM), timm.list_models(), TIMM)
            raise ModelError(f"unknown timm encoder {name!r}{close}; {_LISTED}")
    elif name not in own:
        renamed = TIMM + name.removeprefix("timm-")
        close = f": did you mean {renamed}?" if timm.is_model(renamed.removeprefix(TIMM)) else _like(name, own)
        raise ModelError(f"unknown encoder {name!r}{close}; {_LISTED}")
    return name


def refuse_unknown_options(architecture: str, encoder: str, options: Iterable[str]) -> None:
    """Refuse options that neither an architecture nor its encoder can take.

    A timm model takes keywords that no list names, such as `img_size`; what it does not take is found when it is made.

    Raises:
        ModelError: that names the first wrong option and those that there are.
    """
    known = options_of(architecture)
    passed_on = encoder.startswith(TIMM)
    taken = {"name", "in_channels", "depth", "weights", "output_stride", "aux_params"} | SET_BY_SPEC
    for option in sorted(set(options) - set(known)):
        if option in taken or not passed_on:
            raise no_such_option(architecture, option)


def no_such_option(architecture: str, option: str) -> ModelError:
    """The error about an option that an architecture does not take."""
    known = options_of(architecture)
    return ModelError(f"{architecture} has no option {option!r}{_like(option, known)}; it has {', '.join(known)}")


def _like(wrong: str, known: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(wrong, list(known), n=4, cutoff=0.4)
    return f": did you mean {', '.join(prefix + name for name in close)}?" if close else ""
