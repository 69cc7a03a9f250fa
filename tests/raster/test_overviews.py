"""Coarser levels against the obvious loops, whatever the pieces in which the rows come."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from geoseg.raster.overviews import Overviews, halved, levels_of

PIXELS = st.tuples(st.integers(1, 2), st.integers(1, 21), st.integers(1, 13)).flatmap(
    lambda shape: npst.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 3, 100, 255]))
)


def four(band, row, col):
    """The pixels that become one, those that are no nodata."""
    part = band[2 * row : 2 * row + 2, 2 * col : 2 * col + 2]
    return [int(value) for value in part.ravel() if value != 255]


@given(PIXELS)
def test_the_most_frequent_value_and_of_equals_the_first(pixels):
    found = halved(pixels, "mode")
    for place in np.ndindex(found.shape):
        values = four(pixels[place[0]], *place[1:])
        assert found[place] == (Counter(values).most_common(1)[0][0] if values else 255)


@given(PIXELS)
def test_the_mean_of_what_is_there(pixels):
    found = halved(pixels, "average")
    for place in np.ndindex(found.shape):
        values = four(pixels[place[0]], *place[1:])
        assert found[place] == (np.floor(np.mean(values) + 0.5) if values else 255)


@given(PIXELS, st.lists(st.integers(1, 9), max_size=6), st.sampled_from(["mode", "average"]))
def test_levels_do_not_depend_on_the_pieces_that_come(pixels, heights, kind):
    cuts = sorted({min(cut, pixels.shape[1]) for cut in np.cumsum([0, *heights])} | {pixels.shape[1]})
    overviews, levels = Overviews(kind, levels=3), [[], [], []]
    for top, bottom in itertools.pairwise(cuts):
        for level, rows in enumerate(overviews.add(pixels[:, top:bottom], last=bottom == pixels.shape[1])):
            levels[level].append(rows)
    expected = pixels
    for level in levels:
        expected = halved(expected, kind)
        assert np.array_equal(np.concatenate(level, axis=1), expected)


@pytest.mark.parametrize(("size", "levels"), [((512, 512), 0), ((513, 1), 1), ((1024, 100), 1), ((1025, 10), 2)])
def test_levels_go_on_until_a_storage_block_holds_all(size, levels):
    assert levels_of(*size, smallest=512) == levels
