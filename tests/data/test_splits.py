import itertools

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS

from geoseg.data.splits import split_by_blocks
from geoseg.errors import LabelError
from geoseg.georef import GeoRef

UTM = CRS.from_epsg(32633).to_wkt(version="WKT2_2019")


def grid(height, width, *, crs=UTM, gsd=2.0):
    return GeoRef(crs=crs, transform=Affine(gsd, 0, 5e5, 0, -gsd, 5e6), height=height, width=width)


def gap(one, other):
    rows = max(one.row - other.bottom, other.row - one.bottom, 0)
    cols = max(one.col - other.right, other.col - one.right, 0)
    return max(rows, cols)


@given(height=st.integers(150, 400), width=st.integers(150, 400), seed=st.integers(0, 99))
def test_pixels_of_two_splits_are_at_least_the_guard_apart(height, width, seed):
    parts = split_by_blocks(grid(height, width), block_metres=120, guard_metres=30, shares=(0.2, 0.2), seed=seed)
    for one, other in itertools.combinations(parts, 2):
        if one.split != other.split:
            assert gap(one.window, other.window) * 2.0 >= 29.9


def test_parts_lie_in_the_scene_and_fill_it_without_a_guard():
    parts = split_by_blocks(grid(130, 75), block_metres=60, guard_metres=0, shares=(0.3, 0.0), seed=1)
    seen = np.zeros((130, 75), dtype=int)
    for part in parts:
        seen[part.window.row : part.window.bottom, part.window.col : part.window.right] += 1
    assert (seen == 1).all()
    assert {part.split for part in parts} == {"train", "val"}


def test_shares_count_blocks_and_the_seed_chooses_them():
    def draw(seed):
        return split_by_blocks(grid(200, 200), block_metres=80, guard_metres=8, shares=(0.2, 0.12), seed=seed)

    splits = [part.split for part in draw(1)]
    assert (len(splits), splits.count("val"), splits.count("test")) == (25, 5, 3)
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_metres": 20, "guard_metres": 30}, "leave nothing inside a guard"),
        ({"block_metres": 500, "guard_metres": 8}, "too few"),
    ],
)
def test_a_split_that_cannot_be_is_refused(changes, message):
    with pytest.raises(LabelError, match=message):
        split_by_blocks(grid(200, 200), **changes, shares=(0.2, 0.2), seed=0)


def test_a_scene_without_a_crs_has_no_metres():
    with pytest.raises(LabelError, match="without a CRS"):
        split_by_blocks(grid(200, 200, crs=None), block_metres=80, guard_metres=8, shares=(0.2, 0.2), seed=0)
