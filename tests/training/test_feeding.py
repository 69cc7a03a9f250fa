from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.data.augment import AugmentPlan
from geoseg.data.chips import Chip
from geoseg.data.labelled_scene import BlockCache, LabelledScene, OpenPair, OpenPairs, ScenePair, open_labelled_scenes
from geoseg.data.labels import LabelSource
from geoseg.data.sampling import ChipSampler, Region, SamplingPlan
from geoseg.raster.normalize import Normalizer
from geoseg.training.batches import BatchMaker
from geoseg.training.feeding import batches_ahead
from geoseg.window import Window

NORMALIZER = Normalizer(scales={"uint8": 1 / 255}, mean=(0.5,), std=(0.2,))
AUGMENT = AugmentPlan(gain=0.3, noise=0.1, blur=1.0)


@pytest.fixture
def sampler(write_scene):
    rng = np.random.default_rng(0)
    image = write_scene(rng.integers(1, 255, (1, 700, 700)).astype(np.uint8), "scene.tif")
    labels = write_scene(rng.integers(0, 2, (1, 700, 700)).astype(np.uint8), "labels.tif")
    pair = ScenePair(scene=image, labels=LabelSource(path=labels, codes={0: 0, 1: 1}), bands=("1",))
    scenes = open_labelled_scenes([pair], cache_bytes=1)
    regions = [Region(scene=scenes[0], window=scenes[0].georef.window, scale=1 / 255)]
    plan = SamplingPlan(chip=64, gsd=1.0, gsd_jitter=(0.7, 1.4), class_balance=0.5, seed=3)
    yield ChipSampler(regions, plan, codes=2)
    scenes[0].close()


class NoisySampler:
    """Draws chips of noise."""

    def draw(self, iteration, slot):
        rng = np.random.default_rng((iteration, slot))
        labels = rng.integers(0, 3, (8, 8), dtype=np.uint8)
        return Chip(image=rng.random((1, 8, 8), dtype=np.float32), labels=labels, valid=labels > 0)


def test_many_threads_make_the_batches_that_one_makes(sampler):
    make = BatchMaker(sampler, NORMALIZER, AUGMENT, slots=range(2), seed=1)
    expected = [make(iteration) for iteration in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(make, range(8)))
    ahead = list(batches_ahead(make, 0, 8))
    for one, other, third in zip(expected, found, ahead, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.images, third.images)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 100))
def test_the_shares_of_all_processes_are_the_whole_batch(world, share, iteration):
    whole = BatchMaker(NoisySampler(), NORMALIZER, AUGMENT, slots=range(world * share), seed=5)(iteration)
    parts = [
        BatchMaker(NoisySampler(), NORMALIZER, AUGMENT, slots=range(rank * share, (rank + 1) * share), seed=5)(
            iteration
        )
        for rank in range(world)
    ]
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)


def test_scenes_of_one_reader_are_read_by_one_thread_at_a_time(fake_scene):
    class Watched:
        inside = 0

        def read(self, window):
            assert Watched.inside == 0
            Watched.inside += 1
            np.linalg.svd(np.ones((40, 40)))  # gives other threads time
            Watched.inside -= 1
            return np.zeros(window.shape, dtype=np.uint8)

        def close(self):
            pass

    scene = fake_scene(image=np.zeros((1, 2000, 2000), np.uint8), valid=np.ones((2000, 2000), np.bool_))
    scene.close = lambda: None
    pairs, cache = OpenPairs(), BlockCache(1)
    both = [
        LabelledScene(lambda: OpenPair(scene, Watched()), pairs=pairs, cache=cache, number=number)
        for number in range(2)
    ]
    windows = [Window(row=row, col=0, height=4, width=4) for row in range(0, 2000, 50)]
    with ThreadPoolExecutor(4) as pool:
        chips = list(pool.map(lambda row: both[row.row // 50 % 2].read(row), windows))
    assert all(chip.valid.all() for chip in chips)
