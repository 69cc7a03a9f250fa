from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.evaluation.reliability import BINS, Reliability

SHAPE = (6, 9)
percents = arrays(np.uint8, SHAPE, elements=st.integers(0, 100) | st.just(255))
hits = arrays(np.bool_, SHAPE)


def error_by_hand(confidence, right):
    """Over pixels, with the edges of the bins as numbers; whole hundredths are moved off the edges by rounding."""
    edges = np.linspace(0, 1, BINS + 1)
    probability = confidence / 100
    error = 0.0
    for below, above in itertools.pairwise(edges):
        inside = (np.round(probability - below, 9) > 0) & (np.round(probability - above, 9) <= 0)
        inside |= (below == 0) & (probability == 0)
        if inside.any():
            error += abs(right[inside].mean() - probability[inside].mean()) * inside.mean()
    return error


@given(percents, hits)
def test_the_calibration_error_is_that_of_the_definition(confidence, right):
    known = confidence != 255
    result = Reliability.empty().add(confidence, right)
    assert result.pixels.sum() == known.sum()
    if known.any():
        assert result.error == pytest.approx(error_by_hand(confidence[known], right[known]))
    else:
        assert np.isnan(result.error)


@given(percents, hits)
def test_windows_add_up_to_the_whole(confidence, right):
    parts = [Reliability.empty().add(confidence[rows], right[rows]) for rows in (slice(0, 2), slice(2, None))]
    whole = Reliability.empty().add(confidence, right)
    assert np.array_equal(parts[0].merge(parts[1]).counts, whole.counts)


def test_a_map_that_is_as_right_as_it_is_sure_has_no_error():
    confidence = np.full(100, 80, dtype=np.uint8)
    result = Reliability.empty().add(confidence, np.arange(100) < 80)
    assert result.error == pytest.approx(0)
    assert result.confidence[11] == pytest.approx(0.8)
    assert np.flatnonzero(result.pixels).tolist() == [11]  # 12/15 = 80 % belongs to the bin below


def test_an_empty_bin_has_neither_confidence_nor_accuracy():
    result = Reliability.empty().add(np.array([0, 100], np.uint8), np.array([False, True]))
    assert result.pixels.tolist() == [1, *[0] * 13, 1]
    assert np.isnan(result.accuracy[1:14]).all()
    assert result.accuracy[[0, 14]].tolist() == [0, 1]
