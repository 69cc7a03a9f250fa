"""Thumbnails show what the rasters hold."""

from __future__ import annotations

import io

import numpy as np
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp

from geoseg.adaptation.thumbnails import changes_png, map_png, scene_png


def pixels(png):
    return np.array(Image.open(io.BytesIO(png)).convert("RGB"))


def test_a_map_has_the_colours_of_its_legend_and_white_for_nodata(write_scene, legend):
    ids = np.array([[0, 3], [7, 255]], dtype=np.uint8)
    shown = pixels(map_png(write_scene(ids[None]), legend))
    expected = [[(0, 0, 255), (0, 128, 0)], [(255, 204, 0), (255, 255, 255)]]
    np.testing.assert_array_equal(shown, np.array(expected))


def test_changes_are_red_what_stays_grey_and_nodata_white(write_scene):
    before, after = (np.array([each], dtype=np.uint8) for each in ([0, 3, 255, 7], [0, 7, 0, 255]))
    shown = pixels(changes_png(write_scene(before[None], "a.tif"), write_scene(after[None], "b.tif")))
    np.testing.assert_array_equal(shown[0], [(235, 235, 235), (200, 40, 40), (255, 255, 255), (255, 255, 255)])


def test_large_rasters_become_small_and_keep_their_shape(write_scene, legend):
    assert pixels(map_png(write_scene(np.zeros((1, 400, 1200), dtype=np.uint8)), legend)).shape == (96, 288, 3)


def test_a_scene_is_stretched_and_white_where_nothing_is(write_scene):
    ramp = np.linspace(50, 90, 64, dtype=np.float32).reshape(1, 8, 8).repeat(3, axis=0)
    ramp[:, 0, 0] = -1
    shown = pixels(scene_png(write_scene(ramp, nodata=-1)))
    assert (shown[0, 0] == 255).all()
    assert shown[0, 1].max() < 10
    assert shown[-1, -1].min() == 255


def test_bands_that_the_file_names_are_shown_in_their_colours(write_scene):
    bands = np.stack([np.tile(np.linspace(0, 200, 8) * part, (8, 1)) for part in (0, 1, 0, 0)]).astype(np.uint8)
    blue_first = [ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined]
    path = write_scene(bands)
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = blue_first
    shown = pixels(scene_png(path))
    assert shown[0, -1, 1] == 255
    assert shown[0, -1, 0] == shown[0, -1, 2] == 0
