"""What the distances of some scenes from a model's reference mean, and what may be done about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Verdict = Literal["fine", "radiometric", "prior", "content", "unusable"]

LEAST_HIGH: Mapping[str, float] = MappingProxyType(
    {"bands": 0.35, "worst_band": 1.0, "layers": 0.3, "layers_matched": 0.3, "prior": 0.2, "features": 0.05}
)
"""Below these a distance is never high, however small the spread of the reference is."""

TIMES_SPREAD: Mapping[str, float] = MappingProxyType(
    {"bands": 1.0, "worst_band": 2.0, "layers": 1.5, "layers_matched": 1.5, "prior": 1.5, "features": 2.0}
)
"""A distance is high above this many times the spread of the reference."""

HIGH_UNCALIBRATED: Mapping[str, float] = MappingProxyType({"bands": 1.5, "worst_band": 2.3})
"""Limits where a package has no reference and distances are from the mean and deviation of its training imagery."""

FALLEN = 0.6
"""Layers fall by matching where at most this share of their distance is left, or where they are no longer high."""

BANDS_OUTSIDE = 6.0
"""Standard deviations; beyond, numbers are in another unit rather than another light."""

COARSEST = 4.0
"""Times the pixel size of the model; beyond, what it looks for cannot be seen."""

HOPELESS = 0.2
"""Mean IoU; where less than this is expected at best, the map is of no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distances:
    """How far scenes are from the reference ground of a model; None = cannot be said."""

    bands: float | None = None
    """Mean over the bands of the Wasserstein distance, in standard deviations of the reference."""

    worst_band: float | None = None
    """The same of the band that is farthest."""

    layers: float | None = None
    """Of the inputs of the normalisation layers."""

    layers_matched: float | None = None
    """The same once the bands are matched."""

    prior: float | None = None
    """Jensen-Shannon divergence of the corrected class shares from the reference's, 0 to 1."""

    features: float | None = None
    """Share of pixels whose features are farther than 99 % of the reference's, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardChecks:
    """What makes scenes unusable as they are, whatever the distances."""

    encoding: str | None = None
    """In which their numbers seem to be written, where it is another than the model's."""

    gsd_ratio: float | None = None
    """The largest, of pixels by those of the model."""

    best_mean_iou: float | None = None
    """The upper end of what is expected, 0 to 1."""


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


def limits_of(spread: Mapping[str, float]) -> Mapping[str, float]:
    """Above which number each distance is high, by its name.

    Args:
        spread: how far parts of the reference ground are from all of it; empty without a reference.
    """
    if not spread:
        return dict(LEAST_HIGH) | dict(HIGH_UNCALIBRATED)
    known = dict(spread) | {"layers_matched": spread.get("layers", 0.0), "worst_band": spread.get("bands", 0.0)}
    return {name: max(least, TIMES_SPREAD[name] * known.get(name, 0.0)) for name, least in LEAST_HIGH.items()}


def judge(distances: Distances, spread: Mapping[str, float], checks: HardChecks) -> Judgement:
    """The verdict of a table of decisions: hard checks first, then which distances are high.

    | bands | prior | layers after matching | verdict |
    |---|---|---|---|
    | low | low | low | fine |
    | high | low | fallen | radiometric |
    | low | high | any | prior |
    | otherwise | | | content |

    Args:
        distances: from the reference; what cannot be said counts as low.
        spread: of the reference.
        checks: whether the scenes can be used at all.
    """
    limits = limits_of(spread)
    reason = _unusable(distances, checks)
    if reason:
        return Judgement(verdict="unusable", sentence=reason)
    high = {name for name, limit in limits.items() if (_of(distances, name) or 0.0) > limit}
    if "worst_band" in high:
        high.add("bands")
    if "bands" not in high and "prior" in high:
        return _prior()
    if "bands" in high and "prior" not in high and _fallen(distances, high):
        return _radiometric(distances)
    if high & {"bands", "prior", "layers", "features"}:
        return _content(high)
    if distances.layers is None:
        return Judgement(verdict="fine", sentence="The bands are like those of training; more cannot be told.")
    return Judgement(verdict="fine", sentence="The scenes are like the ground that the model was validated on.")


def _unusable(distances: Distances, checks: HardChecks) -> str | None:
    if checks.encoding is not None:
        return f"The numbers of the scenes look like {checks.encoding}: convert them to what the model takes."
    if distances.bands is not None and distances.bands > BANDS_OUTSIDE:
        return (
            f"The numbers of the scenes lie {distances.bands:.0f} standard deviations from those of training: correct "
            "their scale, or choose another model."
        )
    if checks.gsd_ratio is not None and checks.gsd_ratio > COARSEST:
        return f"The pixels are {checks.gsd_ratio:.1f} times as large as the model's: choose a model for such pixels."
    if checks.best_mean_iou is not None and checks.best_mean_iou < HOPELESS:
        return f"At best a mean IoU of {checks.best_mean_iou:.2f} is to be expected: choose or train another model."
    return None


def _fallen(distances: Distances, high: set[str]) -> bool:
    """True where matching the bands brings the layers back, or nothing is known of them."""
    before, after = distances.layers, distances.layers_matched
    return before is None or after is None or "layers_matched" not in high or after <= FALLEN * before


def _radiometric(distances: Distances) -> Judgement:
    known = distances.layers is not None
    effect = "and matching them brings the network back to what it knows" if known else "by light, haze or sensor"
    return Judgement(
        verdict="radiometric",
        sentence=f"The bands differ from the reference, {effect}.",
        suited=("match", "adabn", "selftrain"),
    )


def _prior() -> Judgement:
    reason = "classes cover other shares of the ground here, which it would take for another light"
    pushed = "classes cover other shares of the ground here, which it would push back to those of training"
    return Judgement(
        verdict="prior",
        sentence="The bands are as the model knows them, but classes cover other shares of the ground: "
        "leave its statistics alone.",
        forbidden=MappingProxyType({"adabn": reason, "tent": reason, "adversarial": pushed}),
    )


def _content(high: set[str]) -> Judgement:
    shares = "prior" in high
    parts = [
        text
        for name, text in (("bands", "the bands"), ("prior", "the shares of the classes"), ("layers", "the layers"))
        if name in high
    ]
    what = " and ".join(parts) or "the features of many pixels"
    reason = "classes cover other shares of the ground here, and it narrows to the most frequent"
    return Judgement(
        verdict="content",
        sentence=f"The ground itself looks different: {what} differ from the reference, and radiometry alone does not "
        "explain it.",
        suited=("match", "selftrain") if "bands" in high else (),
        forbidden=MappingProxyType({"tent": reason} if shares else {}),
    )


def _of(distances: Distances, name: str) -> float | None:
    value: float | None = getattr(distances, name)
    return value
