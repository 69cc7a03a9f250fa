import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.data.chips import IGNORED, Chip
from geoseg.data.labelled_scene import BlockCache, LabelledScene, OpenPair, OpenPairs, ScenePair, open_labelled_scenes
from geoseg.data.labels import LabelSource
from geoseg.data.sampling import ChipSampler, Region, SamplingPlan, scaled_chip
from geoseg.errors import LabelError
from geoseg.window import Window

CODES = {1: 0, 2: 1, 3: 2}
SIZE = 300


class FakeLabels:
    """Labels in memory."""

    def __init__(self, labels):
        self.labels = labels

    def read(self, window):
        read = np.full(window.shape, IGNORED, dtype=np.uint8)
        whole = Window.of_shape(*self.labels.shape)
        inside = window.intersect(whole)
        if inside is not None:
            read[inside.slices_in(window)] = self.labels[inside.slices_in(whole)]
        return read

    def close(self):
        pass


@pytest.fixture
def make_scene(fake_scene):
    def make(labels, valid=None, cache=10**9):
        valid = np.ones(labels.shape, dtype=np.bool_) if valid is None else valid
        rows, cols = np.indices(labels.shape)
        image = np.stack([rows % 251, cols % 241]).astype(np.uint8)
        scene = fake_scene(image=image, valid=valid)
        scene.close = lambda: None
        pair = OpenPair(scene, FakeLabels(labels))
        return LabelledScene(lambda: pair, pairs=OpenPairs(), cache=BlockCache(cache), number=0)

    return make


def whole(scene, **changes):
    return Region(scene=scene, window=scene.georef.window, scale=1.0, **changes)


def plan_of(**changes):
    plan = {"chip": 64, "gsd": 1.0, "gsd_jitter": (1.0, 1.0), "class_balance": 0.0, "seed": 3}
    return SamplingPlan(**(plan | changes))


def mostly_forest(rare=3):
    labels = np.ones((SIZE, SIZE), dtype=np.uint8)
    labels[100 : 100 + rare, 200 : 200 + rare] = 2
    return labels


@given(row=st.integers(-40, 1000), col=st.integers(-40, 1000), cache=st.sampled_from([1, 10**9]))
def test_a_window_through_the_cache_is_the_window_of_the_files(make_scene, row, col, cache):
    labels = np.random.default_rng(0).integers(0, 3, (700, 900), dtype=np.uint8)
    valid = labels != 1
    scene = make_scene(labels, valid, cache)
    window = Window(row=row, col=col, height=90, width=70)
    chip = scene.read(window)
    patch = scene.opener().scene.read(window)
    assert np.array_equal(chip.image, patch.image)
    assert np.array_equal(chip.valid, patch.valid)
    assert np.array_equal(chip.labels, np.where(patch.valid, FakeLabels(labels).read(window), IGNORED))


def test_a_storage_block_is_decoded_once_while_it_fits(make_scene):
    scene = make_scene(mostly_forest())
    for _ in range(5):
        scene.read(Window(row=10, col=10, height=50, width=50))
    assert len(scene.opener().scene.reads) == 1


def test_ground_outside_the_region_counts_as_outside_the_scene(make_scene):
    scene = make_scene(mostly_forest())
    chip = scene.read(Window(row=0, col=0, height=60, width=60), within=Window(row=10, col=20, height=30, width=100))
    inside = np.zeros((60, 60), dtype=np.bool_)
    inside[10:40, 20:] = True
    assert np.array_equal(chip.valid, inside)
    assert np.array_equal(chip.labels != IGNORED, inside)
    apart = scene.read(Window(row=0, col=0, height=9, width=9), within=Window(row=100, col=100, height=9, width=9))
    assert not apart.valid.any()


def test_a_draw_depends_on_seed_iteration_and_slot_alone(make_scene):
    scene = make_scene(np.random.default_rng(0).integers(0, 3, (SIZE, SIZE), dtype=np.uint8))
    one, other = (ChipSampler([whole(scene)], plan_of(class_balance=0.5), codes=3) for _ in range(2))
    for iteration in (7, 2):
        one.draw(iteration, 0)
    drawn = one.draw(5, 1)
    again = other.draw(5, 1)
    assert np.array_equal(drawn.image, again.image)
    assert np.array_equal(drawn.labels, again.labels)
    assert not np.array_equal(drawn.image, other.draw(5, 2).image)
    assert not np.array_equal(drawn.image, other.draw(6, 1).image)


def test_labels_of_a_chip_lie_on_its_image(make_scene):
    rows, _ = np.indices((SIZE, SIZE))
    scene = make_scene((rows % 251 > 125).astype(np.uint8))
    sampler = ChipSampler([whole(scene)], plan_of(), codes=3)
    for iteration in range(20):
        chip = sampler.draw(iteration, 0)
        assert np.array_equal(chip.labels, (chip.image[0] > 125).astype(np.uint8))


def test_chips_stay_inside_where_the_region_is_large_enough(make_scene):
    sampler = ChipSampler([whole(make_scene(mostly_forest()))], plan_of(gsd_jitter=(0.5, 2.0)), codes=3)
    assert all(sampler.draw(iteration, 0).valid.all() for iteration in range(40))


