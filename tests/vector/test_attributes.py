"""What is said of a region's confidence is what its pixels say, however they come in blocks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoseg.classes import ClassMap
from geoseg.vector.attributes import OpenRegions
from geoseg.vector.regions import RegionBlock, Regions, find_regions
from geoseg.window import Window

CLASSES = ClassMap.of([(4, "forest", "#00ff00"), (0, "water", "#0000ff"), (9, "crops", "#ffff00")])
RASTERS = hnp.arrays(
    np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.sampled_from([0, 4, 9, 255])
)


def regions_of(class_ids: np.ndarray) -> tuple[Regions, np.ndarray]:
    """The regions, and their ids (rows + 2, width)."""
    block = RegionBlock(window=Window.of_shape(*class_ids.shape), class_ids=class_ids)
    regions = find_regions([block], areas=None, with_borders=False, workers=1)
    return regions, regions.block_ids(0, class_ids)


def measured(
    class_ids: np.ndarray, block_rows: int, confidence: np.ndarray | None, probabilities: np.ndarray | None
) -> tuple[OpenRegions, Regions, np.ndarray]:
    regions, ids = regions_of(class_ids)
    collected = OpenRegions(regions.table, CLASSES)
    for top in range(0, len(class_ids), block_rows):
        rows = slice(top, min(top + block_rows, len(class_ids)))
        around = slice(rows.start, rows.stop + 2)
        part = collected.measure(
            ids[around],
            top,
            confidence=None if confidence is None else confidence[rows],
            probabilities=None if probabilities is None else probabilities[:, around],
        )
        collected.add(part)
    return collected, regions, ids[1:-1]


@settings(max_examples=150, deadline=None)
@given(class_ids=RASTERS, block_rows=st.integers(1, 8), seed=st.integers(0, 99))
def test_mean_and_tenth_are_those_of_the_pixels(class_ids, block_rows, seed):
    numbers = np.random.default_rng(seed).choice(np.array([0, 1, 50, 99, 100, 255], np.uint8), size=class_ids.shape)
    collected, regions, ids = measured(class_ids, block_rows, numbers, None)
    found = collected.of(np.arange(1, len(regions.table) + 1))
    for region in range(1, len(regions.table) + 1):
        known = np.sort(numbers[(ids == region) & (numbers <= 100)])
        if len(known) == 0:
            assert np.isnan([found.mean[region - 1], found.tenth[region - 1]]).all()
            continue
        smallest = next(each for each in known if np.count_nonzero(known <= each) >= 0.1 * len(known))
        assert found.mean[region - 1] == pytest.approx(known.mean() / 100, rel=1e-12)
        assert found.tenth[region - 1] == smallest / 100
    assert (found.second_class == -1).all()


@settings(max_examples=150, deadline=None)
@given(class_ids=RASTERS, block_rows=st.integers(1, 8), seed=st.integers(0, 99))
def test_the_second_class_has_the_greatest_mean_probability_but_the_own(class_ids, block_rows, seed):
    height, width = class_ids.shape
    rng = np.random.default_rng(seed)
    chances = rng.choice(np.array([0, 0, 1, 30, 200], np.uint8), size=(3, height + 2, width))
    chances[:, rng.random((height + 2, width)) < 0.2] = 255
    collected, regions, ids = measured(class_ids, block_rows, None, chances)
    seconds = collected.of(np.arange(1, len(regions.table) + 1)).second_class
    valid = np.where(chances == 255, 0, chances.astype(int))[:, 1:-1]
    for region, own in enumerate(regions.table.class_ids.tolist(), start=1):
        sums = {id_: valid[index][ids == region].sum() for index, id_ in enumerate(CLASSES.ids) if id_ != own}
        best = max(sums, key=lambda id_: sums[id_])
        assert seconds[region - 1] == (best if sums[best] > 0 else -1)


def test_the_content_does_not_depend_on_the_blocks_to_the_last_bit():
    rng = np.random.default_rng(5)
    class_ids = rng.choice(np.array([0, 4, 9], np.uint8), size=(60, 40), p=[0.1, 0.1, 0.8])
    numbers = rng.integers(0, 101, class_ids.shape).astype(np.uint8)
    chances = rng.integers(0, 101, (3, 62, 40)).astype(np.uint8)
    whole, regions, _ = measured(class_ids, 60, numbers, chances)
    every = np.arange(1, len(regions.table) + 1)
    for rows in (1, 7, 59):
        parts, _, _ = measured(class_ids, rows, numbers, chances)
        for name in ("mean", "tenth", "second_class"):
            assert np.array_equal(getattr(parts.of(every), name), getattr(whole.of(every), name), equal_nan=True)


def test_only_regions_over_the_last_line_are_held():
    class_ids = np.random.default_rng(1).choice(np.array([0, 4, 9], np.uint8), size=(64, 30))
    collected, _, _ = measured(class_ids, 8, np.full((64, 30), 70, np.uint8), None)
    assert len(collected._open.region_ids) == 0
    regions, ids = regions_of(class_ids)
    collected = OpenRegions(regions.table, CLASSES)
    collected.add(collected.measure(ids[:10], 0, confidence=None, probabilities=None))
    assert set(collected._open.region_ids) <= set(ids[8]) & set(ids[9])


def test_class_means_are_over_pixels_not_over_regions():
    class_ids = np.array([[0, 0, 0, 4, 0]], np.uint8)
    collected, _, _ = measured(class_ids, 1, np.array([[60, 60, 60, 255, 100]], np.uint8), None)
    means = collected.class_means()
    assert means[0] == 0.7
    assert np.isnan(means[[4, 9]]).all()


@pytest.mark.parametrize("block_rows", [1, 2])
def test_a_tenth_of_the_pixels_is_enough_for_the_tenth(block_rows):
    numbers = np.full((2, 10), 90, np.uint8)
    numbers[0, 3], numbers[1, 8] = 10, 20
    class_ids = np.array([[0] * 10, [0] * 10], np.uint8)
    collected, _, _ = measured(class_ids, block_rows, numbers, None)
    assert collected.of(np.array([1])).tenth == [0.2]
    collected, _, _ = measured(np.array([[0] * 10, [4] * 10], np.uint8), block_rows, numbers, None)
    assert collected.of(np.array([1, 2])).tenth.tolist() == [0.1, 0.2]
