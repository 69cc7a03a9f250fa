from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import torch

from geoseg.adaptation.candidate import Candidate, state_of
from geoseg.adaptation.plan import (
    ADAPTERS,
    Ranked,
    beginning_at,
    choose,
    learning_runs,
    named_for,
    statistics_runs,
)
from geoseg.config.adapt import Method
from geoseg.errors import ModelError
from geoseg.raster.curves import BandCurve
from geoseg.shift.report import ShiftReport
from geoseg.shift.verdict import Distances, Judgement

CURVES = (BandCurve(knots=(0.0, 1.0), values=(0.1, 0.5)),) * 3


@dataclass
class FakeAdapter:
    name: str
    refused: str | None = None
    met: list[object] = field(default_factory=list)

    def refusal(self, problem) -> str | None:  # noqa: ARG002
        return self.refused

    def candidates(self, problem, seconds) -> Iterator[Candidate]:  # noqa: ARG002
        yield from ()


@pytest.fixture
def adapters():
    names = ("selftrain", "tent", "adabn", "match", "style")
    return {name: FakeAdapter(name) for name in names}


def report_of(*suited, forbidden=None):
    judgement = Judgement(verdict="radiometric", sentence="Another light.", suited=suited, forbidden=forbidden or {})
    return ShiftReport(
        model="tiny",
        windows=6,
        scenes=(),
        bands=(),
        classes=(),
        distances=Distances(),
        spread={},
        expected=None,
        judgement=judgement,
        unsaid=(),
    )


def ranked(**scores):
    """Keywords such as match_cdf=0.8; the adapter is what stands before the stroke."""
    return [Ranked(adapter=name.partition("_")[0], label=name, score=score) for name, score in scores.items()]


def test_there_is_an_adapter_for_every_method():
    assert {"auto", *ADAPTERS} == set(Method.__args__)
    assert all(ADAPTERS[name].name == name for name in ADAPTERS)


def test_auto_takes_what_helps_and_says_why_not_the_rest(labelled_problem, adapters):
    adapters["style"].refused = "it needs a source"
    report = report_of("selftrain", "match", forbidden={"adabn": "the classes have other shares"})
    found = choose(labelled_problem(method="auto"), report, adapters)
    assert found.names == ("match", "selftrain")  # those that learn nothing first
    assert found.refused["adabn"] == "the classes have other shares"
    assert found.refused["style"] == "it needs a source"
    assert "only when asked for (--method tent)" in found.refused["tent"]


def test_what_the_user_asks_for_is_tried_though_it_is_forbidden(labelled_problem, adapters):
    report = report_of(forbidden={"adabn": "the classes have other shares"})
    assert choose(labelled_problem(method="adabn"), report, adapters).names == ("adabn",)


def test_what_learns_has_corrections_beside_it_but_in_a_paper_none(labelled_problem, adapters):
    adapters["adabn"].refused = "there is no batch norm"
    assert choose(labelled_problem(method="style"), report_of(), adapters).names == ("match", "style")
    published = labelled_problem(method="style", recipe="published")
    assert choose(published, report_of(), adapters).names == ("style",)


def test_what_the_user_asks_for_and_cannot_be_is_one_line(labelled_problem, adapters):
    adapters["match"].refused = "no statistics"
    with pytest.raises(ModelError, match="method match: no statistics"):
        choose(labelled_problem(method="match"), report_of(), adapters)


def test_statistics_come_first(adapters):
    assert [run.name for run in statistics_runs(("match", "selftrain", "adabn"), adapters)] == ["match", "adabn"]


@pytest.mark.parametrize(
    ("scores", "names"),
    [
        ({"source": 0.6}, ["selftrain", "style"]),
        ({"source": 0.6, "match_cdf": 0.55, "adabn_50": 0.5}, ["selftrain", "style"]),
        ({"source": 0.6, "match_cdf": 0.8, "match_mean": 0.7}, ["match+selftrain", "style"]),
        ({"source": 0.6, "match_cdf": 0.8, "adabn_50": 0.7}, ["match+selftrain", "style"]),
        ({"source": 0.6, "match_cdf": 0.7, "adabn_50": 0.8}, ["match+selftrain", "adabn+selftrain", "style"]),
        ({"source": 0.6, "adabn_50": 0.8}, ["adabn+selftrain", "style"]),
        ({"source": 0.6, "match_cdf": float("nan")}, ["selftrain", "style"]),
    ],
)
def test_self_training_begins_where_statistics_make_the_model_steadier(scores, names, adapters):
    assert [run.name for run in learning_runs(("match", "selftrain", "style"), ranked(**scores), adapters)] == names


def test_it_begins_at_the_steadiest_candidate(adapters):
    scores = ranked(source=0.6, match_mean=0.7, match_cdf=0.8)
    assert learning_runs(("selftrain",), scores, adapters)[0].start == "match_cdf"


def test_beginning_elsewhere_changes_weights_and_curves_of_the_problem_alone(labelled_problem):
    problem = labelled_problem()
    state = {name: tensor + 1 for name, tensor in state_of(problem.package.network).items()}
    start = Candidate(adapter="adabn", label="adabn-50", state=state, curves=CURVES)
    begun = beginning_at(problem, start)
    assert begun.package.normalizer.curves == CURVES
    assert all(torch.equal(tensor, state[name]) for name, tensor in begun.package.network.state_dict().items())
    assert begun.forward.network is begun.package.network
    assert not torch.equal(next(iter(problem.package.network.state_dict().values())), next(iter(state.values())))
    assert beginning_at(problem, None) is problem


def test_candidates_are_named_for_where_they_began_and_keep_its_curves(labelled_problem, adapters):
    problem = labelled_problem()
    given = Candidate(adapter="selftrain", label="selftrain-75", state={})
    (plain,) = learning_runs(("selftrain",), ranked(source=0.6), adapters)
    (matched,) = learning_runs(("selftrain",), ranked(source=0.6, match_cdf=0.8), adapters)
    begun = problem.with_curves(CURVES)
    unchanged = named_for(plain, given, problem)
    assert (unchanged.adapter, unchanged.label, unchanged.curves) == ("selftrain", "selftrain-75", ())
    named = named_for(matched, given, begun)
    assert (named.adapter, named.label, named.curves) == ("match+selftrain", "match+selftrain-75", CURVES)
