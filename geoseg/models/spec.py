"""Which network to build, as plain values. Imports no torch, so listings and settings stay light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from geoseg.errors import ModelError

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
    """Further keywords of the architecture, such as `decoder_channels`."""

    def __post_init__(self) -> None:
        if self.bands < 1 or self.classes < 1:
            raise ModelError(f"a network needs at least 1 band and 1 class, got {self.bands} and {self.classes}")
