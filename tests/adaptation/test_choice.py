"""Which corrections labelled ground in the look of the target can prove."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from geoseg.adaptation.candidate import Candidate
from geoseg.adaptation.choice import Evidence, Judge
from geoseg.adaptation.rise import Rise
from geoseg.adaptation.selector import Sight
from geoseg.adaptation.trial import Tried
from geoseg.shift.consistency import Consistency

WINDOWS, PIXELS = 8, 4000
NAMES = ("a", "b", "c")
CLASSES = np.random.default_rng(0).choice(3, p=[0.5, 0.3, 0.2], size=PIXELS).astype(np.uint8)
LIGHT = Evidence(layers_left=0.02, far=0.01, prior_shift=False)
NEW = Evidence(layers_left=0.4, far=0.2, prior_shift=False)
LOST = Evidence(layers_left=0.4, far=0.9, prior_shift=False)
CLEAR = Rise(before=0.3, after=0.7, p_value=0.0)


def sight(steadiness, *, far=0.02, classes=CLASSES):
    shares = np.bincount(classes, minlength=3) / PIXELS
    unions = np.tile(100 * np.maximum(shares, 0.01), (WINDOWS, 1))
    confident = np.arange(PIXELS) < PIXELS // 10
    consistency = Consistency(intersections=steadiness * unions, unions=unions)
    return Sight(consistency=consistency, classes=classes, confident=confident, shares=shares, far=far)


def tried(adapter, steadiness, **how):
    candidate = Candidate(adapter=adapter, label=adapter, state={})
    return Tried(
        adapter=adapter,
        label=adapter,
        parameters={},
        seconds=0,
        load=lambda: candidate,
        sight=sight(steadiness, **how),
    )


@dataclass
class Dressed:
    """Labelled ground on which every candidate gains alike."""

    found: Rise
    asked: int = 0

    def rise(self, candidate):  # noqa: ARG002
        self.asked += 1
        return self.found


@dataclass
class Scores:
    """The source is never forgotten."""

    dressed: Dressed
    before: float = 0.8

    def after(self, candidate):  # noqa: ARG002
        return 0.8


def decided(evidence, *candidates, rise=CLEAR, source=0.6):
    scores = None if rise is None else Scores(Dressed(rise))
    judge = Judge([tried("source", source), *candidates], None, scores, names=NAMES, seed=0, evidence=evidence)
    return judge, judge.decide()


def test_without_labelled_ground_new_ground_is_left_alone():
    _, decision = decided(NEW, tried("adabn", 0.8), rise=None)
    assert decision.chosen.label == "source"
    assert "layers stay 0.40 away" in decision.scores[1].reason


def test_labelled_ground_speaks_for_statistics_on_new_ground():
    assert decided(NEW, tried("adabn", 0.8))[1].chosen.label == "adabn"


def test_labelled_ground_never_speaks_for_curves():
    judge, decision = decided(NEW, tried("match", 0.8))
    assert decision.chosen.label == "source"
    assert judge._scores.dressed.asked == 0


@pytest.mark.parametrize(
    ("rise", "said"),
    [
        (Rise(before=0.6, after=0.65, p_value=0.0), "a rise of less than 0.1"),
        (Rise(before=0.1, after=0.4, p_value=0.0), "stays below 0.5"),
        (Rise(before=0.4, after=0.7, p_value=0.2), "may be chance"),
    ],
)
@pytest.mark.parametrize("evidence", [NEW, LOST])
def test_what_labelled_ground_does_not_show_clearly_is_refused(evidence, rise, said):
    _, decision = decided(evidence, tried("adabn", 0.8), rise=rise)
    assert decision.chosen.label == "source"
    assert said in decision.scores[1].reason


def test_a_model_that_is_not_lost_has_to_become_steadier_beside():
    _, decision = decided(NEW, tried("adabn", 0.5))
    assert "consistency rises by -0.100" in decision.scores[1].reason


def test_the_steadiness_of_a_lost_model_means_nothing():
    one_class = np.zeros(PIXELS, dtype=np.uint8)
    candidates = [tried("source", 1.0, classes=one_class), tried("adabn", 0.5)]
    judge = Judge(candidates, Reference(), Scores(Dressed(CLEAR)), names=NAMES, seed=0, evidence=LOST)
    assert judge.decide().chosen.label == "adabn"


class Reference:
    """Knows its errors: none."""

    prior = np.bincount(CLASSES, minlength=3) / PIXELS
    confusion = np.eye(3)


def test_a_candidate_that_is_lost_itself_is_refused():
    _, decision = decided(LOST, tried("adabn", 0.8, far=0.7))
    assert "with it too the features of 70%" in decision.scores[1].reason


def test_nothing_learns_on_ground_for_which_labels_alone_speak():
    judge, decision = decided(NEW, tried("adabn", 0.8), tried("selftrain", 0.95))
    assert decision.chosen.label == "adabn"
    assert judge.corrections == ()


def test_under_another_light_no_labelled_ground_is_asked():
    judge, decision = decided(LIGHT, tried("match", 0.8), tried("selftrain", 0.95))
    assert decision.chosen.label == "selftrain"
    assert judge.corrections == ("match",)
    assert judge._scores.dressed.asked == 0
