from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.adaptation.adabn import AdaBn
from geoseg.adaptation.candidate import Candidate, state_of
from geoseg.adaptation.source_scores import SourceScores, mean_iou

SINGLE = np.eye(3, dtype=np.bool_)
WITH_SET = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]], dtype=np.bool_)


@given(st.integers(0, 10_000))
def test_the_mean_iou_is_that_of_sets_of_pixels(seed):
    rng = np.random.default_rng(seed)
    labels, chosen = rng.choice([0, 1, 2, 255], 40).astype(np.uint8), rng.integers(0, 3, 40).astype(np.uint8)
    known = set(np.flatnonzero(labels != 255).tolist())
    scores = []
    for index in range(3):
        true, found = (set(np.flatnonzero(part == index).tolist()) & known for part in (labels, chosen))
        scores += [len(true & found) / len(true | found)] if true | found else []
    assert mean_iou(chosen, labels, SINGLE) == pytest.approx(np.mean(scores))


def test_a_label_that_leaves_classes_open_is_right_with_any_of_them():
    labels = np.array([0, 3, 3, 255], dtype=np.uint8)
    assert mean_iou(np.array([0, 1, 2, 0], dtype=np.uint8), labels, WITH_SET) == 1
    assert mean_iou(np.array([0, 0, 2, 0], dtype=np.uint8), labels, WITH_SET) < 1


def test_nothing_known_scores_nothing():
    assert mean_iou(np.zeros(3, np.uint8), np.full(3, 255, np.uint8), SINGLE) == 0


@pytest.fixture
def problem(labelled_problem):
    """What the model says of the source is taken for the truth there."""
    found = labelled_problem()
    images = found.package.normalizer.apply(found.source.chips, found.source.valid)
    labels = found.forward.logits(torch.from_numpy(images)).argmax(dim=1).numpy().astype(np.uint8)
    return replace(found, source=replace(found.source, labels=labels))


def as_it_was(problem):
    return Candidate(adapter="source", label="source", state=state_of(problem.package.network))


def test_other_statistics_alone_forget_nothing(problem):
    scores = SourceScores(problem, problem.source, as_it_was(problem))
    assert scores.before == 1
    assert scores.after(list(AdaBn().candidates(problem, 60))[-1]) == 1


def test_other_weights_forget(problem):
    scores = SourceScores(problem, problem.source, as_it_was(problem))
    state = {
        name: -tensor if name == "segmentation_head.0.weight" else tensor
        for name, tensor in state_of(problem.package.network).items()
    }
    assert scores.after(Candidate(adapter="learn", label="learn", state=state)) < 0.9
