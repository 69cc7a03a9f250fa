"""Windows of a sample are spread evenly, share no pixel, and come out the same each time."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import SceneError
from geoseg.shift.sampling import SampledScene, clusters, sample_windows, split_sample
from geoseg.shift.windows import Place, WindowSample
from geoseg.window import Window

SIDE = 16


@pytest.fixture
def scene_of(fake_scene):
    def made(height, width, *, valid=None, bands=2, present=(0, 1)):
        image = np.arange(len(present) * height * width, dtype=np.float32).reshape(len(present), height, width)
        usable = np.ones((height, width), dtype=np.bool_) if valid is None else valid
        return SampledScene(reader=fake_scene(image, usable), scale=0.5, present=present, bands=bands)

    return made


def sample_at(corners, *, side=SIDE, scene=0):
    places = tuple(Place(scene=scene, window=Window(row=r, col=c, height=side, width=side)) for r, c in corners)
    shape = (len(places), side, side)
    return WindowSample(
        images=np.zeros((shape[0], 1, *shape[1:]), np.float32), valid=np.ones(shape, bool), places=places
    )


def overlap(places):
    return [
        (one, other)
        for one, other in combinations(places, 2)
        if one.scene == other.scene and one.window.intersect(other.window)
    ]


@given(heights=st.lists(st.integers(3, 150), min_size=1, max_size=4), count=st.integers(1, 40), seed=st.integers(0, 9))
def test_windows_share_no_pixel_and_are_not_more_than_asked_for(scene_of, heights, count, seed):
    scenes = [scene_of(height, 151 - height) for height in heights]
    sample = sample_windows(scenes, side=SIDE, count=count, seed=seed)
    assert 1 <= len(sample) <= count
    assert not overlap(sample.places)
    order = [(place.scene, place.window.row, place.window.col) for place in sample.places]
    assert order == sorted(order)
    assert sample.valid.any(axis=(1, 2)).all()


@given(stored=st.tuples(st.integers(1, 200), st.integers(1, 200)), count=st.integers(1, 9), seed=st.integers(0, 9))
def test_a_window_that_fits_a_storage_block_lies_in_one(scene_of, stored, count, seed):
    scene = scene_of(700, 640)
    free = sample_windows([scene], side=SIDE, count=count, seed=seed).places
    places = sample_windows([scene], side=SIDE, count=count, seed=seed, stored=stored).places
    assert len(places) == len(free)
    assert not overlap(places)
    for axis, side in (("row", stored[0]), ("col", stored[1])):
        starts = [getattr(place.window, axis) for place in places]
        if side < SIDE:
            assert starts == [getattr(place.window, axis) for place in free]
        else:
            assert all(start // side == (start + SIDE - 1) // side for start in starts)


def test_pixels_are_those_of_the_scene_times_its_scale(scene_of):
    scene = scene_of(70, 90)
    sample = sample_windows([scene], side=SIDE, count=6, seed=1)
    assert len(sample) == 6
    for place, image in zip(sample.places, sample.images, strict=True):
        window = place.window
        expected = scene.reader.image[:, window.row : window.bottom, window.col : window.right] * 0.5
        np.testing.assert_array_equal(image, expected)


def test_a_band_that_the_scene_lacks_is_nan(scene_of):
    sample = sample_windows([scene_of(20, 20, bands=3, present=(2, 0))], side=SIDE, count=1, seed=0)
    assert np.isnan(sample.images[:, 1]).all()
    assert sample.images[0, 0, 0, 0] - sample.images[0, 2, 0, 0] == 20 * 20 * 0.5


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_places(scene_of):
    scenes = [scene_of(300, 200), scene_of(100, 100)]
    first, again, other = (sample_windows(scenes, side=SIDE, count=20, seed=seed) for seed in (3, 3, 4))
    assert first.places == again.places != other.places
    assert first.images.tobytes() == again.images.tobytes()


def test_scenes_have_windows_by_their_area_and_every_quarter_has_its_share(scene_of):
    sample = sample_windows([scene_of(400, 400), scene_of(200, 200)], side=SIDE, count=40, seed=0)
    owners = [place.scene for place in sample.places]
    assert (owners.count(0), owners.count(1)) == (32, 8)
    middles = [(p.window.row + SIDE / 2 < 200, p.window.col + SIDE / 2 < 200) for p in sample.places if p.scene == 0]
    for quarter in ((True, True), (True, False), (False, True), (False, False)):
        assert middles.count(quarter) == pytest.approx(8, abs=2)


def test_windows_of_nodata_are_left_out_and_others_found_in_their_stead(scene_of):
    valid = np.zeros((320, 320), dtype=np.bool_)
    valid[:, :100] = True
    sample = sample_windows([scene_of(320, 320, valid=valid)], side=SIDE, count=24, seed=0)
    assert len(sample) >= 18
    assert (sample.valid.mean(axis=(1, 2)) >= 0.05).all()


def test_a_scene_smaller_than_a_window_is_padded_as_not_valid(scene_of):
    sample = sample_windows([scene_of(5, 42)], side=SIDE, count=9, seed=0)
    assert sample.valid.sum() == 5 * 42
    assert sample.images.shape[1:] == (2, SIDE, SIDE)


def test_a_few_valid_pixels_are_better_than_none(scene_of):
    valid = np.zeros((32, 32), dtype=np.bool_)
    valid[3, 3] = True
    assert sample_windows([scene_of(32, 32, valid=valid)], side=SIDE, count=4, seed=0).valid.sum() == 1


def test_ground_without_a_valid_pixel_is_refused(scene_of):
    with pytest.raises(SceneError, match="no valid pixel in 1 scenes"):
        sample_windows([scene_of(64, 64, valid=np.zeros((64, 64), bool))], side=SIDE, count=4, seed=0)


def test_windows_of_a_row_are_read_from_the_same_rows_and_nothing_twice(scene_of):
    scene = scene_of(160, 160)
    sample_windows([scene], side=SIDE, count=25, seed=0)
    starts = [window.row for window in scene.reader.reads]
    assert len(starts) == 25
    assert len(set(starts)) == 5
    assert starts == sorted(starts)


@given(
    corners=st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=40),
    stride=st.sampled_from([SIDE, SIDE + 1]),
    share=st.sampled_from([0.25, 0.33, 0.5]),
)
def test_a_split_loses_no_window_and_keeps_touching_ones_together_where_it_can(corners, stride, share):
    sample = sample_at([(row * stride, col * stride) for row, col in sorted(corners)])
    learn, held = split_sample(sample, held_out=share)
    assert len(learn) > 0
    assert len(held) > 0
    assert set(learn.places) | set(held.places) == set(sample.places)
    assert len(learn) + len(held) == len(sample)
    groups = clusters(sample.places)
    if np.bincount(groups).max() <= 0.25 * len(sample):
        owner = dict(zip(sample.places, groups.tolist(), strict=True))
        assert not {owner[place] for place in learn.places} & {owner[place] for place in held.places}


@pytest.mark.parametrize("stride", [SIDE, 2 * SIDE])
def test_about_the_share_asked_for_is_held_out_all_over_the_ground(stride):
    sample = sample_at([(row * stride, col * stride) for row in range(8) for col in range(6)])
    _, held = split_sample(sample, held_out=0.25)
    assert len(held) == pytest.approx(12, abs=2)
    rows = [place.window.row for place in held.places]
    assert min(rows) < 4 * stride <= max(rows)


def test_a_single_window_is_cut_in_two():
    learn, held = split_sample(sample_at([(0, 0)]), held_out=0.25)
    assert not (learn.valid & held.valid).any()
    assert (learn.valid | held.valid).all()
    assert held.valid.sum() == SIDE * SIDE / 4


def test_windows_that_touch_are_one_cluster_only_within_a_scene():
    one = sample_at([(0, 0), (0, 40), (16, 16), (60, 60)]).places
    other = sample_at([(0, 16)], scene=1).places
    assert clusters(one + other).tolist() == [0, 1, 0, 2, 3]
