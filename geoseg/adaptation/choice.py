"""Which candidate is taken: the steadiest that the guard lets through, else the model as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from geoseg.adaptation.guard import LIMITS, Anchor, Finding, judge
from geoseg.adaptation.plan import STATISTICS
from geoseg.adaptation.result import CandidateScore, GuardVerdict
from geoseg.adaptation.selector import Sight
from geoseg.adaptation.source_scores import SourceScores
from geoseg.adaptation.trial import Tried
from geoseg.models.reference import Numbers, ReferenceStatistics
from geoseg.shift.priors import corrected_prior, jensen_shannon

_LEAST_RISE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was chosen, and what the guard said of all."""

    chosen: Tried
    """The model as it was where the guard refused all others."""

    scores: tuple[CandidateScore, ...]
    """In the order of the candidates."""


class Judge:
    """Asks the guard about candidates of one problem."""

    def __init__(
        self,
        tried: Sequence[Tried],
        reference: ReferenceStatistics | None,
        source_scores: SourceScores | None,
        *,
        names: Sequence[str],
        seed: int,
        prior_shift: bool = False,
    ) -> None:
        """Find the anchors.

        Args:
            tried: the model as it was, then all candidates.
            reference: statistics of the model's ground, where the package has them.
            source_scores: of held-out ground of the source, where there is any.
            names: of the classes.
            seed: of the bootstrap.
            prior_shift: whether the target is known to have other shares of the classes than the model's ground.
        """
        self._tried = tried
        self._scores = source_scores
        self._names = names
        self._seed = seed
        self._source, *self._corrected = anchors_of(tried, reference, prior_shift=prior_shift)

    def decide(self) -> Decision:
        """Try candidates from the steadiest down until one passes; those after it are not scored on the source."""
        source, *others = self._tried
        chosen, findings = source, dict[str, Finding]()
        for each in sorted(others, key=lambda each: -each.score if each.sight is not None else 0.0):
            free = chosen is not source
            findings[each.label] = self._finding(each, with_source=not free)
            if not free and findings[each.label].refusal is None:
                chosen = each
        scores = (_scored(source, None, "source"), *(self._said(each, findings, chosen) for each in others))
        return Decision(chosen=chosen, scores=scores)

    def _finding(self, tried: Tried, *, with_source: bool) -> Finding:
        return judge(
            tried.sight,
            [self._source, *(each for each in self._corrected if each.family != family_of(tried))],
            self._asked(tried) if with_source else _unknown,
            names=self._names,
            seed=self._seed,
        )

    def _asked(self, tried: Tried) -> Callable[[], tuple[float, float] | None]:
        """Other statistics of the target leave those of the source as they were: only learnt weights are scored."""
        scores = self._scores
        if scores is None or not tried.learnt:
            return _unknown
        return lambda: (scores.before, scores.after(tried.load()))

    def _said(self, tried: Tried, findings: dict[str, Finding], chosen: Tried) -> CandidateScore:
        finding = findings[tried.label]
        passed: GuardVerdict = "chosen" if tried is chosen else "passed"
        return _scored(tried, finding, passed if finding.refusal is None else "refused")


def unjudged(tried: Sequence[Tried]) -> Decision:
    """The last candidate, whatever it is: what published recipes take."""
    source, *others = tried
    scores = [_scored(source, None, "source")]
    scores += [_scored(each, None, "chosen" if each is others[-1] else "passed") for each in others]
    return Decision(chosen=others[-1], scores=tuple(scores))


def anchors_of(tried: Sequence[Tried], reference: ReferenceStatistics | None, *, prior_shift: bool) -> list[Anchor]:
    """The model as it was, then the steadiest candidate of each family that only changes statistics.

    Such a one counts only where it is steadier than the model as it was and its class shares are near those that the
    model expects. These are the shares that it maps, its known errors undone, and, where no prior shift was found,
    those of its own ground: under another sensor its maps say little of the shares.
    """
    source = tried[0]
    if source.sight is None:
        raise ValueError("the model as it was has to be finite")
    priors = [_expected_shares(source.sight, reference)]
    if reference is not None and not prior_shift:
        priors.append(reference.prior)
    anchors = [Anchor(family=source.label, sight=source.sight, priors=tuple(priors))]
    for each in _steadiest([each for each in tried if each.adapter in STATISTICS]):
        if each.sight is None or each.score < source.score + _LEAST_RISE:
            continue
        if min(jensen_shannon(each.sight.shares, prior) for prior in priors) <= LIMITS.drift:
            anchors.append(Anchor(family=family_of(each), sight=each.sight, priors=(each.sight.shares,)))
    return anchors


def family_of(tried: Tried) -> str:
    """What was made alike: blends of the same statistics are no witnesses for one another."""
    return f"{tried.adapter}-{tried.parameters.get('kind', '')}"


def _steadiest(tried: Sequence[Tried]) -> list[Tried]:
    """The best of each family."""
    ordered = sorted((each for each in tried if each.sight is not None), key=lambda each: each.score)
    return list({family_of(each): each for each in ordered}.values())


def _expected_shares(sight: Sight, reference: ReferenceStatistics | None) -> Numbers:
    """Class shares of the target as the model as it was expects them, its known errors undone where it has them."""
    if reference is None:
        return sight.shares
    return corrected_prior(sight.shares, reference.confusion)


def _unknown() -> None:
    return None


def _scored(tried: Tried, finding: Finding | None, verdict: GuardVerdict) -> CandidateScore:
    return CandidateScore(
        adapter=tried.adapter,
        label=tried.label,
        consistency=tried.score,
        gain=np.nan if finding is None else finding.gain,
        p_value=np.nan if finding is None else finding.p_value,
        verdict=verdict,
        reason="" if finding is None else finding.refusal or "",
        seconds=tried.seconds,
        parameters=tried.parameters,
    )
