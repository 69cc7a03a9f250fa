"""A resampled scene is a function of the ground alone: exact means, whatever the window."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.raster.resample import ResampledScene, axis_weights
from geoseg.window import Window

RANDOM = np.random.default_rng(6)
FACTORS = st.one_of(st.floats(0.1, 12), st.sampled_from([0.25, 1 / 3, 0.5, 1.0, 1.5, 2.0, 3.0, 10.0]))


def dense(start, stop, factor, size):
    weights, left = axis_weights(start, stop, factor, size)
    full = np.zeros((stop - start, size))
    full[:, left : left + weights.shape[1]] = weights.toarray()
    return full


def rescaled_size(size, factor):
    return max(1, int(size / factor + 0.5))


def covered(low, high, pixel):
    return max(0.0, min(high, pixel + 1) - max(low, pixel))


@given(size=st.integers(1, 60), factor=FACTORS)
def test_weights_sum_to_one(size, factor):
    weights = dense(0, rescaled_size(size, factor), factor, size)
    assert weights.min() >= 0
    assert weights.sum(axis=1) == pytest.approx(1, abs=1e-6)


@given(size=st.integers(1, 40), factor=st.floats(1, 12))
def test_larger_pixels_are_means_of_what_they_cover(size, factor):
    count = rescaled_size(size, factor)
    overlap = np.array([[covered(i * factor, (i + 1) * factor, k) for k in range(size)] for i in range(count)])
    expected = overlap / overlap.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(dense(0, count, factor, size), expected, atol=1e-6)


@given(size=st.integers(2, 40), factor=st.floats(0.1, 0.999))
def test_smaller_pixels_are_interpolated_between_centres(size, factor):
    count = rescaled_size(size, factor)
    centres = (np.arange(count) + 0.5) * factor - 0.5
    ramp = RANDOM.normal(size=size)
    expected = np.interp(centres, np.arange(size), ramp)
    np.testing.assert_allclose(dense(0, count, factor, size) @ ramp, expected, atol=1e-5)


@given(st.data())
def test_weights_do_not_depend_on_the_range_asked_for(data):
    size, factor = data.draw(st.integers(1, 60)), data.draw(FACTORS)
    count = rescaled_size(size, factor)
    start = data.draw(st.integers(0, count - 1))
    stop = data.draw(st.integers(start + 1, count))
    assert np.array_equal(dense(start, stop, factor, size), dense(0, count, factor, size)[start:stop])


def a_scene(fake_scene, dtype="uint8", shape=(50, 70)):
    image = (RANDOM.random((2, *shape)) * 250).astype(dtype)
    return fake_scene(image=image, valid=RANDOM.random(shape) > 0.3)


@given(factor=st.floats(0.3, 9), cuts=st.lists(st.integers(1, 60), max_size=4), columns=st.booleans())
def test_pixels_do_not_depend_on_the_windows_they_are_read_in(fake_scene, factor, cuts, columns):
    seen = ResampledScene(a_scene(fake_scene), factor)
    whole = seen.read(seen.georef.window)
    size = seen.georef.width if columns else seen.georef.height
    edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
    for first, last in itertools.pairwise(edges):
        window = (
            Window.between(0, seen.georef.height, first, last)
            if columns
            else Window.between(first, last, 0, seen.georef.width)
        )
        part = seen.read(window)
        there = window.slices_in(seen.georef.window)
        assert np.array_equal(part.image, whole.image[:, *there])
        assert np.array_equal(part.valid, whole.valid[there])


def test_a_pixel_is_the_mean_of_the_valid_pixels_it_covers_and_valid_where_they_are_half_of_it(fake_scene):
    scene = a_scene(fake_scene, "float32", (40, 60))
    patch = ResampledScene(scene, 4).read(Window.of_shape(10, 15))
    blocks = scene.valid.reshape(10, 4, 15, 4)
    assert np.array_equal(patch.valid, blocks.mean(axis=(1, 3)) >= 0.5)
    for band, pixels in zip(patch.image, scene.image, strict=True):
        total = (pixels * scene.valid).reshape(10, 4, 15, 4).sum(axis=(1, 3))
        expected = total / np.maximum(blocks.sum(axis=(1, 3)), 1)
        np.testing.assert_allclose(band[patch.valid], expected[patch.valid], rtol=1e-5)


def test_means_of_integers_are_rounded_not_cut(fake_scene):
    image = np.array([[[1, 2], [2, 2]]], dtype=np.uint8)
    scene = fake_scene(image=image, valid=np.ones((2, 2), dtype=bool))
    assert ResampledScene(scene, 2).read(Window.of_shape(1, 1)).image.item() == 2


def test_nodata_does_not_bleed_into_its_neighbours(fake_scene):
    image = np.full((1, 30, 30), 100, dtype=np.uint16)
    valid = np.ones((30, 30), dtype=bool)
    image[:, :11], valid[:11] = 60000, False
    for factor in (0.4, 2.5):
        patch = ResampledScene(fake_scene(image=image, valid=valid), factor).read(Window.of_shape(12, 12))
        assert set(patch.image[0][patch.valid].tolist()) <= {100}


def test_outside_the_scene_nothing_is_valid(fake_scene):
    seen = ResampledScene(a_scene(fake_scene), 2.0)
    patch = seen.read(Window(row=-5, col=30, height=40, width=20))
    assert not patch.valid[:5].any()
    assert not patch.valid[30:].any()
    assert not patch.valid[:, 5:].any()
    assert patch.valid[5:30, :5].any()


@pytest.mark.parametrize(("shape", "factor"), [((1, 1), 7.0), ((1, 1), 0.2), ((1, 40), 3.0), ((40, 1), 0.3)])
def test_the_smallest_scenes_can_be_resampled(fake_scene, shape, factor):
    scene = fake_scene(image=np.full((1, *shape), 9, dtype=np.uint8), valid=np.ones(shape, dtype=bool))
    seen = ResampledScene(scene, factor)
    patch = seen.read(seen.georef.window)
    assert patch.valid.all()
    assert (patch.image == 9).all()


def test_a_large_window_is_read_in_bounded_pieces(fake_scene, monkeypatch):
    monkeypatch.setattr("geoseg.raster.resample._PIXELS_AT_ONCE", 500)
    scene = a_scene(fake_scene)
    whole = ResampledScene(scene, 2.0).read(Window.of_shape(25, 35))
    rows = scene.storage_rows * scene.georef.width  # whole rows of storage blocks are read
    assert max(read.height * read.width for read in scene.reads) <= 500 + 2 * rows
    monkeypatch.undo()
    assert np.array_equal(whole.image, ResampledScene(scene, 2.0).read(Window.of_shape(25, 35)).image)


def test_closing_a_resampled_scene_closes_the_scene(fake_scene):
    closed = []
    scene = a_scene(fake_scene)
    scene.close = lambda: closed.append(True)
    with ResampledScene(scene, 2.0):
        pass
    assert closed == [True]


@pytest.mark.parametrize("factor", [2.0, 3.7, 0.6])
def test_rows_from_top_to_bottom_read_every_row_once(fake_scene, factor):
    scene = a_scene(fake_scene)
    resampled = ResampledScene(scene, factor)
    whole = resampled.georef.window
    parts = [
        resampled.read(Window.between(top, min(top + 7, whole.height), 0, whole.width)).image
        for top in range(0, whole.height, 7)
    ]
    assert sum(read.height for read in scene.reads) == scene.georef.height
    assert np.array_equal(np.concatenate(parts, axis=1), ResampledScene(scene, factor).read(whole).image)
