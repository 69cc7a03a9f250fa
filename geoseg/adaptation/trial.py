"""Runs adapters one after the other and looks at every candidate they give."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from geoseg.adaptation.averaging import averaged
from geoseg.adaptation.candidate import Candidate, Problem, state_of
from geoseg.adaptation.plan import SOURCE, STATISTICS, Ranked, Run, beginning_at, named_for
from geoseg.adaptation.selector import Selector, Sight
from geoseg.adaptation.source_scores import SourceScores
from geoseg.adaptation.store import CandidateStore, Stored
from geoseg.config.predict import Progress
from geoseg.errors import ModelError

log = logging.getLogger(__name__)

_MEANS = "means"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tried:
    """A candidate that was looked at, without its weights."""

    adapter: str
    """What made it."""

    label: str
    """Unique."""

    parameters: Mapping[str, float | int | str | bool]
    """What it was made with."""

    seconds: float
    """Since its adapter began."""

    load: Callable[[], Candidate]
    """Gives it with its weights."""

    sight: Sight | None
    """What it says of held-out windows; None where that is not finite."""

    @property
    def score(self) -> float:
        """Consistency, 0 to 1; NaN where it has none."""
        return float("nan") if self.sight is None else self.sight.score

    @property
    def learnt(self) -> bool:
        """Whether its weights are others than those of the model as it was."""
        return self.adapter not in {SOURCE, *STATISTICS}


class Trial:
    """The candidates of one problem."""

    def __init__(self, problem: Problem, selector: Selector, store: CandidateStore, *, source: Candidate) -> None:
        """Look at the model as it was.

        Args:
            problem: that adapters are given.
            selector: shows candidates the held-out windows.
            store: keeps them.
            source: candidate 0, the model as it was.

        Raises:
            ModelError: if that gives no finite numbers.
        """
        self._problem = problem
        self._selector = selector
        self._store = store
        sight = selector.look(source)
        if sight is None:
            raise ModelError(f"{problem.package.name}: gives no finite numbers on the target: check its scenes")
        log.info("the model as it was: consistency %.3f", sight.score)
        self.tried: list[Tried] = [_tried(source, lambda: source, sight)]
        """The model as it was, then all candidates in the order they came."""
        self.broken: dict[str, str] = {}
        """Runs that broke off, with the reason; their candidates until then count."""
        self.scores = None if problem.source is None else SourceScores(problem, problem.source, source)
        """On labelled ground of the source, where there is any."""

    @property
    def source(self) -> Tried:
        """Candidate 0, the model as it was."""
        return self.tried[0]

    @property
    def ranked(self) -> list[Ranked]:
        """How steady each candidate is."""
        return [Ranked(adapter=each.adapter, label=each.label, score=each.score) for each in self.tried]

    def run(self, runs: Sequence[Run], *, seconds: float, stage: str, progress: Progress | None) -> None:
        """Let adapters make their candidates, one adapter after the other.

        Args:
            runs: adapters with where they begin.
            seconds: for all of them; what one leaves is for those after it.
            stage: what is being done, for the progress.
            progress: called after each.
        """
        left = seconds
        for number, run in enumerate(runs):
            if progress is not None:
                progress(stage, number, len(runs))
            left -= self._run(run, left / (len(runs) - number))
        if progress is not None and runs:
            progress(stage, len(runs), len(runs))

    def average(self) -> None:
        """Add the mean of the model as it was and the steadiest learnt candidate of each adapter."""
        learnt = [each for each in self.tried if each.learnt and each.sight is not None]
        best = {each.adapter: each for each in sorted(learnt, key=lambda each: each.score)}
        source = state_of(self._problem.package.network)
        self._take(_MEANS, lambda: (averaged(source, each.load()) for each in best.values()))

    def _run(self, run: Run, seconds: float) -> float:
        """Candidates of one run; gives the seconds they took."""
        start = None if run.start == SOURCE else next(each for each in self.tried if each.label == run.start).load()
        problem = beginning_at(self._problem, start)

        def make() -> Iterator[Candidate]:
            torch.manual_seed(problem.settings.seed)  # so that it matters not what ran before
            for candidate in run.adapter.candidates(problem, seconds):
                yield named_for(run, candidate, problem)

        return max((each.seconds for each in self._take(run.name, make)), default=0.0)

    def _take(self, name: str, make: Callable[[], Iterator[Candidate]]) -> list[Tried]:
        begun = len(self.tried)
        try:
            for stored in self._store.keep(name, make):
                self._look(stored)
        except ModelError as error:
            log.warning("%s broke off: %s", name, error)
            self.broken[name] = str(error)
        return self.tried[begun:]

    def _look(self, stored: Stored) -> None:
        tried = _tried(stored, stored.load, self._selector.look(stored.load()))
        log.info("%s: consistency %.3f (%+.3f)", tried.label, tried.score, tried.score - self.source.score)
        self.tried.append(tried)


def _tried(made: Candidate | Stored, load: Callable[[], Candidate], sight: Sight | None) -> Tried:
    return Tried(
        adapter=made.adapter,
        label=made.label,
        parameters=made.parameters,
        seconds=made.seconds,
        load=load,
        sight=sight,
    )
