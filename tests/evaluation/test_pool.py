from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from geoseg.data.confusion import ConfusionMatrix
from geoseg.errors import LabelError
from geoseg.evaluation.boundary import BoundaryScores
from geoseg.evaluation.pool import pooled
from geoseg.evaluation.reliability import Reliability
from geoseg.evaluation.scores import Evaluation, Zone, ZoneScores


def scene(ids, names, counts, **more):
    counts = np.array(counts)
    return Evaluation(
        class_ids=ids,
        class_names=names,
        confusion=ConfusionMatrix(counts),
        boundary=BoundaryScores(tolerance=2.0, unit="m", counts=np.tile(np.array(ids), (4, 1))),
        **more,
    )


@pytest.fixture
def scenes():
    zone = Zone(name="north")
    first = scene((1, 4), ("water", "road"), [[8, 2], [1, 5]], unmapped_pixels=3, colours=("#0000ff", "#aaaaaa"))
    second = scene((1, 2), ("water", "2"), [[6, 1], [0, 2]], unmapped_pixels=1, colours=("#0000ff", None))
    return (
        replace(first, zones=(ZoneScores(zone=zone, confusion=first.confusion),)),
        replace(second, zones=(ZoneScores(zone=zone, confusion=second.confusion),)),
    )


def test_pixels_of_all_scenes_count_as_one(scenes):
    whole = pooled(("a", "b"), scenes)
    assert whole.class_ids == (1, 2, 4)
    assert whole.class_names == ("water", "2", "road")
    assert whole.confusion.counts.tolist() == [[14, 1, 2], [0, 2, 0], [1, 0, 5]]
    assert whole.unmapped_pixels == 4
    assert whole.colours == ("#0000ff", None, "#aaaaaa")
    assert whole.boundary.counts.tolist() == [[2, 2, 4]] * 4
    assert whole.reliability is None


def test_zones_of_one_name_become_one_and_blocks_stay_apart(scenes):
    whole = pooled(("a", "b"), scenes)
    assert [each.zone.name for each in whole.zones] == ["north"]
    assert np.array_equal(whole.zones[0].confusion.counts, whole.confusion.counts)
    outlined = Zone(name="row 1, column 1", outline=object())
    apart = [replace(each, zones=(ZoneScores(zone=outlined, confusion=each.confusion),)) for each in scenes]
    names = sorted(each.zone.name for each in pooled(("a", "b"), apart).zones)
    assert names == ["a: row 1, column 1", "b: row 1, column 1"]


def test_confidence_of_all_scenes_counts_as_one(scenes):
    curve = Reliability.empty().add(np.array([90, 80], np.uint8), np.array([True, False]))
    assert pooled(("a", "b"), [replace(each, reliability=curve) for each in scenes]).reliability.pixels.sum() == 4


def test_a_name_stands_in_for_a_missing_one_but_not_for_another(scenes):
    named = replace(scenes[1], class_names=("1", "crop"))
    assert pooled(("a", "b"), (scenes[1], named)).class_names == ("water", "crop")
    with pytest.raises(LabelError, match="class 1 is 'water' in a and 'lake' in b: evaluate only maps of one legend"):
        pooled(("a", "b"), (scenes[0], replace(scenes[1], class_names=("lake", "2"))))


def test_one_scene_is_itself(scenes):
    assert pooled(("a",), scenes[:1]) is scenes[0]
