"""The list of regions to look at has the most doubtful ones first, whatever the batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geoseg.vector.columns import GEOMETRY, LANDCOVER, batch_of
from geoseg.vector.review import ReviewList

SQUARE = shapely.to_wkb(shapely.box(0, 0, 1, 1))


def rows_of(confidence, pixels, first_id=1) -> pa.RecordBatch:
    """Rows of the layer of regions."""
    count = len(confidence)
    columns = dict.fromkeys(LANDCOVER.names) | {
        "class_id": 4,
        "class_name": "forest",
        "area_px": np.asarray(pixels, np.int64),
        "confidence": np.asarray(confidence, np.float64),
        "confidence_p10": np.asarray(confidence, np.float64),
        "touches_edge": False,
        "region_id": np.arange(first_id, first_id + count),
        "run_id": "0",
        GEOMETRY: pa.array([SQUARE] * count, pa.binary()),
    }
    return batch_of(LANDCOVER, columns, count)


def listed(count, *batches):
    """Region ids in the order of the list."""
    review = ReviewList(count)
    for batch in batches:
        review.look_at(batch)
    rows = [row for batch in review.batches() for row in batch.to_pylist()]
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    return [row["region_id"] for row in rows]


REGIONS = st.lists(st.tuples(st.sampled_from([0.3, 0.5, 0.9, float("nan")]), st.integers(1, 5)), max_size=30)


@settings(max_examples=200, deadline=None)
@given(regions=REGIONS, count=st.integers(0, 8), size=st.integers(1, 30))
def test_the_list_is_the_head_of_all_regions_in_order_of_doubt(regions, count, size):
    confidence = [each for each, _ in regions]
    pixels = [each for _, each in regions]
    starts = range(0, len(regions), size)
    batches = [rows_of(confidence[at : at + size], pixels[at : at + size], at + 1) for at in starts]
    doubts = (1 - np.array(confidence)) * np.log2(1 + np.array(pixels))
    known = [at for at in range(len(regions)) if not np.isnan(doubts[at])]
    expected = sorted(known, key=lambda at: (-doubts[at], at))[:count]
    assert listed(count, *batches) == [at + 1 for at in expected]


def test_neither_specks_nor_the_background_lead():
    speck, field, background = (0.35, 1), (0.5, 400), (0.97, 10_000_000)
    assert listed(3, rows_of(*zip(speck, field, background, strict=True))) == [2, 3, 1]


def test_without_a_confidence_there_is_nothing_to_review():
    assert listed(5, rows_of([np.nan, np.nan], [3, 3])) == []
