"""Regions found in blocks are those of the whole raster."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from geoseg.vector.regions import RegionBlock, Regions, find_regions
from geoseg.window import Window

RASTERS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 7, 255]),
)


def regions_of(class_ids: np.ndarray, block_rows: int, *, georeferenced: bool = True) -> tuple[Regions, np.ndarray]:
    """The regions, and the region id of each pixel."""
    height, width = class_ids.shape
    labels = np.full(class_ids.shape, -1, dtype=np.int32)
    numbers = np.arange(class_ids.size).reshape(class_ids.shape)
    confidence = (numbers % 101).astype(np.uint8)

    def keep(window: Window, values: np.ndarray) -> None:
        labels[window.row : window.bottom] = values

    blocks = [
        RegionBlock(
            window=Window.between(top, min(top + block_rows, height), 0, width),
            class_ids=class_ids[top : top + block_rows],
            confidence=confidence[top : top + block_rows],
            areas=numbers[top : top + block_rows] if georeferenced else None,
        )
        for top in range(0, height, block_rows)
    ]
    regions = find_regions(blocks, keep)
    return regions, regions.ids[labels]


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


@settings(max_examples=200, deadline=None)
@given(class_ids=RASTERS, block_rows=st.integers(1, 12))
def test_ids_are_those_of_the_whole_raster(class_ids, block_rows):
    _, ids = regions_of(class_ids, block_rows)
    assert np.array_equal(ids, oracle_ids(class_ids))


@settings(max_examples=100, deadline=None)
@given(class_ids=RASTERS, block_rows=st.integers(1, 12))
def test_the_table_sums_the_pixels_of_each_region(class_ids, block_rows):
    regions, ids = regions_of(class_ids, block_rows)
    table = regions.table
    assert table.areas is not None
    numbers = np.arange(class_ids.size).reshape(class_ids.shape)
    assert len(table) == ids.max(initial=0)
    for position in range(len(table)):
        inside = ids == position + 1
        assert set(class_ids[inside]) == {table.class_ids[position]}
        assert table.pixels[position] == inside.sum()
        assert table.areas[position] == numbers[inside].sum()
        assert table.confidence_sums[position] == (numbers[inside] % 101).sum()
        assert table.bottoms[position] == np.nonzero(inside)[0].max() + 1


@settings(max_examples=100, deadline=None)
@given(class_ids=RASTERS, block_rows=st.integers(1, 12))
def test_borders_count_the_sides_between_each_pair_once(class_ids, block_rows):
    regions, ids = regions_of(class_ids, block_rows)
    borders = regions.borders
    pairs = list(zip(borders.left.tolist(), borders.right.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert Counter(dict(zip(pairs, borders.sides.tolist(), strict=True))) == oracle_borders(ids)


def test_pixels_that_touch_at_a_corner_only_are_two_regions():
    regions, ids = regions_of(np.array([[1, 2], [2, 1]], dtype=np.uint8), 1)
    assert ids.tolist() == [[1, 2], [3, 4]]
    assert regions.table.pixels.tolist() == [1, 1, 1, 1]


def test_arms_that_meet_below_their_block_are_one_region():
    u_shape = np.array([[1, 2, 1], [1, 2, 1], [1, 1, 1]], dtype=np.uint8)
    _, ids = regions_of(u_shape, 1)
    assert ids.tolist() == [[1, 2, 1], [1, 2, 1], [1, 1, 1]]


def test_a_raster_without_a_valid_pixel_has_no_region():
    regions, ids = regions_of(np.full((5, 4), 255, dtype=np.uint8), 2)
    assert len(regions.table) == 0
    assert len(regions.borders.sides) == 0
    assert not ids.any()


def test_areas_are_unknown_without_a_place_on_earth():
    regions, _ = regions_of(np.zeros((3, 4), dtype=np.uint8), 2, georeferenced=False)
    assert regions.table.areas is None
    assert regions.table.pixels.tolist() == [12]
