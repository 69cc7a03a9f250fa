"""What the demo made inside the image: make test-docker."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import rasterio

NODATA = 255
OTHER_USER = 12345
pytestmark = pytest.mark.skipif("GEOSEG_IMAGE_DATA" not in os.environ, reason="make test-docker")


@pytest.fixture
def data():
    return Path(os.environ["GEOSEG_IMAGE_DATA"])


def read(path):
    with rasterio.open(path) as raster:
        return raster.read(1)


def test_the_map_in_the_image_is_right(data):
    classes, labels = read(data / "demo/landscape.classes.tif"), read(data / "demo/landscape.labels.tif")
    known = (labels != NODATA) & (classes != NODATA)
    assert known.mean() > 0.95
    assert np.mean(classes[known] == labels[known]) > 0.85


def test_all_the_layers_are_there(data):
    assert len(pyogrio.read_dataframe(data / "demo/landscape.gpkg", layer="landcover")) > 100
    assert (data / "demo/landscape.quicklook.png").stat().st_size > 10_000
    assert read(data / "demo/landscape.confidence.tif").max() <= NODATA


def test_files_belong_to_who_ran_the_image(data):
    assert {path.stat().st_uid for path in (data / "demo").iterdir()} == {1000}
    assert (data / "other_user.gpkg").stat().st_uid == OTHER_USER
