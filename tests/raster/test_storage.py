"""How a scene is stored is known without its pixels."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.raster.scene import describe_scene
from geoseg.raster.storage import storage_cols


@pytest.mark.parametrize(
    ("profile", "cols"),
    [
        ({"blockxsize": 64, "blockysize": 32}, 64),
        ({"tiled": False, "blockysize": 16, "blockxsize": None}, 200),
        ({"blockxsize": 256, "blockysize": 256}, 200),
    ],
)
def test_columns_of_a_storage_block_are_those_of_the_file_and_no_wider(write_scene, profile, cols):
    scene = write_scene(np.ones((3, 100, 200), dtype=np.uint8), **profile)
    assert storage_cols(describe_scene(scene)) == cols
