"""Which network to build, as plain values. Imports no torch, so listings and settings stay light."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from geoseg.errors import ModelError

MOST_BANDS, MOST_CLASSES = 1000, 255
"""That a network may have."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_OPTION_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_OPTION_TEXT = re.compile(r"[A-Za-z0-9_+-]{0,64}")
_LARGEST_NUMBER, _MOST_NUMBERS = 65536, 64
_NEVER = re.compile(
    "activation|cfg|classes|device|dtype|encoder_(name|weights)|exportable|feature_cls|features_only|in_channels|in_chans|"
    "model_name|name|no_jit|out_indices|pruned|scriptable"
)
"""Keywords of timm and smp that geoseg sets itself, or that change what is built."""

_NEVER_PART = re.compile(r"pretrained|checkpoint|cache|cfg|file|folder|url|hub|_dir$|_path$|state_dict")
"""In the name of a keyword it says that timm would read a file or ask the network."""

OptionValue = int | float | str | bool | tuple[int, ...] | None
"""What an option of an architecture may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """An architecture of segmentation-models-pytorch with its encoder and sizes."""

    architecture: str
    """As smp calls it: unet, fpn, segformer, ..."""

    encoder: str
    """As smp calls it: resnet18, mit_b0, ... or `tu-` and the name of a timm model."""

    bands: int
    """Bands of the image, at least 1."""

    classes: int
    """Classes of the logits, at least 1."""

    options: Mapping[str, OptionValue] = field(default_factory=dict)
    """Further keywords of the architecture, such as `decoder_channels`; never one that names a file or a host."""

    def __post_init__(self) -> None:
        if not (1 <= self.bands <= MOST_BANDS and 1 <= self.classes <= MOST_CLASSES):
            raise ModelError(
                f"a network needs at least 1 band and 1 class, got {self.bands} and {self.classes}; "
                f"at most {MOST_BANDS} and {MOST_CLASSES}"
            )
        for what, name in (("architecture", self.architecture), ("encoder", self.encoder)):
            if not _NAME.fullmatch(name):
                raise ModelError(f"unknown {what} {name[:100]!r}: a name has letters, digits and . _ - alone")
        for option, value in self.options.items():
            _refuse_option(option, value)


def _refuse_option(option: str, value: OptionValue) -> None:
    """Refuse an option that could name a file, a host or a size that no network has."""
    if not _OPTION_NAME.fullmatch(option) or _NEVER.fullmatch(option) or _NEVER_PART.search(option):
        raise ModelError(f"a network has no option {option[:64]!r}: it is none, or geoseg sets it itself")
    parts = value if isinstance(value, tuple) else (value,)
    if len(parts) > _MOST_NUMBERS or not all(_is_plain(part) for part in parts):
        raise ModelError(
            f"option {option!r} must be a word, a number up to {_LARGEST_NUMBER} or up to {_MOST_NUMBERS} of them, "
            f"got {str(value)[:100]!r}"
        )


def _is_plain(value: OptionValue) -> bool:
    if isinstance(value, str):
        return _OPTION_TEXT.fullmatch(value) is not None
    if isinstance(value, int | float):
        return math.isfinite(value) and abs(value) <= _LARGEST_NUMBER
    return value is None
