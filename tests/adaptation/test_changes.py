"""From-to tables count every pixel of both maps once."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.adaptation.changes import Changes, count_changes
from geoseg.errors import SceneError

IDS = (0, 3, 7, 255)


def counted(write_scene, legend, before, after, **rest):
    paths = [write_scene(each[None], name) for each, name in ((before, "before.tif"), (after, "after.tif"))]
    return count_changes(*paths, legend, **({"pixel_area": 4.0} | rest))


@given(seed=st.integers(0, 99), height=st.sampled_from([3, 1500]))
def test_pairs_are_those_that_a_loop_counts(write_scene, legend, seed, height):
    rng = np.random.default_rng(seed)
    before, after = (rng.choice(np.array(IDS, dtype=np.uint8), (height, 5)) for _ in range(2))
    changes = counted(write_scene, legend, before, after)
    for row, earlier in enumerate(legend.ids):
        for col, later in enumerate(legend.ids):
            assert changes.pixels[row, col] == ((before == earlier) & (after == later)).sum()
    both = (before != 255) & (after != 255)
    if both.any():
        assert changes.changed_share == pytest.approx(float((before != after)[both].mean()))
    np.testing.assert_array_equal(changes.areas, changes.pixels * 4.0)


def test_rows_tell_changed_ground_alone_the_largest_first(legend):
    pixels = np.array([[50, 2, 0], [5, 40, 0], [0, 3, 0]])
    rows = list(Changes(pixels=pixels, areas=pixels * 1e4).rows(legend.names))
    assert [(row["from"], row["to"], row["pixels"], row["hectares"], row["share"]) for row in rows] == [
        ("forest", "water", 5, 5.0, 0.05),
        ("crop", "forest", 3, 3.0, 0.03),
        ("water", "forest", 2, 2.0, 0.02),
    ]


def test_grounds_add_up(legend):
    one = Changes(pixels=np.eye(3, dtype=np.int64), areas=np.eye(3))
    other = Changes(pixels=np.ones((3, 3), dtype=np.int64), areas=np.full((3, 3), np.nan))
    both = one + other
    assert both.pixels.sum() == 12
    assert both.changed_share == 0.5
    assert {row["hectares"] for row in both.rows(legend.names)} == {None}


def test_ground_without_a_pixel_has_not_changed(write_scene, legend):
    nothing = np.full((4, 4), 255, dtype=np.uint8)
    changes = counted(write_scene, legend, nothing, nothing, pixel_area=None)
    assert changes.changed_share == 0
    assert not list(changes.rows(legend.names))


def test_maps_of_other_grids_and_missing_ones_are_one_line(write_scene, legend, tmp_path):
    image = np.zeros((1, 4, 4), dtype=np.uint8)
    here, there = write_scene(image, "a.tif"), write_scene(image, "b.tif", transform=Affine(2, 0, 5e5, 0, -2, 5e6))
    with pytest.raises(SceneError, match="different grids"):
        count_changes(here, there, legend, pixel_area=1.0)
    with pytest.raises(SceneError, match="cannot be compared"):
        count_changes(here, tmp_path / "no.tif", legend, pixel_area=1.0)
