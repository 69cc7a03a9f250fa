"""Which adapters are tried, in which order, and from where each begins. Runs none of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from geoseg.adaptation.adabn import AdaBn
from geoseg.adaptation.adversarial import Adversarial
from geoseg.adaptation.candidate import Adapter, Candidate, Problem
from geoseg.adaptation.match import Match
from geoseg.adaptation.self_training import SelfTraining
from geoseg.adaptation.style import Style
from geoseg.adaptation.tent import Tent
from geoseg.errors import ModelError
from geoseg.shift.report import ShiftReport

SOURCE = "source"
"""Label of candidate 0, the model as it was."""

STATISTICS = ("match", "adabn")
"""Adapters that learn nothing: they take seconds, and what they find is where others begin."""

_ALL: tuple[Adapter, ...] = (Match(), AdaBn(), Tent(), SelfTraining(), Style(), Adversarial())

ADAPTERS: Mapping[str, Adapter] = MappingProxyType({adapter.name: adapter for adapter in _ALL})
"""By name, as in `--method`."""

_BEGIN_ANYWHERE = ("selftrain", "tent")

_IN_AUTO = (*STATISTICS, "selftrain")
"""The others were never the best of their run on the benchmark, and harmed most (docs/adaptation.md)."""
_LEAST_RISE = 0.005


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """An adapter with where it begins."""

    name: str
    """Unique: match+selftrain is self-training on matched inputs."""

    adapter: Adapter
    """What makes candidates."""

    start: str = SOURCE
    """Label of the candidate that it begins as."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What may be tried."""

    names: tuple[str, ...]
    """Adapters to try, those that learn nothing first."""

    refused: Mapping[str, str]
    """The others, each with its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """How steady a candidate is, for the plan."""

    adapter: str
    """What made it."""

    label: str
    """Its own."""

    score: float
    """Consistency on held-out windows, 0 to 1; NaN where it has none."""


def choose(problem: Problem, shift: ShiftReport, adapters: Mapping[str, Adapter]) -> Choice:
    """Say which adapters are tried.

    One that the user asks for is tried even where the shift report advises against it.

    Raises:
        ModelError: if the one that the user asks for cannot be used here.
    """
    method = problem.settings.method
    if method != "auto":
        refusal = adapters[method].refusal(problem)
        if refusal is not None:
            raise ModelError(f"method {method}: {refusal}")
        before = [name for name in STATISTICS if name != method and name in adapters]
        usable = [name for name in before if adapters[name].refusal(problem) is None]
        return Choice(names=(*(() if _alone(problem) else usable), method), refused={})
    refused = {
        name: reason
        for name, adapter in adapters.items()
        if (reason := _reason(name, adapter, problem, shift)) is not None
    }
    names = [name for name in adapters if name not in refused]
    return Choice(names=tuple(sorted(names, key=lambda name: name not in STATISTICS)), refused=refused)


def statistics_runs(names: Iterable[str], adapters: Mapping[str, Adapter]) -> tuple[Run, ...]:
    """Runs of adapters that learn nothing."""
    return tuple(Run(name=name, adapter=adapters[name]) for name in names if name in STATISTICS)


def learning_runs(names: Iterable[str], ranked: Sequence[Ranked], adapters: Mapping[str, Adapter]) -> tuple[Run, ...]:
    """Runs of adapters that learn, once it is known how steady other statistics make the model.

    Self-training begins on matched bands or on the target's statistics where these make the model steadier: on wrong
    statistics it learns its own errors, and on right ones it reaches further than either alone. The two undo the same
    shift, so they are never combined; where neither helps it begins as the model was.

    Args:
        names: of the adapters to try.
        ranked: the model as it was and the candidates of those that learn nothing.
        adapters: by name.
    """
    corrected: list[Ranked | None] = [*_starts(ranked)]
    return tuple(
        Run(name=_run_name(name, start), adapter=adapters[name], start=SOURCE if start is None else start.label)
        for name in names
        if name not in STATISTICS
        for start in ((corrected or [None]) if name in _BEGIN_ANYWHERE else [None])
    )


def beginning_at(problem: Problem, start: Candidate | None) -> Problem:
    """The same problem for the model that a candidate is; None for the model as it was."""
    if start is None:
        return problem
    changed = problem.with_curves(start.curves) if start.curves else problem
    package = replace(changed.package, network=problem.network(start).cpu())
    return replace(changed, package=package, forward=replace(problem.forward, network=package.network))


def named_for(run: Run, candidate: Candidate, problem: Problem) -> Candidate:
    """A candidate of a run that began elsewhere, with the curves it began with and a label of its own."""
    curves = candidate.curves or problem.package.normalizer.curves
    if run.name == candidate.adapter:
        return replace(candidate, curves=curves)
    prefix = run.name.removesuffix(candidate.adapter)
    return replace(candidate, adapter=run.name, label=f"{prefix}{candidate.label}", curves=curves)


def _alone(problem: Problem) -> bool:
    """Whether the adapter that the user asks for is all that is tried.

    One that learns needs corrections beside it, to begin at and as witnesses of the guard; papers have none.
    """
    return problem.settings.method in STATISTICS or problem.settings.recipe == "published"


def _reason(name: str, adapter: Adapter, problem: Problem, shift: ShiftReport) -> str | None:
    """Why an adapter is not tried."""
    refusal = adapter.refusal(problem)
    if refusal is not None:
        return refusal
    if name in shift.forbidden:
        return shift.forbidden[name]
    return None if name in _IN_AUTO else f"is tried only when asked for (--method {name})"


def _starts(ranked: Sequence[Ranked]) -> list[Ranked]:
    """The steadiest matched candidate where it beats the model as it was, and that of AdaBN where it beats all."""
    source = next(each.score for each in ranked if each.label == SOURCE)
    best = {name: _best([each for each in ranked if each.adapter == name]) for name in STATISTICS}
    match, adabn = best["match"], best["adabn"]
    starts = [match] if match is not None and match.score > source + _LEAST_RISE else []
    others = [source, *(each.score for each in starts)]
    return [*starts, adabn] if adabn is not None and adabn.score > max(others) + _LEAST_RISE else starts


def _best(ranked: Sequence[Ranked]) -> Ranked | None:
    return max((each for each in ranked if each.score == each.score), key=lambda each: each.score, default=None)


def _run_name(name: str, start: Ranked | None) -> str:
    return name if start is None else f"{start.adapter}+{name}"
