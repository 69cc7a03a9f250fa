"""Bands of several files: on the grid of the finest, nothing shifted, whatever window is read."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from geoseg.errors import SceneError
from geoseg.raster.scene import open_scene
from geoseg.raster.stack import Steps
from geoseg.window import Window

RANDOM = np.random.default_rng(5)
FINE, COARSE = (120, 144), (60, 72)
GRID = Affine(10, 0, 5e5, 0, -10, 5e6)
COARSER = Affine(20, 0, 5e5, 0, -20, 5e6)


@pytest.fixture
def folder(tmp_path, write_scene):
    """Blue and red at 10 m, swir16 at 20 m."""
    (tmp_path / "scene").mkdir()
    fine = RANDOM.integers(1, 9000, (2, *FINE), dtype=np.uint16)
    coarse = RANDOM.integers(1, 9000, (1, *COARSE), dtype=np.uint16)
    for name, image, grid in (("B02", fine[:1], GRID), ("B04", fine[1:], GRID), ("B11", coarse, COARSER)):
        write_scene(image, f"scene/T33_{name}.tif", transform=grid, nodata=0, blockxsize=32, blockysize=32)
    return tmp_path / "scene", fine, coarse[0]


def read_all(path, **options):
    with open_scene(path, **options) as scene:
        return scene.read(scene.georef.window)


def by_gdal(coarse, shape):
    """The oracle: GDAL's bilinear reading of the whole band at another size."""
    size = dict(zip(("height", "width"), coarse.shape, strict=True))
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", count=1, dtype="float64", transform=COARSER, **size) as to:
            to.write(coarse.astype(np.float64), 1)
        with memory.open() as back:
            return back.read(1, out_shape=shape, resampling=Resampling.bilinear)


def test_coarser_bands_are_interpolated_between_their_centres_as_gdal_does(folder):
    path, fine, coarse = folder
    patch = read_all(path, bands=["blue", "red", "swir16"])
    assert np.array_equal(patch.image[:2], fine)
    assert np.abs(patch.image[2] - by_gdal(coarse, FINE)).max() <= 0.5 + 1e-3
    assert patch.valid.all()


def test_a_plane_on_the_ground_stays_where_it_is(tmp_path, write_scene):
    (tmp_path / "scene").mkdir()
    rows, cols = np.mgrid[:30, :40]
    plane = (1000 + 60 * (rows + 0.5) + 30 * (cols + 0.5)).astype(np.float32)[np.newaxis]
    fine = np.ones((1, 60, 80), dtype=np.float32)
    write_scene(fine, "scene/B02.tif", transform=GRID)
    write_scene(plane, "scene/B11.tif", transform=COARSER)
    image = read_all(tmp_path / "scene", bands=["swir16"]).image
    assert image.shape == (1, 30, 40)
    image = read_all(tmp_path / "scene", bands=["blue", "swir16"]).image[1]
    rows, cols = np.mgrid[:60, :80]
    expected = 1000 + 30 * (rows + 0.5) + 15 * (cols + 0.5)
    inner = np.s_[1:-1, 1:-1]
    assert np.allclose(image[inner], expected[inner], rtol=1e-6)


@given(st.integers(0, 119), st.integers(0, 143), st.integers(1, 120), st.integers(1, 144))
def test_a_window_holds_what_the_whole_holds_there(folder, row, col, height, width):
    path, *_ = folder
    with open_scene(path, bands=["red", "swir16"]) as scene:
        whole = scene.read(scene.georef.window)
        window = Window(row=row, col=col, height=height, width=width).intersect(scene.georef.window)
        for part in (window, window):  # from what is kept, and anew
            there = part.slices_in(scene.georef.window)
            patch = scene.read(part)
            assert np.array_equal(patch.image, whole.image[:, *there])
            assert np.array_equal(patch.valid, whole.valid[there])


@pytest.mark.parametrize("rows", [7, 16, 32, 50])
def test_rows_from_top_to_bottom_are_those_of_the_whole(folder, rows):
    path, *_ = folder
    with open_scene(path, bands=["red", "swir16"]) as scene:
        whole = scene.read(scene.georef.window).image
        parts = [
            scene.read(Window.between(top, min(top + rows, FINE[0]), 0, FINE[1])).image
            for top in range(0, FINE[0], rows)
        ]
    assert np.array_equal(np.concatenate(parts, axis=1), whole)


def test_a_pixel_is_nodata_where_every_fine_band_is_or_a_coarse_one(tmp_path, write_scene):
    (tmp_path / "scene").mkdir()
    blue, red = np.ones((2, 1, 8, 8), dtype=np.uint16)
    blue[0, :4], red[0, :2] = 0, 0
    swir = np.ones((1, 4, 4), dtype=np.uint16)
    swir[0, :, 3] = 0
    for name, image, grid in (("B02", blue, GRID), ("B04", red, GRID), ("B11", swir, COARSER)):
        write_scene(image, f"scene/{name}.tif", transform=grid, nodata=0, tiled=False)
    valid = read_all(tmp_path / "scene", bands=["blue", "red", "swir16"]).valid
    expected = np.ones((8, 8), dtype=bool)
    expected[:2], expected[:, 6:] = False, False
    assert np.array_equal(valid, expected)


def test_bands_of_other_ground_are_refused(tmp_path, write_scene):
    (tmp_path / "scene").mkdir()
    write_scene(np.ones((1, 40, 40), dtype=np.uint16), "scene/B02.tif", transform=GRID)
    write_scene(np.ones((1, 40, 40), dtype=np.uint16), "scene/B04.tif", transform=GRID @ Affine.translation(40, 0))
    with pytest.raises(SceneError, match=r"differ in bands .* and in ground"):
        open_scene(tmp_path / "scene")


def test_bands_of_different_types_are_refused(tmp_path, write_scene):
    (tmp_path / "scene").mkdir()
    write_scene(np.ones((1, 40, 40), dtype=np.uint16), "scene/B02.tif", transform=GRID)
    write_scene(np.ones((1, 40, 40), dtype=np.uint8), "scene/B04.tif", transform=GRID)
    with pytest.raises(SceneError, match="all must share one type"):
        open_scene(tmp_path / "scene")


@given(st.integers(1, 40), st.sampled_from([1.0, 0.5, 1 / 3, 1 / 6, 0.7]), st.floats(-1.4, 1.4))
def test_weights_of_a_pixel_sum_to_one_and_do_not_depend_on_the_window(size, step, start):
    steps = Steps(step, start, size)
    count = max(1, round(size / step))
    whole, left = steps.weights(0, count)
    assert left >= 0
    assert left + whole.shape[1] <= size
    assert np.allclose(whole.sum(axis=1), 1)
    part, first = steps.weights(count // 2, count)
    dense = np.zeros((count - count // 2, size), dtype=np.float32)
    dense[:, first : first + part.shape[1]] = part.toarray()
    every = np.zeros((count, size), dtype=np.float32)
    every[:, left : left + whole.shape[1]] = whole.toarray()
    assert np.array_equal(dense, every[count // 2 :])
