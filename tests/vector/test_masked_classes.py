"""A class raster hides pixels by an alpha band or a mask as well as by nodata."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from geoseg.classes import ClassMap
from geoseg.vector.blocks import ClassRasters, ClassSource
from geoseg.window import Window

HIDDEN = np.zeros((16, 16), dtype=np.bool_)
HIDDEN[:4] = True
IDS = np.ones((1, 16, 16), dtype=np.uint8)


def with_alpha(path, write_scene):
    written = write_scene(np.concatenate([IDS, np.where(HIDDEN, 0, 255)[None].astype(np.uint8)]), name=path)
    with rasterio.open(written, "r+") as dataset:
        dataset.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
    return written


def with_mask(path, write_scene):
    written = write_scene(IDS, name=path)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(written, "r+") as dataset:
        dataset.write_mask(~HIDDEN)
    return written


@pytest.mark.parametrize("written", [with_alpha, with_mask])
def test_hidden_pixels_are_nodata(write_scene, written):
    path = written("m.tif", write_scene)
    with ClassSource(ClassRasters(class_raster=path), ClassMap.of([(1, "a", "#000000")])) as source:
        (block,) = source.class_blocks(lambda _: None, rows=64)
    assert np.array_equal(block.class_ids == 255, HIDDEN)
    assert block.window == Window.between(0, 16, 0, 16)
