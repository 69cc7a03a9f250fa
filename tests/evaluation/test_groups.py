from __future__ import annotations

import numpy as np
import pytest

from geoseg.errors import LabelError
from geoseg.evaluation.groups import grouped, labels_as_ids, ungrouped

NAMES = {1: "trees", 2: "low_vegetation", 5: "water", 9: "road"}


def groups(label_map, label_names=()):
    return grouped(label_map, map_names=NAMES, label_names=dict(label_names))


def test_classes_that_the_reference_cannot_tell_apart_become_one():
    made = groups({"4": ("trees", "low_vegetation"), "7": ("water",)})
    assert made.of_map[[1, 2, 5, 9, 255]].tolist() == [1, 1, 5, 9, 255]
    assert made.of_label == {"4": 1, "7": 5}
    assert made.names == {1: "trees|low_vegetation", 5: "water", 9: "road"}


def test_a_group_is_called_what_the_reference_calls_it():
    pair = ("low_vegetation", "trees")
    assert groups({"4": pair}, {"4": "greenery"}.items()).names[1] == "greenery"
    assert groups({"4": pair, "6": pair}, {"4": "greenery"}.items()).names[1] == "trees|low_vegetation"
    assert groups({"4": pair}, {"4": "water"}.items()).names[1] == "trees|low_vegetation"
    assert groups({"4": ("trees",)}, {"4": "forest"}.items()).names[1] == "trees"


def test_groups_that_overlap_are_one_clear_line():
    with pytest.raises(LabelError, match=r"'trees' stands in two groups, trees\|low_vegetation and trees:"):
        groups({"4": ("trees", "low_vegetation"), "5": ("trees",)})


def test_a_class_that_the_map_lacks_is_one_clear_line():
    with pytest.raises(LabelError, match="has no class 'lake': its classes are trees, low_vegetation, water, road"):
        groups({"4": ("trees", "lake")})


def test_values_of_a_raster_become_ids_and_others_no_class():
    table = labels_as_ids(groups({"4": ("trees", "low_vegetation"), "0": ("water",), "8": ("road",)}), ("8",))
    assert np.flatnonzero(table != 255).tolist() == [0, 4]
    assert table[[0, 4]].tolist() == [5, 1]
    assert np.array_equal(labels_as_ids(ungrouped({}), ()), np.arange(256))


@pytest.mark.parametrize("value", ["256", "wood", "-1"])
def test_what_is_no_value_of_a_raster_is_refused(value):
    with pytest.raises(LabelError, match="is no value of a class raster: they are 0 to 255"):
        labels_as_ids(ungrouped({}), (value,))
