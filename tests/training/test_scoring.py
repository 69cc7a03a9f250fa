import numpy as np
import pytest

from geoseg.classes import ClassMap
from geoseg.data.confusion import ConfusionMatrix
from geoseg.data.label_sets import LabelSets
from geoseg.training.scoring import SourceCounter, SplitScore, summarize

LEGEND = ClassMap.of(
    [(1, "water", "#0000ff"), (2, "trees", "#008000"), (3, "grass", "#00ff00"), (4, "road", "#444444")]
)
SETS = LabelSets.of(LEGEND, [[("trees", "grass")], [("water", "grass")]])
PLANTS, WET = 5, 4


def scored(legend, labels, predicted):
    counter = SourceCounter("place", legend, SETS)
    counter.add(np.array(predicted), np.array(labels, dtype=np.uint8))
    return counter.score()


def test_single_classes_are_scored_as_ever():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, (9, 9), dtype=np.uint8), rng.integers(0, 4, (9, 9))
    labels[0] = 255
    score = scored([0, 1, 2, 3], labels, predicted)
    assert np.array_equal(score.confusion.counts, ConfusionMatrix.empty(4).add(labels, predicted).counts)
    assert score.names == ("water", "trees", "grass", "road")


def test_any_class_of_a_set_is_right():
    score = scored([0, PLANTS], [[0, 0, PLANTS, PLANTS, PLANTS]], [[0, 1, 1, 2, 0]])
    assert score.names == ("water", "trees|grass")
    assert score.confusion.counts.tolist() == [[1, 1], [1, 2]]


def test_a_class_that_no_label_of_the_source_holds_is_a_miss():
    score = scored([0, PLANTS], [[0, PLANTS, PLANTS]], [[3, 1, 3]])
    assert score.names == ("water", "trees|grass", "road")
    assert score.confusion.counts.tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 0]]


def test_a_class_in_two_sets_of_a_source_is_right_for_both():
    score = scored([WET, PLANTS], [[WET, PLANTS]], [[2, 2]])
    assert score.confusion.pixel_accuracy == 1


def test_a_class_without_pixels_has_no_score_and_each_source_counts_once():
    perfect = scored([0, 1], [[0, 0]], [[0, 0]])
    half = scored([0, 1], [[0, 0]], [[0, 1]])
    scores = {"mean_iou": 1.0, "pixel_accuracy": 1.0, "iou": {"water": 1.0}, "pixels": 2}
    assert summarize(SplitScore((perfect,))) == scores | {"sources": {"place": scores}}
    both = SplitScore((perfect, half))
    assert both.mean_iou == pytest.approx((1 + 0.25) / 2)
    assert summarize(both)["pixels"] == 4
