import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from geoseg.data.confusion import ConfusionMatrix
from geoseg.errors import LabelError

CLASSES = 4
indices = arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 2, 3, 255]))


def _pixel_by_pixel(labels, predicted):
    counts = np.zeros((CLASSES, CLASSES), dtype=np.int64)
    for reference, prediction in zip(labels.ravel().tolist(), predicted.ravel().tolist(), strict=True):
        if reference < CLASSES and prediction < CLASSES:
            counts[reference, prediction] += 1
    return counts


@given(indices, indices)
def test_counts_are_those_of_a_loop_over_pixels(labels, predicted):
    matrix = ConfusionMatrix.empty(CLASSES).add(labels, predicted)
    assert np.array_equal(matrix.counts, _pixel_by_pixel(labels, predicted))


@given(indices, indices)
def test_windows_added_apart_and_merged_count_as_one(labels, predicted):
    whole = ConfusionMatrix.empty(CLASSES).add(labels, predicted)
    upper = ConfusionMatrix.empty(CLASSES).add(labels[:2], predicted[:2])
    lower = ConfusionMatrix.empty(CLASSES).add(labels[2:], predicted[2:])
    assert np.array_equal(upper.merge(lower).counts, whole.counts)
    assert np.array_equal(ConfusionMatrix.total([upper, lower], classes=CLASSES).counts, whole.counts)


@given(indices, indices)
def test_scores_of_a_class_are_those_of_its_pixel_sets(labels, predicted):
    matrix = ConfusionMatrix.empty(CLASSES).add(labels, predicted)
    known = (labels < CLASSES) & (predicted < CLASSES)
    for index in range(CLASSES):
        reference, found = (labels == index) & known, (predicted == index) & known
        hits, union = (reference & found).sum(), (reference | found).sum()
        if union == 0:
            assert math.isnan(matrix.iou[index])
        else:
            assert matrix.iou[index] == pytest.approx(hits / union)
            assert matrix.f1[index] == pytest.approx(2 * hits / (reference.sum() + found.sum()))
        if reference.sum():
            assert matrix.recall[index] == pytest.approx(hits / reference.sum())
        if found.sum():
            assert matrix.precision[index] == pytest.approx(hits / found.sum())


def test_mean_iou_leaves_out_only_classes_in_neither_raster():
    matrix = ConfusionMatrix.empty(3).add(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    assert matrix.mean_iou == pytest.approx((0.75 + 0) / 2)
    assert matrix.mean_pixel_accuracy == pytest.approx(0.75)
    assert matrix.pixel_accuracy == pytest.approx(0.75)


def test_a_matrix_without_pixels_has_no_scores():
    matrix = ConfusionMatrix.empty(2)
    assert matrix.pixels == 0
    assert math.isnan(matrix.mean_iou)
    assert math.isnan(matrix.pixel_accuracy)
    assert math.isnan(matrix.mean_pixel_accuracy)


def test_adding_leaves_the_matrix_at_hand_unchanged():
    matrix = ConfusionMatrix.empty(2)
    matrix.add(np.array([0]), np.array([1]))
    assert matrix.pixels == 0


def test_shapes_that_differ_are_refused_in_one_line():
    with pytest.raises(LabelError, match=r"labels \(2,\) and prediction \(3,\)"):
        ConfusionMatrix.empty(2).add(np.zeros(2, dtype=np.uint8), np.zeros(3, dtype=np.uint8))


@given(indices, indices)
def test_scores_of_the_whole_are_those_of_scikit_learn(labels, predicted):
    known = (labels < CLASSES) & (predicted < CLASSES)
    assume(known.any())
    truth, guess = labels[known], predicted[known]
    matrix = ConfusionMatrix.empty(CLASSES).add(labels, predicted)
    seen = np.union1d(truth, guess)
    assert matrix.pixel_accuracy == pytest.approx(metrics.accuracy_score(truth, guess))
    assert matrix.mean_iou == pytest.approx(metrics.jaccard_score(truth, guess, labels=seen, average="macro"))
    assert matrix.frequency_weighted_iou == pytest.approx(
        metrics.jaccard_score(truth, guess, labels=seen, average="weighted")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it remarks on classes that are only in the prediction
        assert matrix.mean_pixel_accuracy == pytest.approx(metrics.balanced_accuracy_score(truth, guess))
        kappa = metrics.cohen_kappa_score(truth, guess)
    assert matrix.kappa == pytest.approx(kappa, nan_ok=True)


@given(indices, indices)
def test_scores_of_each_class_are_those_of_scikit_learn(labels, predicted):
    known = (labels < CLASSES) & (predicted < CLASSES)
    assume(known.any())
    matrix = ConfusionMatrix.empty(CLASSES).add(labels, predicted)
    theirs = metrics.precision_recall_fscore_support(
        labels[known], predicted[known], labels=range(CLASSES), zero_division=np.nan
    )
    for mine, other in zip((matrix.precision, matrix.recall, matrix.f1), theirs, strict=False):
        np.testing.assert_allclose(mine, other)


def test_kappa_is_not_defined_where_chance_alone_agrees_everywhere():
    assert math.isnan(ConfusionMatrix(np.array([[9, 0], [0, 0]])).kappa)
    assert math.isnan(ConfusionMatrix.empty(2).kappa)
    assert math.isnan(ConfusionMatrix.empty(2).frequency_weighted_iou)


def test_kappa_of_a_whole_country_does_not_overflow():
    huge = ConfusionMatrix(np.array([[4, 1], [1, 4]]) * 10**12)
    assert huge.kappa == pytest.approx(0.6)


def test_a_class_that_is_only_predicted_does_not_count_among_those_of_the_reference():
    matrix = ConfusionMatrix(np.array([[6, 2, 1], [1, 5, 0], [0, 0, 0]]))
    assert matrix.mean_iou == pytest.approx((6 / 10 + 5 / 8 + 0) / 3)
    assert matrix.mean_iou_of_reference == pytest.approx((6 / 10 + 5 / 8) / 2)
