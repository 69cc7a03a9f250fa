from __future__ import annotations

import json

import numpy as np
import pytest

from geoseg.data.confusion import ConfusionMatrix
from geoseg.evaluation.scores import Evaluation


@pytest.fixture
def evaluation():
    counts = np.array([[8, 2], [0, 0]])
    return Evaluation(
        class_ids=(1, 4), class_names=("water", "road"), confusion=ConfusionMatrix(counts), unmapped_pixels=10
    )


def test_the_json_form_holds_every_score_and_survives_strict_json(evaluation):
    text = json.dumps(evaluation.as_json(), allow_nan=False)
    back = json.loads(text)
    assert back["pixel_accuracy"] == pytest.approx(0.8)
    assert back["mean_iou"] == pytest.approx(0.4)
    assert back["confusion_matrix"] == [[8, 2], [0, 0]]
    assert back["classes"][0]["iou"] == pytest.approx(0.8)
    assert back["classes"][0]["reference_pixels"] == 10
    assert back["classes"][0]["mapped_pixels"] == 8


def test_a_score_that_is_not_defined_is_null(evaluation):
    road = evaluation.as_json()["classes"][1]
    assert road["recall"] is None
    assert road["iou"] == 0
