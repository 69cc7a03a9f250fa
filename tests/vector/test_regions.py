"""Regions found in blocks are those of the whole raster."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from geoseg.errors import GridError
from geoseg.vector import regions as regions_module
from geoseg.vector.regions import RegionBlock, Regions, RegionTable, find_regions
from geoseg.window import Window

RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 7, 255]),
)
BLOCK_ROWS = st.integers(1, 12)
WORKERS = st.integers(1, 4)


def blocks_of(class_ids: np.ndarray, block_rows: int) -> list[RegionBlock]:
    height, width = class_ids.shape
    return [
        RegionBlock(
            window=Window.between(top, min(top + block_rows, height), 0, width),
            class_ids=class_ids[top : top + block_rows],
        )
        for top in range(0, height, block_rows)
    ]


def regions_of(class_ids: np.ndarray, block_rows: int, workers: int = 1) -> Regions:
    numbers = np.arange(class_ids.size).reshape(class_ids.shape)
    return find_regions(
        blocks_of(class_ids, block_rows),
        areas=lambda window: numbers[window.row : window.bottom],
        with_borders=True,
        workers=workers,
    )


def ids_of(regions: Regions, class_ids: np.ndarray, block_rows: int) -> np.ndarray:
    blocks = blocks_of(class_ids, block_rows)
    return np.vstack([regions.block_ids(at, block.class_ids)[1:-1] for at, block in enumerate(blocks)])


def oracle_ids(class_ids: np.ndarray) -> np.ndarray:
    """Label the whole raster class by class, then number regions by their first pixel."""
    pieces = np.zeros(class_ids.shape, dtype=np.int64)
    for value in np.unique(class_ids[class_ids != 255]):
        of_class, _ = ndimage.label(class_ids == value)
        pieces[of_class > 0] = of_class[of_class > 0] + pieces.max()
    order = [int(piece) for piece in dict.fromkeys(pieces.ravel().tolist()) if piece > 0]
    return np.array([0, *(np.argsort(order) + 1)])[pieces] if order else pieces


def oracle_borders(ids: np.ndarray) -> Counter[tuple[int, int]]:
    sides: Counter[tuple[int, int]] = Counter()
    for one, other in ((ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:])):
        for pair in zip(one.ravel().tolist(), other.ravel().tolist(), strict=True):
            if pair[0] != pair[1] and 0 not in pair:
                sides[min(pair), max(pair)] += 1
    return sides


def assert_table_is_of(table: RegionTable, ids: np.ndarray, class_ids: np.ndarray) -> None:
    """Every column, pixel by pixel."""
    numbers = np.arange(ids.size).reshape(ids.shape)
    assert len(table) == ids.max(initial=0)
    assert table.areas is not None
    assert table.region_ids.tolist() == list(range(1, len(table) + 1))
    for position in range(len(table)):
        inside = ids == position + 1
        framed = np.pad(inside, 1)
        rows, cols = np.nonzero(inside)
        assert set(class_ids[inside]) == {table.class_ids[position]}
        assert table.pixels[position] == inside.sum()
        assert table.areas[position] == numbers[inside].sum()
        assert (table.tops[position], table.bottoms[position]) == (rows.min(), rows.max() + 1)
        assert table.sides[position] == sum(np.count_nonzero(np.diff(framed, axis=axis)) for axis in (0, 1))
        at_frame = rows.min() == 0 or cols.min() == 0 or rows.max() + 1 == len(ids) or cols.max() + 1 == ids.shape[1]
        assert table.touches_edge[position] == at_frame


@settings(max_examples=200)
@given(class_ids=RASTERS, block_rows=BLOCK_ROWS, workers=WORKERS)
def test_ids_are_those_of_the_whole_raster(class_ids, block_rows, workers):
    regions = regions_of(class_ids, block_rows, workers)
    around = np.pad(oracle_ids(class_ids), ((1, 1), (0, 0)))
    for at, block in enumerate(blocks_of(class_ids, block_rows)):
        ids = regions.block_ids(at, block.class_ids)
        assert ids.dtype == np.int32
        assert np.array_equal(ids, around[block.window.row : block.window.bottom + 2])


@settings(max_examples=150)
@given(class_ids=RASTERS, block_rows=BLOCK_ROWS, workers=WORKERS)
def test_the_table_measures_the_pixels_of_each_region(class_ids, block_rows, workers):
    regions = regions_of(class_ids, block_rows, workers)
    assert_table_is_of(regions.table, oracle_ids(class_ids), class_ids)


@settings(max_examples=150)
@given(class_ids=RASTERS, block_rows=BLOCK_ROWS, workers=WORKERS)
def test_borders_count_the_sides_between_each_pair_once(class_ids, block_rows, workers):
    borders = regions_of(class_ids, block_rows, workers).borders
    assert borders is not None
    pairs = list(zip(borders.left.tolist(), borders.right.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert dict(zip(pairs, borders.sides.tolist(), strict=True)) == oracle_borders(oracle_ids(class_ids))


def test_many_regions_are_found_alike_in_all_blocks():
    class_ids = np.random.default_rng(0).choice(np.array([0, 1, 2, 255], dtype=np.uint8), (150, 90))
    ids = oracle_ids(class_ids)
    for block_rows in (1, 37, 64, 100, 150):
        regions = regions_of(class_ids, block_rows, workers=3)
        assert np.array_equal(ids_of(regions, class_ids, block_rows), ids)
        assert np.array_equal(regions.table.pixels, np.bincount(ids.ravel())[1:])
        assert regions.borders is not None
        assert regions.borders.sides.sum() == oracle_borders(ids).total()


def test_pixels_that_touch_at_a_corner_only_are_two_regions():
    class_ids = np.array([[1, 2], [2, 1]], dtype=np.uint8)
    regions = regions_of(class_ids, 1)
    assert ids_of(regions, class_ids, 1).tolist() == [[1, 2], [3, 4]]
    assert regions.table.pixels.tolist() == [1, 1, 1, 1]


def test_arms_that_meet_below_their_block_are_one_region():
    u_shape = np.array([[1, 2, 1], [1, 2, 1], [1, 1, 1]], dtype=np.uint8)
    assert ids_of(regions_of(u_shape, 1), u_shape, 1).tolist() == [[1, 2, 1], [1, 2, 1], [1, 1, 1]]


def test_a_raster_without_a_valid_pixel_has_no_region():
    class_ids = np.full((5, 4), 255, dtype=np.uint8)
    regions = regions_of(class_ids, 2)
    assert len(regions.table) == 0
    assert regions.borders is not None
    assert len(regions.borders) == 0
    assert not ids_of(regions, class_ids, 2).any()


@pytest.mark.parametrize("areas", [None, lambda _window: None], ids=["not asked", "no place on earth"])
def test_without_areas_sizes_are_pixels(areas):
    blocks = blocks_of(np.zeros((3, 4), dtype=np.uint8), 2)
    regions = find_regions(blocks, areas=areas, with_borders=False, workers=1)
    assert regions.table.areas is None
    assert regions.table.sizes.tolist() == [12]
    assert regions.borders is None
    assert regions.contacts is None


def test_areas_are_asked_for_a_few_rows_at_a_time():
    asked: list[Window] = []

    def areas(window: Window) -> np.ndarray:
        asked.append(window)
        return np.full(window.shape, 2)

    blocks = blocks_of(np.zeros((300, 3), dtype=np.uint8), 150)
    regions = find_regions(blocks, areas=areas, with_borders=False, workers=1)
    assert regions.table.sizes.tolist() == [1800]
    assert max(window.height for window in asked) <= 64
    assert [window.row for window in asked] == [0, *(window.bottom for window in asked[:-1])]


def test_more_components_than_labels_are_refused(monkeypatch):
    monkeypatch.setattr(regions_module, "_MOST_LABELS", 11)
    class_ids = np.indices((4, 4)).sum(axis=0).astype(np.uint8) % 2
    with pytest.raises(GridError, match="more than 11 regions"):
        regions_of(class_ids, 2)


def test_a_block_of_more_pixels_than_labels_is_refused(monkeypatch):
    monkeypatch.setattr(regions_module, "_MOST_LABELS", 7)
    with pytest.raises(GridError, match="8 px in a block of 2 rows, at most 7 can be"):
        regions_of(np.zeros((4, 4), dtype=np.uint8), 2)


def test_an_error_of_a_thread_ends_the_search():
    def areas(_window: Window) -> np.ndarray:
        raise GridError("no areas today")

    with pytest.raises(GridError, match="no areas today"):
        find_regions(blocks_of(np.zeros((9, 3), dtype=np.uint8), 2), areas=areas, with_borders=False, workers=2)
