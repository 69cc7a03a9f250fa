"""After generalizing no region is below the mapping unit, and nothing is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoseg.vector.generalize import Merges, generalize
from geoseg.vector.regions import RegionBlock, Regions, RegionTable, find_regions, relabelled
from geoseg.window import Window

RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=10),
    elements=st.sampled_from([0, 1, 2, 255]),
)
PREFERRED = st.one_of(st.none(), st.integers(0, 2**32))
"""Seed of the second class of each region, or none."""


def regions_of(class_ids: np.ndarray, *, areas: np.ndarray | None = None, block_rows: int = 100) -> Regions:
    blocks = [
        RegionBlock(
            window=Window(row=top, col=0, height=len(class_ids[top : top + block_rows]), width=class_ids.shape[1]),
            class_ids=class_ids[top : top + block_rows],
        )
        for top in range(0, len(class_ids), block_rows)
    ]
    return find_regions(
        blocks,
        areas=None if areas is None else lambda window: areas[window.row : window.bottom],
        with_borders=True,
        workers=1,
    )


def ids_of(regions: Regions, class_ids: np.ndarray, block_rows: int = 100) -> np.ndarray:
    tops = range(0, len(class_ids), block_rows)
    rows = [regions.block_ids(at, class_ids[top : top + block_rows])[1:-1] for at, top in enumerate(tops)]
    return np.vstack(rows)


def generalized(
    class_ids: np.ndarray,
    smallest: int,
    *,
    areas: np.ndarray | None = None,
    second: np.ndarray | None = None,
    block_rows: int = 100,
) -> tuple[RegionTable, np.ndarray, np.ndarray]:
    """The new table, the new region id of each pixel, and the classes of the pixels then."""
    regions = regions_of(class_ids, areas=areas, block_rows=block_rows)
    assert regions.borders is not None
    table, new_ids = generalize(regions.table, regions.borders, smallest, second=second)
    ids = ids_of(relabelled(regions, new_ids, table), class_ids, block_rows)
    return table, ids, np.append(np.uint8(255), table.class_ids)[ids]


def sides_around(ids: np.ndarray, region: int) -> dict[int, int]:
    """Pixel sides that a region shares with each other one."""
    sides: dict[int, int] = {}
    for one, other in ((ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:])):
        for here, there in ((one, other), (other, one)):
            for neighbour in there[here == region].tolist():
                if neighbour not in (0, region):
                    sides[neighbour] = sides.get(neighbour, 0) + 1
    return sides


def oracle_classes(class_ids: np.ndarray, smallest: int, second: np.ndarray) -> np.ndarray:
    """Merge one region at a time and label the raster again after each step; `second` is by pixel."""
    class_ids, second = class_ids.copy(), second.copy()
    while True:
        regions = regions_of(class_ids)
        table, ids = regions.table, ids_of(regions, class_ids)
        small = [each for each in range(1, len(table) + 1) if table.pixels[each - 1] < smallest]
        small = [each for each in small if sides_around(ids, each)]
        if not small:
            return class_ids
        region = min(small, key=lambda each: (table.pixels[each - 1], each))
        inside = ids == region
        sides = sides_around(ids, region)
        preferred = [each for each in sides if table.class_ids[each - 1] == second[inside][0]]
        best = max(preferred or sides, key=lambda each: (sides[each], table.pixels[each - 1], -each))
        class_ids[inside], inherited = table.class_ids[best - 1], second[ids == best][0]
        united = regions_of(class_ids)
        ids = ids_of(united, class_ids)
        second[ids == ids[inside][0]] = inherited


def second_of(table: RegionTable, seed: int | None) -> np.ndarray | None:
    return None if seed is None else np.random.default_rng(seed).choice(np.array([0, 1, 2, 255], np.uint8), len(table))


@settings(max_examples=100)
@given(class_ids=RASTERS, smallest=st.integers(0, 12), seed=PREFERRED)
def test_merging_equals_relabelling_after_every_step(class_ids, smallest, seed):
    regions = regions_of(class_ids)
    second = second_of(regions.table, seed)
    _, ids, classes = generalized(class_ids, smallest, second=second)
    known = np.full(len(regions.table), 255, dtype=np.uint8) if second is None else second
    expected = oracle_classes(class_ids, smallest, np.append(np.uint8(255), known)[ids_of(regions, class_ids)])
    assert np.array_equal(classes, expected)
    assert np.array_equal(ids, ids_of(regions_of(expected), expected))


@settings(max_examples=100)
@given(class_ids=RASTERS, smallest=st.integers(0, 30))
def test_the_new_table_is_that_of_the_new_raster(class_ids, smallest):
    areas = 1000 + np.arange(class_ids.size).reshape(class_ids.shape)
    table, _, classes = generalized(class_ids, smallest * 1000, areas=areas)
    expected = regions_of(classes, areas=areas).table
    for column in ("class_ids", "pixels", "areas", "tops", "bottoms", "sides", "touches_edge", "region_ids"):
        assert np.array_equal(getattr(table, column), getattr(expected, column)), column


@settings(max_examples=100)
@given(class_ids=RASTERS, smallest=st.integers(0, 30), block_rows=st.integers(1, 10), seed=PREFERRED)
def test_blocks_make_no_difference(class_ids, smallest, block_rows, seed):
    second = second_of(regions_of(class_ids).table, seed)
    table, ids, classes = generalized(class_ids, smallest, second=second)
    tiled_table, tiled_ids, tiled_classes = generalized(class_ids, smallest, second=second, block_rows=block_rows)
    assert np.array_equal(ids, tiled_ids)
    assert np.array_equal(classes, tiled_classes)
    assert np.array_equal(table.sides, tiled_table.sides)
    assert np.array_equal(table.bottoms, tiled_table.bottoms)


@settings(max_examples=150)
@given(class_ids=RASTERS, smallest=st.integers(1, 30))
def test_only_regions_without_a_neighbour_stay_below_the_mapping_unit(class_ids, smallest):
    table, ids, _ = generalized(class_ids, smallest)
    for position in np.flatnonzero(table.pixels < smallest):
        assert not sides_around(ids, int(position) + 1)


@pytest.mark.parametrize("classes", [2, 7])
def test_of_pure_noise_nothing_stays_below_the_mapping_unit(classes):
    class_ids = np.random.default_rng(classes).integers(0, classes, (200, 200)).astype(np.uint8)
    regions = regions_of(class_ids)
    assert regions.borders is not None
    table, new_ids = generalize(regions.table, regions.borders, 16)
    assert table.pixels.min() >= 16
    assert table.pixels.sum() == class_ids.size
    assert Merges.between(regions.table, table, new_ids, 16).left == 0


def test_a_small_region_joins_the_neighbour_with_the_longest_border():
    class_ids = np.array([[1, 1, 2, 2, 2], [1, 1, 2, 7, 2], [1, 1, 1, 1, 2]], dtype=np.uint8)
    _, _, classes = generalized(class_ids, 2)
    assert classes[1, 3] == 2


def test_equal_borders_go_to_the_larger_neighbour():
    _, _, classes = generalized(np.array([[1, 1, 7, 2, 2, 2]], dtype=np.uint8), 2)
    assert classes.tolist() == [[1, 1, 2, 2, 2, 2]]


def test_equal_neighbours_go_to_the_first():
    _, _, classes = generalized(np.array([[1, 1, 7, 2, 2]], dtype=np.uint8), 2)
    assert classes.tolist() == [[1, 1, 1, 2, 2]]


def test_a_neighbour_of_the_second_class_wins_over_a_longer_border():
    class_ids = np.array([[1, 1, 2, 2, 2], [1, 1, 7, 2, 2], [1, 1, 2, 2, 2]], dtype=np.uint8)
    second = np.array([255, 255, 1], dtype=np.uint8)
    assert generalized(class_ids, 2)[2][1, 2] == 2
    assert generalized(class_ids, 2, second=second)[2][1, 2] == 1


def test_a_second_class_that_is_no_neighbour_changes_nothing():
    class_ids = np.array([[1, 1, 7, 2, 2, 2]], dtype=np.uint8)
    second = np.array([255, 5, 255], dtype=np.uint8)
    assert generalized(class_ids, 2, second=second)[2].tolist() == [[1, 1, 2, 2, 2, 2]]


def test_the_winner_passes_on_its_second_class_not_a_larger_region_of_its_class():
    class_ids = np.array([[1, 1, 1, 7, 1], [1, 1, 2, 1, 1], *[[6, 6, 6, 6, 5]] * 14], dtype=np.uint8)
    larger, winner, below = 6, 5, 255
    second = np.array([larger, 255, winner, below, 255, 255], dtype=np.uint8)
    assert set(generalized(class_ids, 12, second=second)[2][:2].ravel().tolist()) == {5}


def test_regions_of_one_class_that_come_to_touch_become_one():
    table, ids, _ = generalized(np.array([[1, 1, 7, 1, 1, 1]], dtype=np.uint8), 2)
    assert ids.tolist() == [[1, 1, 1, 1, 1, 1]]
    assert table.pixels.tolist() == [6]


def test_a_larger_region_of_the_winners_class_is_counted_once():
    class_ids = np.array([[1, 1, 1, 7, 1], [1, 1, 2, 1, 1], [5, 5, 5, 5, 5]], dtype=np.uint8)
    table, _, classes = generalized(class_ids, 2)
    assert classes[:2].tolist() == [[1] * 5] * 2
    assert table.pixels.tolist() == [10, 5]


@pytest.mark.parametrize("smallest", [0, 1])
def test_without_a_mapping_unit_nothing_changes(smallest):
    table, ids, _ = generalized(np.array([[1, 2], [255, 1]], dtype=np.uint8), smallest)
    assert ids.tolist() == [[1, 2], [0, 3]]
    assert table.class_ids.tolist() == [1, 2, 1]


def test_size_is_measured_on_the_ground_where_it_is_known():
    areas = np.array([[9, 9, 500, 9, 9, 9]])
    _, _, classes = generalized(np.array([[1, 1, 7, 2, 2, 2]], dtype=np.uint8), 20, areas=areas)
    assert classes.tolist() == [[7, 7, 7, 2, 2, 2]]


def test_what_a_mapping_unit_did_is_counted():
    class_ids = np.array([[1, 1, 7, 1, 1, 255, 2]], dtype=np.uint8)
    regions = regions_of(class_ids)
    assert regions.borders is not None
    table, new_ids = generalize(regions.table, regions.borders, 2)
    assert Merges.between(regions.table, table, new_ids, 2) == Merges(below=2, gone=2, pixels=1, left=1)
