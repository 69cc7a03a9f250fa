"""Windows behave like sets of pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import GridError
from geoseg.window import Window

WINDOWS = st.builds(
    Window, row=st.integers(-9, 9), col=st.integers(-9, 9), height=st.integers(1, 9), width=st.integers(1, 9)
)


def pixels(window):
    return {(row, col) for row in range(window.row, window.bottom) for col in range(window.col, window.right)}


@given(WINDOWS, WINDOWS)
def test_an_intersection_holds_exactly_the_shared_pixels(one, other):
    both = one.intersect(other)
    assert (pixels(both) if both else set()) == pixels(one) & pixels(other)
    assert both == other.intersect(one)


@given(WINDOWS, WINDOWS)
def test_slices_cut_a_window_out_of_the_array_of_another(outer, other):
    inner = outer.intersect(other)
    if inner is None:
        return
    rows, cols = np.mgrid[outer.row : outer.bottom, outer.col : outer.right]
    there = inner.slices_in(outer)
    assert set(zip(rows[there].ravel().tolist(), cols[there].ravel().tolist(), strict=True)) == pixels(inner)
    assert rows[there].shape == inner.shape


@given(WINDOWS, WINDOWS)
def test_slices_refuse_a_window_that_sticks_out(outer, inner):
    if pixels(inner) <= pixels(outer):
        inner.slices_in(outer)
    else:
        with pytest.raises(GridError, match="not inside"):
            inner.slices_in(outer)


@given(WINDOWS)
def test_a_window_is_what_lies_between_its_edges(window):
    assert Window.between(window.row, window.bottom, window.col, window.right) == window
    assert window.shape == (window.height, window.width)


@pytest.mark.parametrize(("height", "width"), [(0, 1), (1, 0), (-1, 5)])
def test_a_window_without_pixels_cannot_be(height, width):
    with pytest.raises(GridError, match="positive size"):
        Window.of_shape(height, width)


def test_windows_sort_row_major():
    places = [(1, 0), (0, 5), (0, 0)]
    assert [(w.row, w.col) for w in sorted(Window(row=r, col=c, height=1, width=1) for r, c in places)] == [
        (0, 0),
        (0, 5),
        (1, 0),
    ]
