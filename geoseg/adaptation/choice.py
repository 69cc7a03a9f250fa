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
    ) -> None:
        """Find the anchors.

        Args:
            tried: the model as it was, then all candidates.
            reference: statistics of the model's ground, where the package has them.
            source_scores: of held-out ground of the source, where there is any.
            names: of the classes.
            seed: of the bootstrap.
        """
        self._tried = tried
        self._scores = source_scores
        self._names = names
        self._seed = seed
        self._source, *self._corrected = anchors_of(tried, reference)

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
            [self._source, *(each for each in self._corrected if each.label != tried.adapter)],
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


def anchors_of(tried: Sequence[Tried], reference: ReferenceStatistics | None) -> list[Anchor]:
    """The model as it was, then the steadiest candidate of each adapter that only changes statistics.

    Such a one counts only where it is steadier than the model as it was and its class shares are near those that the
    model expects, or those of its own ground; its label is that of its adapter.
    """
    source = tried[0]
    if source.sight is None:
        raise ValueError("the model as it was has to be finite")
    prior = _expected_shares(source.sight, reference)
    anchors = [Anchor(label=source.label, sight=source.sight, prior=prior)]
    likely = [prior] if reference is None else [prior, reference.prior]
    for name in STATISTICS:
        of_adapter = [each for each in tried if each.adapter == name and each.sight is not None]
        best = max(of_adapter, key=lambda each: each.score, default=None)
        if best is None or best.sight is None or best.score < source.score + _LEAST_RISE:
            continue
        if min(jensen_shannon(best.sight.shares, each) for each in likely) <= LIMITS.drift:
            anchors.append(Anchor(label=name, sight=best.sight, prior=best.sight.shares))
    return anchors


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
