"""One byte of class and one of confidence for every pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.inference.decide import DecisionRule, decide, joined
from geoseg.tiling.blend import Strip
from geoseg.window import Window


def a_strip(probabilities, valid=None, row=0):
    tensor = torch.tensor(probabilities, dtype=torch.float32)
    height, width = tensor.shape[1:]
    usable = np.ones((height, width), dtype=bool) if valid is None else np.array(valid)
    return Strip(window=Window(row=row, col=0, height=height, width=width), probabilities=tensor, valid=usable)


def test_the_most_probable_class_is_chosen_by_its_id(legend):
    decision = decide(a_strip([[[0.1, 0.2, 0.7]], [[0.8, 0.3, 0.2]], [[0.1, 0.5, 0.1]]]), DecisionRule(classes=legend))
    assert decision.class_ids.tolist() == [[3, 7, 0]]
    assert decision.confidence.tolist() == [[80, 50, 70]]
    assert decision.probabilities is None


def test_of_equals_the_first_in_the_legend_wins(legend):
    decision = decide(
        a_strip([[[0.4, 0.2]], [[0.4, 0.4]], [[0.2, 0.4]]]), DecisionRule(classes=legend, with_probabilities=False)
    )
    assert decision.class_ids.tolist() == [[0, 3]]


def test_nodata_stands_exactly_where_pixels_are_not_valid(legend):
    valid = np.random.default_rng(1).random((20, 30)) > 0.5
    probabilities = np.random.default_rng(2).dirichlet(np.ones(3), size=(20, 30)).transpose(2, 0, 1)
    decision = decide(a_strip(probabilities, valid), DecisionRule(classes=legend, with_probabilities=True))
    for layer in (decision.class_ids, decision.confidence, *decision.probabilities):
        assert layer.dtype == np.uint8
        assert np.array_equal(layer == 255, ~valid)


def test_percent_stay_in_range_where_sums_of_floats_do_not(legend):
    decision = decide(
        a_strip([[[1.0000001]], [[-1e-8]], [[0.0]]]), DecisionRule(classes=legend, with_probabilities=True)
    )
    assert decision.confidence.tolist() == [[100]]
    assert decision.probabilities[:, 0, 0].tolist() == [100, 0, 0]


@pytest.mark.parametrize("with_probabilities", [True, False])
def test_strips_join_to_their_block(legend, with_probabilities):
    probabilities = np.random.default_rng(2).dirichlet(np.ones(3), size=(9, 5)).transpose(2, 0, 1)
    whole = decide(a_strip(probabilities, row=4), DecisionRule(classes=legend, with_probabilities=with_probabilities))
    parts = [
        decide(
            a_strip(probabilities[:, top : top + 4], row=4 + top),
            DecisionRule(classes=legend, with_probabilities=with_probabilities),
        )
        for top in (0, 4, 8)
    ]
    block = joined(parts)
    assert block.window == Window(row=4, col=0, height=9, width=5)
    assert np.array_equal(block.class_ids, whole.class_ids)
    assert np.array_equal(block.confidence, whole.confidence)
    if with_probabilities:
        assert np.array_equal(block.probabilities, whole.probabilities)
    else:
        assert block.probabilities is None


def by_hand(probabilities, thresholds):
    """The position of the most probable class that reaches its threshold, None where none does."""
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])
    return next((index for index in order if probabilities[index] >= thresholds[index]), None)


@given(
    pixels=st.lists(st.tuples(*[st.integers(0, 8)] * 3), min_size=1, max_size=12),
    thresholds=st.tuples(*[st.integers(0, 8)] * 3),
    covered=st.booleans(),
)
def test_a_class_is_given_only_from_its_threshold_on(legend, pixels, thresholds, covered):
    probabilities = np.array(pixels, dtype=np.float32).T[:, None] / 8
    needed = [threshold / 8 for threshold in thresholds]
    decision = decide(
        a_strip(probabilities, [[covered] * len(pixels)]),
        DecisionRule(classes=legend, with_probabilities=True, thresholds=needed),
    )
    for place in range(len(pixels)):
        chosen = by_hand(probabilities[:, 0, place].tolist(), needed) if covered else None
        class_id = 255 if chosen is None else legend.classes[chosen].id
        percent = 255 if chosen is None else round(float(probabilities[chosen, 0, place]) * 100)
        assert (decision.class_ids[0, place], decision.confidence[0, place]) == (class_id, percent)
        assert (decision.probabilities[:, 0, place] == 255).all() == (not covered)


def test_the_next_class_takes_what_the_first_may_not(legend):
    strip = a_strip([[[0.5, 0.7, 0.45]], [[0.3, 0.2, 0.15]], [[0.2, 0.1, 0.4]]])
    decision = decide(strip, DecisionRule(classes=legend, with_probabilities=False, thresholds=(0.6, 0.35, 0.3)))
    assert decision.class_ids.tolist() == [[255, 0, 7]]
    assert decision.confidence.tolist() == [[255, 70, 40]]
