"""Refuses candidates that may be worse than the model as it was. Pure: knows no networks and no files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.adaptation.rise import Rise
from geoseg.adaptation.selector import Sight
from geoseg.models.reference import Numbers
from geoseg.shift.consistency import Consistency
from geoseg.shift.priors import jensen_shannon


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a candidate must keep to."""

    gain: float = 0.01
    """Least rise of the consistency."""

    p_value: float = 0.05
    """Largest share of bootstrap draws in which the consistency does not rise."""

    draws: int = 1000
    """Of the bootstrap over windows (Efron 1979)."""

    source_drop: float = 0.02
    """Largest fall of the mean IoU on held-out ground of the source."""

    seen: float = 0.005
    """Share of the pixels from which on a class may not vanish."""

    left: float = 0.1
    """Part of its pixels that a class must keep."""

    drift: float = 0.15
    """Largest Jensen-Shannon divergence of the class shares, bits."""

    agreement: float = 0.7
    """Least agreement where the model as it was is most confident."""

    layers_left: float = 0.12
    """Largest distance of the normalisation layers that may be left once the bands are matched."""

    far: float = 0.05
    """Largest share of pixels with features unlike nearly all of the reference."""

    lost: float = 0.5
    """Share of pixels with such features from which on the steadiness of the model as it was means nothing."""

    dressed: float = 0.1
    """Least rise of the mean IoU on labelled ground in the look of the target, where matching undoes too little."""

    reached: float = 0.5
    """Least mean IoU there: below it a candidate is no model of that look, however much it gained."""