def test_a_region_smaller_than_a_chip_is_seen_whole(make_scene):
    scene = make_scene(np.ones((80, 40), dtype=np.uint8))
    chip = ChipSampler([whole(scene)], plan_of(), codes=3).draw(0, 0)
    assert chip.valid.sum() == 64 * 40


def test_class_balance_finds_the_rare_class(make_scene):
    region = whole(make_scene(mostly_forest()))

    def hits(balance):
        sampler = ChipSampler([region], plan_of(class_balance=balance), codes=3)
        return sum((sampler.draw(iteration, 0).labels == 2).any() for iteration in range(100))

    assert hits(0.0) < 20
    assert hits(1.0) > 40


def test_mostly_invalid_windows_are_drawn_again(make_scene):
    valid = np.zeros((SIZE, SIZE), dtype=np.bool_)
    valid[:150] = True
    sampler = ChipSampler([whole(make_scene(mostly_forest(), valid))], plan_of(), codes=3)
    shares = [sampler.draw(iteration, 0).valid_share for iteration in range(60)]
    assert min(shares) >= 0.5


def test_regions_are_drawn_by_known_pixels_and_weight(make_scene):
    small, large = make_scene(np.zeros((100, 100), np.uint8)), make_scene(np.ones((300, 300), np.uint8))
    sampler = ChipSampler([whole(small), whole(large)], plan_of(), codes=3)
    assert sampler.code_counts.tolist() == [10_000, 90_000, 0]
    plain = sum(sampler.draw(iteration, 0).labels[0, 0] == 0 for iteration in range(200))
    favoured = ChipSampler([whole(small, weight=9.0), whole(large)], plan_of(), codes=3)
    often = sum(favoured.draw(iteration, 0).labels[0, 0] == 0 for iteration in range(200))
    assert 5 < plain < 40
    assert 75 < often < 125


def test_the_scale_turns_numbers_into_float32(make_scene):
    region = Region(scene=make_scene(mostly_forest()), window=Window.of_shape(SIZE, SIZE), scale=0.5)
    chip = ChipSampler([region], plan_of(), codes=3).draw(0, 0)
    assert chip.image.dtype == np.float32
    assert (chip.image * 2 == np.round(chip.image * 2)).all()


@pytest.mark.parametrize("size", [8, 5])
def test_numbers_of_nodata_do_not_reach_the_chip(size):
    valid = np.zeros((8, 8), dtype=np.bool_)
    valid[:3] = True
    image = np.where(valid, np.float32(7), np.float32(np.nan))[None].repeat(2, axis=0)
    chip = Chip(image=image, labels=np.zeros((8, 8), np.uint8), valid=valid)
    region = Region(scene=None, window=None, scale=2.0)
    assert np.allclose(scaled_chip(chip, size, region).image, 14)
    nothing = Chip(image=image, labels=chip.labels, valid=np.zeros_like(valid))
    assert (scaled_chip(nothing, size, region).image == 0).all()


def test_ground_without_a_known_class_is_refused(make_scene):
    with pytest.raises(LabelError, match="no pixel to learn from has a known class"):
        ChipSampler([whole(make_scene(np.full((SIZE, SIZE), IGNORED, np.uint8)))], plan_of(), codes=3)


def test_pairs_of_files_open_together(write_scene):
    scene = write_scene(np.full((2, 40, 50), 9, dtype=np.uint8))
    labels = write_scene(np.full((1, 40, 50), 2, dtype=np.uint8), "labels.tif")
    pair = ScenePair(scene=scene, labels=LabelSource(path=labels, codes=CODES), bands=("2", "1"))
    [opened] = open_labelled_scenes([pair], cache_bytes=10**6)
    chip = opened.read(Window.of_shape(40, 50))
    opened.close()
    assert (chip.labels == 1).all()
    assert (chip.image == 9).all()
    with pytest.raises(LabelError, match="no labelled scene"):
        open_labelled_scenes([], cache_bytes=10**6)


def test_only_so_many_pairs_are_open_at_a_time():
    closed = []

    class Pair:
        def __init__(self, number):
            self.number = number

        def close(self):
            closed.append(self.number)

    pairs = OpenPairs(most=2)
    for number in (1, 2, 1, 3):
        assert pairs.get(number, lambda number=number: Pair(number)).number == number
    assert closed == [2]
    pairs.close(1)
    pairs.close(1)
    assert closed == [2, 1]


def test_ground_is_drawn_by_its_area_however_fine_the_pixels(make_scene):
    fine, coarse = make_scene(np.zeros((300, 300), np.uint8)), make_scene(np.ones((300, 300), np.uint8))
    regions = [whole(fine, gsd=0.5), whole(coarse, gsd=1.5)]
    sampler = ChipSampler(regions, plan_of(), codes=3)
    of_fine = sum(sampler.draw(iteration, 0).labels[0, 0] == 0 for iteration in range(300))
    assert 10 < of_fine < 60  # a tenth


def test_bands_that_a_scene_lacks_are_nan_and_the_others_in_their_places(make_scene):
    scene = make_scene(mostly_forest())
    region = whole(scene, layout=(1, None, 0))
    chip = ChipSampler([region], plan_of(), codes=3).draw(0, 0)
    plain = ChipSampler([whole(scene)], plan_of(), codes=3).draw(0, 0)
    assert np.isnan(chip.image[1]).all()
    assert np.array_equal(chip.image[[2, 0]], plain.image)
