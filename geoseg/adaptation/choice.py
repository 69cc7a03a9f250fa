"""Which candidate is taken: the steadiest that the guard lets through, else the model as it was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from geoseg.adaptation.guard import LIMITS, Anchor, Finding, Limits, away, judge, refused, undone, unproven
from geoseg.adaptation.plan import STATISTICS
from geoseg.adaptation.result import CandidateScore, GuardVerdict
from geoseg.adaptation.selector import Sight
from geoseg.adaptation.source_scores import SourceScores
from geoseg.adaptation.trial import Tried
from geoseg.models.reference import Numbers, ReferenceStatistics
from geoseg.shift.priors import corrected_prior, jensen_shannon
from geoseg.shift.report import ShiftReport

_LEAST_RISE = 0.005
_PROVABLE = "adabn"

UNWITNESSED = (
    "no correction of bands or statistics makes the map steadier, so nothing but what it learnt itself speaks for it"
)
"""Why what was learnt is not heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the shift report says of the target."""

    layers_left: float | None
    """Distance of the inputs of the normalisation layers once the bands are matched; None = not known."""

    far: float
    """Share of the pixels whose features are farther than 99 % of the reference's, 0 to 1."""

    prior_shift: bool
    """Whether the target is known to have other shares of the classes than the model's ground."""

    @classmethod
    def of(cls, shift: ShiftReport) -> Evidence:
        """From a report."""
        told = shift.distances
        return cls(layers_left=told.layers_matched, far=told.features or 0.0, prior_shift=shift.verdict == "prior")


UNKNOWN = Evidence(layers_left=None, far=0.0, prior_shift=False)
"""Of a package without reference statistics."""


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
        evidence: Evidence = UNKNOWN,
    ) -> None:
        """Find the anchors.

        Args:
            tried: the model as it was, then all candidates.
            reference: statistics of the model's ground, where the package has them.
            source_scores: of held-out ground of the source, where there is any.
            names: of the classes.
            seed: of the bootstrap.
            evidence: what the shift report says of the target.
        """
        self._tried = tried
        self._scores = source_scores
        self._names = names
        self._seed = seed
        self._evidence = evidence
        left = evidence.layers_left
        self._undone = None if left is None else undone(left, evidence.far, LIMITS)
        self._source, *self._corrected = anchors_of(tried, reference, prior_shift=evidence.prior_shift)

    @property
    def corrections(self) -> tuple[str, ...]:
        """Labels of the candidates without learnt weights that learning may begin at, the steadiest first.

        None where only labelled ground speaks for them: the maps of such a target teach nothing.
        """
        if self._undone is not None:
            return ()
        return tuple(each.label for each in self._ordered(learnt=False) if self._correction(each).refusal is None)

    def decide(self) -> Decision:
        """Judge corrections first, then what was learnt; of those that pass the steadiest is taken.

        What learnt on the target made its own maps steadier on purpose, so its consistency alone speaks for nothing.
        It is heard only where a correction that learnt nothing has passed: that shows a shift of the kind that can be
        undone. Candidates less steady than the one that is taken are not scored on the source.
        """
        chosen, findings = self._tried[0], dict[str, Finding]()
        for each in self._ordered(learnt=False):
            findings[each.label] = self._correction(each)
            if chosen is self._tried[0] and findings[each.label].refusal is None:
                chosen = each
        witness = chosen is not self._tried[0] and self._undone is None
        for each in self._ordered(learnt=True):
            steadier = each.score > chosen.score
            findings[each.label] = self._learnt(each, with_source=steadier, witness=witness)
            if steadier and findings[each.label].refusal is None:
                chosen = each
        source, *others = self._tried
        scores = (_scored(source, None, "source"), *(self._said(each, findings, chosen) for each in others))
        return Decision(chosen=chosen, scores=scores)

    def _ordered(self, *, learnt: bool) -> list[Tried]:
        """The candidates from the steadiest down."""
        kept = [each for each in self._tried[1:] if each.learnt == learnt]
        return sorted(kept, key=lambda each: -each.score if each.sight is not None else 0.0)

    def _correction(self, tried: Tried) -> Finding:
        """Of a candidate whose weights are the model's: it cannot have learnt anything wrong.

        Where matching brings the layers back, the model as it was has seen wrong numbers, and what it was sure of is
        not asked. Where it does not, labelled ground in the look of the target has to speak for the candidate.
        """
        if self._undone is not None and tried.sight is not None and not self._can_be_proven(tried):
            return refused(self._undone)
        anchors = [self._source, *(each for each in self._corrected if each.family != family_of(tried))]
        found = judge(tried.sight, anchors, _unknown, names=self._names, seed=self._seed, limits=self._limits())
        if self._undone is None or found.refusal is not None:
            return found
        return replace(found, refusal=self._unproven(tried))

    def _limits(self) -> Limits:
        """For a correction. A model that is lost is steady by chance: its map may be of one class."""
        if self._evidence.layers_left is None:
            return LIMITS
        known = replace(LIMITS, agreement=0.0)
        lost = self._undone is not None and self._evidence.far >= LIMITS.lost
        return replace(known, gain=-np.inf, p_value=np.inf) if lost else known

    def _can_be_proven(self, tried: Tried) -> bool:
        """Whether labelled ground can tell: curves that match bands undo the dressing whatever the target shows."""
        return self._scores is not None and tried.adapter == _PROVABLE

    def _unproven(self, tried: Tried) -> str | None:
        if self._scores is None or tried.sight is None:
            return None
        reason = away(tried.sight.far, LIMITS)
        return unproven(self._scores.dressed.rise(tried.load()), LIMITS) if reason is None else reason

    def _learnt(self, tried: Tried, *, with_source: bool, witness: bool) -> Finding:
        anchors = [self._source, *self._corrected]
        scores = self._asked(tried) if with_source else _unknown
        found = judge(tried.sight, anchors, scores, names=self._names, seed=self._seed)
        return found if witness or found.refusal is not None else replace(found, refusal=UNWITNESSED)

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
