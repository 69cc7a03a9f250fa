"""Components are those of scipy, numbered by their first pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from geoseg.vector.components import label_components

RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=14),
    elements=st.sampled_from([0, 1, 7, 255]),
)


def oracle_labels(class_ids: np.ndarray) -> np.ndarray:
    """Label class by class, then number the components by their first pixel."""
    pieces = np.zeros(class_ids.shape, dtype=np.int64)
    for value in np.unique(class_ids[class_ids != 255]):
        of_class, _ = ndimage.label(class_ids == value)
        pieces[of_class > 0] = of_class[of_class > 0] + pieces.max()
    known, first = np.unique(pieces, return_index=True)
    numbers = np.zeros(pieces.max() + 1, dtype=np.int64)
    numbers[known[known > 0][np.argsort(first[known > 0])]] = np.arange(1, np.count_nonzero(known) + 1)
    return numbers[pieces]


def spiral(side: int) -> np.ndarray:
    """One arm of class 1 that winds inwards; all rows but the first see several of its turns."""
    class_ids = np.zeros((side, side), dtype=np.uint8)
    row, col, heading = 0, 0, (0, 1)
    for _ in range(side * side):
        class_ids[row, col] = 1
        ahead = row + 2 * heading[0], col + 2 * heading[1]
        beside = row + heading[0], col + heading[1]
        blocked = not (0 <= beside[0] < side and 0 <= beside[1] < side)
        if blocked or (0 <= ahead[0] < side and 0 <= ahead[1] < side and class_ids[ahead]):
            heading = heading[1], -heading[0]
        row, col = row + heading[0], col + heading[1]
        if class_ids[row, col]:
            break
    return class_ids


@settings(max_examples=300)
@given(class_ids=RASTERS)
def test_labels_are_those_of_scipy_in_the_order_of_first_pixels(class_ids):
    labels, count = label_components(class_ids)
    assert labels.dtype == np.int32
    assert np.array_equal(labels, oracle_labels(class_ids))
    assert count == labels.max(initial=0)


@pytest.mark.parametrize(
    "class_ids",
    [
        spiral(41),
        spiral(41).T,
        np.flipud(spiral(40)),
        np.indices((30, 31)).sum(axis=0).astype(np.uint8) % 2,
        np.tile(np.array([1, 0], dtype=np.uint8), (20, 9)),
        np.vstack([np.tile(np.array([1, 0], dtype=np.uint8), (20, 9)), np.ones((1, 18), dtype=np.uint8)]),
        np.full((7, 5), 255, dtype=np.uint8),
        np.full((1, 1), 3, dtype=np.uint8),
    ],
    ids=["spiral", "turned", "from below", "chessboard", "stripes", "comb", "nodata", "one pixel"],
)
def test_shapes_whose_parts_meet_late_are_joined(class_ids):
    labels, _ = label_components(class_ids)
    assert np.array_equal(labels, oracle_labels(class_ids))


@pytest.mark.parametrize("shape", [(1, 40), (40, 1)])
def test_a_line_of_pixels_is_a_raster_too(shape):
    class_ids = np.random.default_rng(0).integers(0, 2, shape).astype(np.uint8)
    assert np.array_equal(label_components(class_ids)[0], oracle_labels(class_ids))


def test_arrays_may_be_read_only_and_strided():
    class_ids = np.random.default_rng(1).integers(0, 3, (40, 40)).astype(np.uint8)
    expected = oracle_labels(class_ids[::2, 1::3])
    class_ids.flags.writeable = False
    assert np.array_equal(label_components(class_ids[::2, 1::3])[0], expected)
    assert np.array_equal(label_components(class_ids)[0], oracle_labels(class_ids))