LIMITS = Limits()
"""Chosen on the benchmark of shifts (docs/adaptation.md)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchor:
    """A model whose idea of the target a candidate may not leave altogether: the source, or that on corrected input.

    Under another sensor the source itself reads the target wrongly, and a good candidate differs from it. So a
    candidate has to be near one anchor, and statistics that make the map steadier give further ones.
    """

    family: str
    """Of the candidate that it is: what is made alike is not judged by it."""

    sight: Sight
    """What it says."""

    priors: tuple[Numbers, ...]
    """(classes,) each: shares of the classes that may be expected by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the guard says of a candidate."""

    refusal: str | None
    """Why it may not be taken; None where it may."""

    gain: float
    """Rise of the consistency; NaN where it has none."""

    p_value: float
    """Of that rise; NaN where it has none."""


SourceScores = Callable[[], tuple[float, float] | None]
"""Gives mean IoU on held-out ground of the source, of the model as it was and of a candidate; None without labels."""


def judge(
    sight: Sight | None,
    anchors: Sequence[Anchor],
    scores: SourceScores,
    *,
    names: Sequence[str],
    seed: int,
    limits: Limits = LIMITS,
) -> Finding:
    """Say whether a candidate may be taken.

    Args:
        sight: what it says of held-out windows; None where that is not finite.
        anchors: the model as it was first.
        scores: asked only where everything else holds.
        names: of the classes.
        seed: of the bootstrap.
        limits: what it must keep to.
    """
    if sight is None:
        return Finding(refusal="its weights or its probabilities are not finite", gain=np.nan, p_value=np.nan)
    gain, p_value = gain_of(sight.consistency, anchors[0].sight.consistency, draws=limits.draws, seed=seed)
    checks: tuple[Callable[[], str | None], ...] = (
        lambda: vanished(sight, anchors, limits, names=names),
        lambda: drifted(sight, anchors, limits),
        lambda: disagrees(sight, anchors, limits),
        lambda: not_better(gain, p_value, limits),
        lambda: forgets(scores(), limits),
    )
    refusal = next((found for check in checks if (found := check()) is not None), None)
    return Finding(refusal=refusal, gain=gain, p_value=p_value)


def refused(reason: str) -> Finding:
    """A refusal that needs no look at the candidate."""
    return Finding(refusal=reason, gain=np.nan, p_value=np.nan)


def undone(left: float, far: float, limits: Limits) -> str | None:
    """Why a shift is not one of light or sensor alone, which corrections undo; None where it is.

    Args:
        left: distance of the inputs of the normalisation layers from the reference once the bands are matched.
        far: share of the pixels whose features are farther than 99 % of the reference's, 0 to 1.
        limits: what may be left.
    """
    if left > limits.layers_left:
        return (
            f"matching the bands does not bring the network back to what it knows: its layers stay {left:.2f} away, "
            f"at most {limits.layers_left:g} may be left"
        )
    if far > limits.far:
        return (
            f"the ground itself is new: the features of {far:.0%} of the pixels are unlike the reference's, "
            f"at most {limits.far:.0%} may be"
        )
    return None


def away(far: float | None, limits: Limits) -> str | None:
    """Why a candidate does not know the target either; None where it does.

    Args:
        far: share of the pixels with features unlike nearly all of the reference, as the candidate sees them.
        limits: from where on a model is lost.
    """
    if far is None or far < limits.lost:
        return None
    return f"with it too the features of {far:.0%} of the pixels are unlike the reference's"


def unproven(rise: Rise, limits: Limits) -> str | None:
    """Why labelled ground in the look of the target does not speak for a candidate; None where it does.

    Args:
        rise: what it gains there.
        limits: what it has to.
    """
    told = f"on labelled ground in the look of the target its mean IoU goes from {rise.before:.2f} to {rise.after:.2f}"
    if rise.gain < limits.dressed:
        return f"{told}, a rise of less than {limits.dressed:g}"
    if rise.after < limits.reached:
        return f"{told}, which stays below {limits.reached:g}"
    if rise.p_value >= limits.p_value:
        return f"{told}, which may be chance (p = {rise.p_value:.2f})"
    return None


def gain_of(candidate: Consistency, source: Consistency, *, draws: int, seed: int) -> tuple[float, float]:
    """Rise of the consistency over the source's, and how likely it is chance.

    Returns:
        The rise, and the share of draws of windows, the same for both, in which there is none.
    """
    windows = len(source.unions)
    numbers = np.random.default_rng(seed).integers(windows, size=(draws, windows))
    rises = np.array([candidate.of(drawn).iou - source.of(drawn).iou for drawn in numbers])
    return candidate.iou - source.iou, float((rises <= 0).mean())


def not_better(gain: float, p_value: float, limits: Limits) -> str | None:
    """Why a rise of the consistency is too small or may be chance."""
    if gain < limits.gain:
        return f"its consistency rises by {gain:+.3f}, less than {limits.gain:g}"
    if p_value >= limits.p_value:
        return f"its consistency rises by {gain:+.3f}, which may be chance (p = {p_value:.2f})"
    return None


def vanished(sight: Sight, anchors: Sequence[Anchor], limits: Limits, *, names: Sequence[str]) -> str | None:
    """Which class vanishes that all anchors see: a map of one class would be perfectly steady."""
    expected = np.min([anchor.sight.shares for anchor in anchors], axis=0)
    gone = (expected > limits.seen) & (sight.shares < limits.left * expected)
    if not gone.any():
        return None
    first = int(np.flatnonzero(gone)[expected[gone].argmax()])
    return (
        f"class {names[first]} vanishes: {expected[first]:.1%} of the pixels before, {sight.shares[first]:.2%} with it"
    )


def drifted(sight: Sight, anchors: Sequence[Anchor], limits: Limits) -> str | None:
    """Whether the class shares are far from those that every anchor expects."""
    least = min(jensen_shannon(sight.shares, prior) for anchor in anchors for prior in anchor.priors)
    if least <= limits.drift:
        return None
    return f"its class shares drift by {least:.2f} bits, more than {limits.drift:g}"


def disagrees(sight: Sight, anchors: Sequence[Anchor], limits: Limits) -> str | None:
    """Whether it contradicts every anchor where that is most confident."""
    most = max(_agreement(sight.classes, anchor.sight) for anchor in anchors)
    if most >= limits.agreement:
        return None
    return f"it agrees on {most:.0%} of the most confident pixels, less than {limits.agreement:.0%}"


def forgets(scores: tuple[float, float] | None, limits: Limits) -> str | None:
    """Whether it has become worse on the ground that the model knows."""
    if scores is None:
        return None
    before, after = scores
    if before - after <= limits.source_drop:
        return None
    return f"mean IoU on the source falls from {before:.3f} to {after:.3f}, more than {limits.source_drop:g}"


def _agreement(classes: NDArray[np.uint8], anchor: Sight) -> float:
    same = classes[anchor.confident] == anchor.classes[anchor.confident]
    return float(same.mean()) if len(same) else 1.0
