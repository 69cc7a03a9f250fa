"""The table of classes sums up the regions, class by class."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.classes import ClassMap
from geoseg.vector.regions import RegionBlock, find_regions
from geoseg.vector.summary import ClassSummary, summarize, summary_table
from geoseg.window import Window

CLASSES = ClassMap.of([(4, "forest", "#00ff00"), (0, "water", "#0000ff"), (9, "crops", "#ffff00")])
CLASS_IDS = np.array([[0, 0, 9], [0, 255, 9], [9, 255, 0]], dtype=np.uint8)


def table_of(class_ids, areas=None):
    block = RegionBlock(window=Window.of_shape(*class_ids.shape), class_ids=class_ids)
    return find_regions([block], areas=areas, with_borders=False, workers=1).table


def test_every_class_of_the_legend_has_a_row_in_its_order():
    means = np.full(256, np.nan)
    means[[0, 9]] = 0.75, 0.5
    found = summarize(table_of(CLASS_IDS), CLASSES, 1.0, means=means)
    assert found == [
        ClassSummary(
            class_id=4, name="forest", colour="#00ff00", polygons=0, pixels=0, area=None, share=0.0, confidence=None
        ),
        ClassSummary(
            class_id=0, name="water", colour="#0000ff", polygons=2, pixels=4, area=None, share=4 / 7, confidence=0.75
        ),
        ClassSummary(
            class_id=9, name="crops", colour="#ffff00", polygons=2, pixels=3, area=None, share=3 / 7, confidence=0.5
        ),
    ]


def test_shares_are_of_the_ground_where_that_is_known():
    weights = np.array([[1, 1, 1], [1, 9, 1], [1, 9, 6]], dtype=np.int64)
    areas = table_of(CLASS_IDS, lambda window: weights[window.row : window.bottom])
    _, water, crops = summarize(areas, CLASSES, 2.0, means=None)
    assert (water.area, crops.area) == (4.5, 1.5)
    assert (water.share, crops.share) == (0.75, 0.25)
    assert water.confidence is None


def test_the_table_has_the_same_rows():
    table = summary_table(summarize(table_of(CLASS_IDS), CLASSES, 1.0, means=None))
    names = [name for name, _ in table.columns]
    assert [dict(zip(names, row, strict=True))["area_px"] for row in table.rows] == [0, 4, 3]
    assert all(len(row) == len(names) for row in table.rows)


def test_without_regions_no_class_has_a_share():
    found = summarize(table_of(np.full((2, 2), 255, np.uint8)), CLASSES, 1.0, means=np.full(256, np.nan))
    assert [each.share for each in found] == [0.0] * 3
    assert [each.confidence for each in found] == pytest.approx([None] * 3)
