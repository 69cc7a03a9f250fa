"""What the distances of some scenes from a model's reference mean, and what may be done about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Verdict = Literal["fine", "radiometric", "prior", "content", "unusable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """How far scenes are from the reference ground of a model; None = cannot be said."""

    bands: float | None = None
    """Mean over the bands of the Wasserstein distance, in standard deviations of the reference."""

    layers: float | None = None
    """Of the inputs of the normalisation layers."""

    layers_matched: float | None = None
    """The same once the bands are matched."""

    prior: float | None = None
    """Jensen-Shannon distance of the corrected class shares from the reference's, 0 to 1."""

    features: float | None = None
    """Share of pixels whose features are farther than 99 % of the reference's, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A verdict with its reason and what follows."""

    verdict: Verdict
    """In one word."""

    sentence: str
    """In one sentence."""

    suited: tuple[str, ...] = ()
    """Adapters to try, the first first."""

    forbidden: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Adapters that would harm, with the reason."""
