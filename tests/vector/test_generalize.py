"""After generalizing no region is below the mapping unit, and nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoseg.vector.generalize import generalize
from geoseg.vector.regions import RegionBlock, RegionTable, find_regions
from geoseg.window import Window

RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=10),
    elements=st.sampled_from([0, 1, 2, 255]),
)


def generalized(
    class_ids: np.ndarray, smallest: int, *, areas: np.ndarray | None = None
) -> tuple[RegionTable, np.ndarray, np.ndarray]:
    """The new table, the new region id of each pixel, and the classes of the pixels then."""
    labels = np.zeros(class_ids.shape, dtype=np.int32)

    def keep(_window: Window, values: np.ndarray) -> None:
        labels[:] = values

    block = RegionBlock(
        window=Window.of_shape(*class_ids.shape),
        class_ids=class_ids,
        confidence=np.full(class_ids.shape, 40, dtype=np.uint8),
        areas=areas,
    )
    regions = find_regions([block], keep)
    table, new_ids = generalize(regions.table, regions.borders, smallest)
    ids = new_ids[regions.ids[labels]]
    return table, ids, np.append(np.uint8(255), table.class_ids)[ids]


def oracle_classes(class_ids: np.ndarray, smallest: int) -> np.ndarray:
    """Merge one region at a time and label the raster again after each step."""
    class_ids = class_ids.copy()
    while True:
        table, ids, _ = generalized(class_ids, 0)
        best = None
        for region in sorted(range(1, len(table) + 1), key=lambda each: (table.pixels[each - 1], each)):
            if table.pixels[region - 1] >= smallest:
                return class_ids
            sides: dict[int, int] = {}
            for one, other in ((ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:])):
                for here, there in ((one, other), (other, one)):
                    for neighbour in there[here == region].tolist():
                        if neighbour not in (0, region):
                            sides[neighbour] = sides.get(neighbour, 0) + 1
            if sides:
                best = max(sides, key=lambda each: (sides[each], table.pixels[each - 1], -each))
                class_ids[ids == region] = table.class_ids[best - 1]
                break
        if best is None:
            return class_ids


@settings(max_examples=150, deadline=None)
@given(class_ids=RASTERS, smallest=st.integers(0, 12))
def test_merging_equals_relabelling_after_every_step(class_ids, smallest):
    _, ids, classes = generalized(class_ids, smallest)
    expected = oracle_classes(class_ids, smallest)
    _, expected_ids, _ = generalized(expected, 0)
    assert np.array_equal(classes, expected)
    assert np.array_equal(ids, expected_ids)


@settings(max_examples=150, deadline=None)
@given(class_ids=RASTERS, smallest=st.integers(1, 30))
def test_only_regions_without_a_neighbour_stay_below_the_mapping_unit(class_ids, smallest):
    table, ids, _ = generalized(class_ids, smallest)
    framed = np.pad(ids, 1)
    for position in np.flatnonzero(table.pixels < smallest):
        inside = framed == position + 1
        around = np.zeros_like(inside)
        for axis in (0, 1):
            around |= np.roll(inside, 1, axis) | np.roll(inside, -1, axis)
        assert not framed[around & ~inside].any()


@settings(max_examples=100, deadline=None)
@given(class_ids=RASTERS, smallest=st.integers(0, 30))
def test_pixels_area_and_confidence_are_kept_in_total(class_ids, smallest):
    areas = 1000 + np.arange(class_ids.size).reshape(class_ids.shape)
    table, ids, _ = generalized(class_ids, smallest, areas=areas)
    valid = class_ids != 255
    assert table.areas is not None
    assert table.pixels.sum() == valid.sum()
    assert table.areas.sum() == areas[valid].sum()
    assert table.confidence_sums.sum() == 40 * valid.sum()
    assert np.array_equal(ids > 0, valid)
    assert np.array_equal(np.bincount(ids[valid], minlength=len(table) + 1)[1:], table.pixels)


def test_a_small_region_joins_the_neighbour_with_the_longest_border():
    class_ids = np.array([[1, 1, 2, 2, 2], [1, 1, 2, 7, 2], [1, 1, 1, 1, 2]], dtype=np.uint8)
    _, _, classes = generalized(class_ids, 2)
    assert classes[1, 3] == 2


def test_equal_borders_go_to_the_larger_neighbour():
    _, _, classes = generalized(np.array([[1, 1, 7, 2, 2, 2]], dtype=np.uint8), 2)
    assert classes.tolist() == [[1, 1, 2, 2, 2, 2]]


def test_regions_of_one_class_that_come_to_touch_become_one():
    table, ids, _ = generalized(np.array([[1, 1, 7, 1, 1, 1]], dtype=np.uint8), 2)
    assert ids.tolist() == [[1, 1, 1, 1, 1, 1]]
    assert table.pixels.tolist() == [6]


@pytest.mark.parametrize("smallest", [0, 1])
def test_without_a_mapping_unit_nothing_changes(smallest):
    table, ids, _ = generalized(np.array([[1, 2], [255, 1]], dtype=np.uint8), smallest)
    assert ids.tolist() == [[1, 2], [0, 3]]
    assert table.class_ids.tolist() == [1, 2, 1]


def test_size_is_measured_on_the_ground_where_it_is_known():
    areas = np.array([[9, 9, 500, 9, 9, 9]])
    _, _, classes = generalized(np.array([[1, 1, 7, 2, 2, 2]], dtype=np.uint8), 20, areas=areas)
    assert classes.tolist() == [[7, 7, 7, 2, 2, 2]]
