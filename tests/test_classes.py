"""A legend that exists is consistent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.classes import NODATA_ID, ClassMap, LandCoverClass
from geoseg.errors import ConfigError

IDS = st.lists(st.integers(0, 254), min_size=1, max_size=20, unique=True)


def a_legend(ids):
    return ClassMap.of([(id_, f"class {id_}", f"#{id_:02x}00ff") for id_ in ids])


@given(IDS)
def test_indices_and_ids_translate_both_ways(ids):
    legend = a_legend(ids)
    indices = np.arange(len(legend))
    assert legend.ids_of_indices()[indices].tolist() == ids
    assert legend.indices_of_ids()[ids].tolist() == indices.tolist()


@given(IDS)
def test_a_number_that_is_no_class_has_no_index(ids):
    table = a_legend(ids).indices_of_ids()
    assert table.shape == (256,)
    assert set(np.delete(table, ids).tolist()) == {NODATA_ID}


@given(IDS)
def test_every_class_has_its_colour_and_nodata_is_transparent(ids):
    table = a_legend(ids).colour_table()
    assert table == {id_: (id_, 0, 255, 255) for id_ in ids} | {NODATA_ID: (0, 0, 0, 0)}


def test_a_class_is_found_by_name():
    legend = a_legend([9, 4])
    assert legend.index_of("class 4") == 1
    with pytest.raises(ConfigError, match=r"'lake'.*class 9, class 4"):
        legend.index_of("lake")


@pytest.mark.parametrize("entries", [[(1, "a", "#000000"), (1, "b", "#000000")], [(1, "a", "#000000")] * 2, []])
def test_a_legend_without_classes_or_with_doubled_ones_cannot_be(entries):
    with pytest.raises(ConfigError):
        ClassMap.of(entries)


def test_two_classes_of_one_name_cannot_be():
    with pytest.raises(ConfigError, match="name 'a' stands twice"):
        ClassMap.of([(1, "a", "#000000"), (2, "a", "#000000")])


@pytest.mark.parametrize(
    ("id_", "name", "colour"),
    [(255, "a", "#000000"), (-1, "a", "#000000"), (0, " ", "#000000"), (0, "a", "red"), (0, "a", "#00000")],
)
def test_an_impossible_class_cannot_be(id_, name, colour):
    with pytest.raises(ConfigError):
        LandCoverClass(id=id_, name=name, colour=colour)
