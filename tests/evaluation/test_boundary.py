from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from geoseg.evaluation.boundary import BoundaryScores, boundary_counts, dilated, halo_of

SHAPE = (13, 17)
ids = arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 0, 0, 1, 7, 254, 255]))
radii = st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 2.3, 3.0, 4.5, 20.0])


def edges_by_hand(values):
    rows, cols = values.shape
    edges = np.zeros(values.shape, dtype=bool)
    for row in range(rows):
        for col in range(cols):
            around = [(row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)]
            beside = [values[r, c] for r, c in around if 0 <= r < rows and 0 <= c < cols]
            edges[row, col] = values[row, col] != 255 and any(each not in {255, values[row, col]} for each in beside)
    return edges


def counts_by_distance(reference, mapped, radius):
    """The whole arrays at once, by Euclidean distances."""
    known = (reference != 255) & (mapped != 255)
    reference, mapped = np.where(known, reference, 255), np.where(known, mapped, 255)
    on_reference, on_map = edges_by_hand(reference), edges_by_hand(mapped)
    counts = np.zeros((4, 255), dtype=np.int64)
    for class_id in range(255):
        here, there = on_map & (mapped == class_id), on_reference & (reference == class_id)
        counts[0, class_id], counts[2, class_id] = here.sum(), there.sum()
        if here.any() and there.any():
            counts[1, class_id] = (here & (ndimage.distance_transform_edt(~there) <= radius)).sum()
            counts[3, class_id] = (there & (ndimage.distance_transform_edt(~here) <= radius)).sum()
    return counts


@given(ids, ids, radii)
def test_counts_are_those_of_distances_over_the_whole_map(reference, mapped, radius):
    whole = (slice(None), slice(None))
    assert np.array_equal(
        boundary_counts(reference, mapped, whole, radius=radius), counts_by_distance(reference, mapped, radius)
    )


@given(ids, ids, radii, st.integers(1, 12), st.integers(1, 16))
def test_windows_with_their_halo_add_up_to_the_whole(reference, mapped, radius, row, col):
    total = np.zeros((4, 255), dtype=np.int64)
    halo = halo_of(radius)
    for top, bottom in ((0, row), (row, SHAPE[0])):
        for left, right in ((0, col), (col, SHAPE[1])):
            up, to_left = max(0, top - halo), max(0, left - halo)
            around = (slice(up, bottom + halo), slice(to_left, right + halo))
            core = (slice(top - up, bottom - up), slice(left - to_left, right - to_left))
            total += boundary_counts(reference[around], mapped[around], core, radius=radius)
    assert np.array_equal(total, counts_by_distance(reference, mapped, radius))


def test_more_classes_than_bits_in_a_number_are_counted():
    reference = np.arange(200, dtype=np.uint8).reshape(10, 20)
    mapped = np.roll(reference, 1, axis=1)
    found = boundary_counts(reference, mapped, (slice(None), slice(None)), radius=1.0)
    assert np.array_equal(found, counts_by_distance(reference, mapped, 1.0))


@given(arrays(np.uint8, SHAPE, elements=st.sampled_from([0, 0, 0, 0, 1, 2])), radii)
def test_a_dilated_bit_covers_a_disk(bits, radius):
    rows, cols = np.indices(SHAPE)
    expected = np.zeros_like(bits)
    for row, col in np.argwhere(bits):
        expected[(rows - row) ** 2 + (cols - col) ** 2 <= radius**2] |= bits[row, col]
    assert np.array_equal(dilated(bits, radius), expected)


def scores(counts, tolerance=1.0, unit="m"):
    return BoundaryScores(tolerance=tolerance, unit=unit, counts=np.array(counts))


def test_scores_follow_from_counts_and_a_class_without_boundary_has_none():
    result = scores([[10, 4, 0, 0], [5, 0, 0, 0], [8, 4, 3, 0], [8, 0, 0, 0]])
    np.testing.assert_allclose(result.precision, [0.5, 0, np.nan, np.nan])
    np.testing.assert_allclose(result.recall, [1, 0, 0, np.nan])
    np.testing.assert_allclose(result.f_score, [2 / 3, 0, 0, np.nan])
    assert result.mean_f_score == pytest.approx(2 / 9)
    assert np.isnan(scores(np.zeros((4, 2), dtype=np.int64)).mean_f_score)


def test_scores_of_maps_with_other_pixels_have_their_tolerance_in_pixels():
    one, other = scores(np.ones((4, 2), np.int64), 2.0), scores(np.ones((4, 2), np.int64), 4.0)
    assert (one.merge(one).tolerance, one.merge(one).unit) == (2.0, "m")
    assert (one.merge(other).tolerance, one.merge(other).unit) == (2.0, "px")
    assert one.merge(other).counts.tolist() == [[2, 2]] * 4
    nearly = replace(one, tolerance=2.0008)  # the ground size of pixels varies across a CRS
    assert (one.merge(nearly).tolerance, one.merge(nearly).unit) == (2.0, "m")
