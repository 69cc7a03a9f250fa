import numpy as np
import pytest

from geoseg.classes import ClassMap
from geoseg.data.label_sets import LabelSets
from geoseg.errors import LabelError

LEGEND = ClassMap.of(
    [(7, "water", "#0000ff"), (3, "trees", "#008000"), (9, "grass", "#00ff00"), (1, "road", "#444444")]
)
PLANTS, DRY = ("grass", "trees"), ("trees", "grass", "road")


def test_single_classes_come_first_and_each_set_once():
    sets = LabelSets.of(LEGEND, [[("water",), PLANTS], [("trees", "grass"), DRY, ("road",)]])
    assert sets.sets == ((0,), (1,), (2,), (3,), (1, 2), (1, 2, 3))
    assert sets.names[3:] == ("road", "trees|grass", "trees|grass|road")
    assert sets.code_of(LEGEND, PLANTS) == 4
    assert sets.code_of(LEGEND, ["road"]) == 3


def test_members_say_which_classes_a_label_leaves_open():
    sets = LabelSets.of(LEGEND, [[PLANTS]])
    assert np.array_equal(sets.members[:4], np.eye(4, dtype=bool))
    assert sets.members[4].tolist() == [False, True, True, False]


def test_a_class_is_seen_as_the_code_that_holds_it():
    sets = LabelSets.of(LEGEND, [[PLANTS, ("road",)]])
    seen = sets.codes_of(np.array([[0, 1], [2, 3]]), [3, 4])
    assert seen.tolist() == [[0, 4], [4, 3]]


def test_unknown_names_and_empty_sets_are_refused():
    with pytest.raises(LabelError, match="there is no class 'lake': the legend has water, trees, grass, road"):
        LabelSets.of(LEGEND, [[("lake", "road")]])
    with pytest.raises(LabelError, match="at least one class open"):
        LabelSets.of(LEGEND, [[()]])
