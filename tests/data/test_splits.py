import itertools

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rasterio.crs import CRS

from geoseg.data.splits import SPLITS, split_by_blocks
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
def test_pixels_of_two_splits_are_at_least_the_buffer_apart(height, width, seed):
    parts = split_by_blocks(grid(height, width), block_metres=120, buffer_metres=30, shares=(0.2, 0.2), seed=seed)
    for one, other in itertools.combinations(parts, 2):
        if one.split != other.split:
            assert gap(one.window, other.window) * 2.0 >= 29.9


def test_parts_lie_in_the_scene_and_fill_it_without_a_buffer():
    parts = split_by_blocks(grid(130, 75), block_metres=60, buffer_metres=0, shares=(0.3, 0.0), seed=1)
    seen = np.zeros((130, 75), dtype=int)
    for part in parts:
        seen[part.window.row : part.window.bottom, part.window.col : part.window.right] += 1
    assert (seen == 1).all()
    assert {part.split for part in parts} == {"train", "val"}


def test_shares_count_blocks_and_the_seed_chooses_them():
    def draw(seed):
        return split_by_blocks(grid(200, 200), block_metres=80, buffer_metres=8, shares=(0.2, 0.12), seed=seed)

    splits = [part.split for part in draw(1)]
    assert (len(splits), splits.count("val"), splits.count("test")) == (25, 5, 3)
    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_metres": 20, "buffer_metres": 30}, "leave nothing inside a buffer"),
        ({"block_metres": 500, "buffer_metres": 8}, "too few"),
    ],
)
def test_a_split_that_cannot_be_is_refused(changes, message):
    with pytest.raises(LabelError, match=message):
        split_by_blocks(grid(200, 200), **changes, shares=(0.2, 0.2), seed=0)


def test_a_scene_without_a_crs_has_no_metres():
    with pytest.raises(LabelError, match="without a CRS"):
        split_by_blocks(grid(200, 200, crs=None), block_metres=80, buffer_metres=8, shares=(0.2, 0.2), seed=0)


def counts_by_place(windows, counts):
    table = dict(zip(windows, counts, strict=True))
    return lambda window: table[window]


def labelled_split(counts, *, seed=0, shares=(0.15, 0.15)):
    """A row of blocks of 40 px with a buffer, and what each holds."""
    georef = grid(40, 40 * len(counts))
    kinds = {"block_metres": 80, "buffer_metres": 8, "shares": shares, "seed": seed}
    windows = [part.window for part in split_by_blocks(georef, **(kinds | {"shares": (0.0, 0.0)}))]
    return split_by_blocks(georef, **kinds, count=counts_by_place(windows, counts))


def blocks_of(parts, split):
    return [index for index, part in enumerate(parts) if part.split == split]


@given(counts=arrays(np.int64, st.tuples(st.integers(3, 7), st.integers(1, 5)), elements=st.integers(0, 9)))
def test_every_label_that_can_be_in_every_split_is(counts):
    counts[:, 0] += 1
    parts = labelled_split(counts)
    places = [SPLITS.index(part.split) for part in parts]
    frequent = counts[:, (counts > 0).sum(axis=0) >= 3] > 0

    def lacking(ways):
        held = (np.asarray(ways)[..., None] == np.arange(3)).swapaxes(-1, -2) @ frequent.astype(int)
        return (held == 0).sum(axis=(-2, -1))

    best = lacking(list(itertools.product(range(3), repeat=len(counts)))).min()
    assert lacking(places) == best


@given(seed=st.integers(0, 99))
def test_labelled_shares_are_near_those_asked_for(seed):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 1000, (60, 5)) * (rng.random((60, 5)) < 0.5)
    counts[:, 0] += 1
    parts = labelled_split(counts, seed=seed, shares=(0.2, 0.1))
    for split, share in (("val", 0.2), ("test", 0.1)):
        held = counts[blocks_of(parts, split)].sum(axis=0) / counts.sum(axis=0)
        assert np.abs(held - share).max() < 0.06


def test_blocks_without_labels_are_never_held_out():
    counts = np.zeros((40, 2), dtype=np.int64)
    counts[[3, 11, 29]] = [[5, 0], [5, 2], [0, 2]]
    parts = labelled_split(counts)
    assert sorted([*blocks_of(parts, "val"), *blocks_of(parts, "test")]) != []
    assert set(blocks_of(parts, "val")) | set(blocks_of(parts, "test")) < {3, 11, 29}
    with pytest.raises(LabelError, match="2 blocks with labels of 80 m are too few"):
        labelled_split(counts[:20])
    with pytest.raises(LabelError, match="0 blocks with labels"):
        labelled_split(counts[:2])


def test_the_seed_chooses_among_labelled_blocks_and_a_share_of_nothing_gets_none():
    counts = np.ones((30, 2), dtype=np.int64)
    assert labelled_split(counts, seed=1) == labelled_split(counts, seed=1)
    assert len({tuple(blocks_of(labelled_split(counts, seed=seed), "val")) for seed in range(4)}) > 1
    parts = labelled_split(counts, shares=(0.2, 0.0))
    assert (len(blocks_of(parts, "val")), blocks_of(parts, "test")) == (6, [])


def test_the_buffer_holds_whatever_the_labels():
    counts = np.random.default_rng(0).integers(0, 9, (12, 3))
    for one, other in itertools.combinations(labelled_split(counts), 2):
        assert gap(one.window, other.window) * 2.0 >= 7.9
