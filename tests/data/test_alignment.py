import logging
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from geoseg.data.alignment import (
    Shift,
    _at_every_shift,
    _boundaries,
    check_alignment,
    estimate_shift,
    shift_text,
    warn_of_shifts,
)
from geoseg.data.chips import IGNORED, Chip
from geoseg.data.sampling import Region
from geoseg.errors import LabelError
from geoseg.window import Window

MARGIN = 20
SIZE = 220


def fields(seed, size=SIZE + 2 * MARGIN, scale=9.0):
    """Class codes of blobs."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(size, size)), scale)
    return np.digitize(noise, np.quantile(noise, [0.3, 0.7])).astype(np.uint8)


def picture(codes, seed, noise=8.0, bands=3):
    """An image of codes: one grey value a class and band, blurred, with noise."""
    rng = np.random.default_rng(seed + 1000)
    colours = rng.permuted(np.tile([40.0, 100.0, 160.0], (bands, 1)), axis=1)
    blurred = np.stack([ndimage.gaussian_filter(colour[codes], 1.0) for colour in colours])
    return (blurred + rng.normal(scale=noise, size=blurred.shape)).clip(0, 255).astype(np.uint8)


def pair(seed, rows=0, cols=0, **look):
    """An image and labels that lie so many pixels too far down and right."""
    codes = fields(seed)
    inner = np.s_[MARGIN : MARGIN + SIZE, MARGIN : MARGIN + SIZE]
    moved = np.s_[MARGIN - rows : MARGIN - rows + SIZE, MARGIN - cols : MARGIN - cols + SIZE]
    return picture(codes, seed, **look)[:, *inner], codes[moved]


def everywhere(labels):
    return np.ones(labels.shape, dtype=np.bool_)


shifts = st.tuples(st.integers(-12, 12), st.integers(-12, 12))


@settings(max_examples=12)
@given(shift=shifts.filter(lambda pair: np.hypot(*pair) >= 4.5), seed=st.integers(0, 50))
def test_a_shift_is_found_to_the_pixel(shift, seed):
    image, labels = pair(seed, *shift)
    found = estimate_shift(image, labels, everywhere(labels))
    assert found is not None
    assert np.hypot(found.rows - shift[0], found.cols - shift[1]) <= 1


@settings(max_examples=12)
@given(seed=st.integers(0, 50), noise=st.sampled_from([0.0, 8.0, 40.0]))
def test_labels_that_lie_right_are_left_alone(seed, noise):
    image, labels = pair(seed, noise=noise)
    assert estimate_shift(image, labels, everywhere(labels)) is None


@settings(max_examples=12)
@given(seed=st.integers(0, 50))
def test_labels_of_other_ground_tell_no_shift(seed):
    image, _ = pair(seed)
    _, labels = pair(seed + 100)
    assert estimate_shift(image, labels, everywhere(labels)) is None


@settings(max_examples=12)
@given(seed=st.integers(0, 20), gain=st.sampled_from([0.01, 1.0, 100.0]))
def test_neither_the_numbers_of_the_image_nor_nodata_matter(seed, gain):
    image, labels = pair(seed, 5, -3)
    valid = everywhere(labels)
    valid[40:120, 60:140] = False
    numbers = image.astype(np.float32) * gain
    numbers[:, ~valid] = np.nan
    labels = np.where(valid, labels, np.uint8(IGNORED))
    found = estimate_shift(numbers, labels, valid)
    assert found is not None
    assert abs(found.rows - 5) <= 1
    assert abs(found.cols + 3) <= 1


def test_a_shift_beyond_what_is_looked_for_is_not_told():
    image, labels = pair(1, 11, 0)
    assert estimate_shift(image, labels, everywhere(labels), most=16) is not None
    assert estimate_shift(image, labels, everywhere(labels), most=8) is None


@pytest.mark.parametrize("fill", [0, IGNORED])
def test_labels_without_boundaries_tell_nothing(fill):
    image, labels = pair(1)
    labels = np.full_like(labels, fill)
    assert estimate_shift(image, labels, everywhere(labels)) is None
    assert estimate_shift(image, labels, ~everywhere(labels)) is None


def test_nothing_to_compare_with_is_refused():
    image, labels = pair(1)
    with pytest.raises(LabelError, match="leave nothing to compare with"):
        estimate_shift(image, labels, everywhere(labels), most=4)


@given(seed=st.integers(0, 50), most=st.integers(1, 6), shape=st.tuples(st.integers(7, 15), st.integers(7, 15)))
def test_sums_over_shifts_are_those_of_moving_the_boundary(seed, most, shape):
    rng = np.random.default_rng(seed)
    boundary, layer = (rng.random(shape).astype(np.float32) for _ in range(2))
    (sums,) = _at_every_shift(boundary, [layer], most)
    padded = np.pad(layer, most)
    for row in range(2 * most + 1):
        for col in range(2 * most + 1):
            there = padded[row : row + shape[0], col : col + shape[1]]
            assert sums[row, col] == pytest.approx(float((boundary * there).sum()), abs=1e-4)


def test_boundaries_lie_between_known_classes_only():
    labels = np.array([[0, 0, 1, 1], [0, 0, 255, 1], [2, 255, 255, 1]], dtype=np.uint8)
    assert _boundaries(labels).tolist() == [[0, 1, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("shift", "gsd", "where"),
    [
        ((5, -3), 0.3, "5 px down and 3 px left (1.5 m, 0.9 m)"),
        ((0, 8), 10.0, "8 px right (80 m)"),
        ((-2, 0), None, "2 px up"),
    ],
)
def test_the_line_tells_how_far_and_what_to_do(shift, gsd, where):
    text = shift_text(Shift(rows=shift[0], cols=shift[1], score=9.0), gsd)
    assert text == (
        f"labels seem shifted by {where} against the image: check the georeference of both, or move the labels"
    )


class FakeLabelledScene:
    """A scene with labels in memory, that counts its reads."""

    def __init__(self, name, image, labels):
        self.name = name
        self.georef = SimpleNamespace(gsd=0.5)
        self.reads = []
        self._chip = Chip(image=image, labels=labels, valid=everywhere(labels))

    def read(self, window):
        self.reads.append(window)
        rows, cols = slice(window.row, window.bottom), slice(window.col, window.right)
        chip = self._chip
        return Chip(image=chip.image[:, rows, cols], labels=chip.labels[rows, cols], valid=chip.valid[rows, cols])


def region_of(scene, source="town", window=None):
    return Region(scene=scene, window=window or Window.of_shape(SIZE, SIZE), scale=1.0, source=source)


def test_a_region_is_read_inside_and_in_part():
    empty = np.zeros((3, 4000, 6000), dtype=np.uint8)
    scene = FakeLabelledScene("large", empty, empty[0])
    window = Window.between(100, 3900, 700, 5990)
    assert check_alignment(region_of(scene, window=window)) is None
    assert len(scene.reads) == len(set(scene.reads)) == 40
    assert all(read.intersect(window) == read for read in scene.reads)


def test_scenes_with_shifted_labels_get_a_line_each(caplog):
    scenes = [FakeLabelledScene("right.tif", *pair(1)), FakeLabelledScene("wrong.tif", *pair(2, 6, -4))]
    with caplog.at_level(logging.WARNING):
        found = warn_of_shifts([region_of(scene) for scene in scenes])
    assert list(found) == ["wrong.tif"]
    (record,) = caplog.records
    assert record.getMessage() == (
        "wrong.tif: labels seem shifted by 6 px down and 4 px left (3 m, 2 m) against the image: "
        "check the georeference of both, or move the labels"
    )


def test_scenes_are_checked_once_and_every_source_has_its_turn():
    blank = np.zeros((1, SIZE, SIZE), dtype=np.uint8)
    scenes = [FakeLabelledScene(f"{number}", blank, blank[0]) for number in range(6)]
    regions = [region_of(scene, source="many") for scene in scenes[:5]]
    regions += [region_of(scenes[5], source="few", window=Window.of_shape(100, 100)), regions[0]]
    warn_of_shifts(regions, most_scenes=3)
    assert [len(scene.reads) for scene in scenes] == [1, 1, 0, 0, 0, 1]
