"""A quality band marks pixels as nodata: by values, by bits, at another pixel size, from the scene or a file."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import SceneError
from geoseg.raster.quality import QualityRule
from geoseg.raster.scene import Access, open_scene

RANDOM = np.random.default_rng(10)
SIZE = (40, 60)
RED = RANDOM.integers(1, 9000, (1, *SIZE), dtype=np.uint16)
SCL = RANDOM.integers(0, 12, (1, SIZE[0] // 2, SIZE[1] // 2), dtype=np.uint8)
GRID, COARSE = Affine(10, 0, 5e5, 0, -10, 5e6), Affine(20, 0, 5e5, 0, -20, 5e6)


@pytest.fixture
def folder(tmp_path, write_scene):
    (tmp_path / "scene").mkdir()
    write_scene(RED, "scene/B04.tif", transform=GRID, blockxsize=16, blockysize=16)
    write_scene(SCL, "scene/SCL.tif", transform=COARSE, blockxsize=16, blockysize=16)
    return tmp_path / "scene"


def valid_of(path, mask, **options):
    with open_scene(path, access=Access(mask=mask), **options) as scene:
        rows = [scene.read(window).valid for window in windows_of(scene.georef)]
    return np.concatenate(rows)


def windows_of(georef, step=7):
    whole = georef.window
    return [whole.between(top, min(top + step, whole.height), 0, whole.width) for top in range(0, whole.height, step)]


def test_values_of_a_coarser_band_are_nodata_at_the_nearest_pixel(folder):
    fine = SCL[0].repeat(2, axis=0).repeat(2, axis=1)
    for name in ("scl=3,8-10", "SCL=3,8,9,10", f"{folder}/SCL.tif=3,8-10"):
        assert np.array_equal(valid_of(folder, name, bands=["red"]), ~np.isin(fine, [3, 8, 9, 10]))


def test_bits_of_a_band_of_the_scene_are_nodata(write_scene):
    flags = RANDOM.integers(0, 2**16, (1, *SIZE), dtype=np.uint16)
    path = write_scene(np.concatenate([RED, flags]))
    marked = (flags[0] & 0b11000) != 0
    assert np.array_equal(valid_of(path, "2=bit:3,bit:4", bands=["1"]), ~marked)


def test_a_mask_may_cover_more_than_the_scene_and_not_less(write_scene):
    wide = np.zeros((1, 100, 100), dtype=np.uint8)
    wide[0, 30:40, 30:40] = 1
    path = write_scene(RED)
    around = write_scene(wide, "wide.tif", transform=Affine(1, 0, 5e5 - 20, 0, -1, 5e6 + 10))
    assert np.array_equal(valid_of(path, f"{around}=1"), wide[0, 10:50, 20:80] == 0)
    aside = write_scene(wide, "aside.tif", transform=Affine(1, 0, 5e5 + 20, 0, -1, 5e6))
    with pytest.raises(SceneError, match="lies on other ground than the scene"):
        valid_of(path, f"{aside}=1")


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("scl", "write BAND=3,8-10"),
        ("scl=", "write BAND=3,8-10"),
        ("scl=cloud", "write BAND=3,8-10"),
        ("scl=70000", "values reach 65535"),
        ("scl=bit:16", "values reach 65535 and bits 15"),
        ("none=1", "the scene has no such band"),
    ],
)
def test_a_wrong_mask_is_one_line(folder, mask, message):
    with pytest.raises(SceneError, match=message):
        valid_of(folder, mask, bands=["red"])


def test_a_mask_of_floats_is_refused(write_scene):
    path = write_scene(RED)
    floats = write_scene(RED.astype(np.float32), "f.tif")
    with pytest.raises(SceneError, match="a quality band holds whole numbers"):
        valid_of(path, f"{floats}=1")


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=6), st.sets(st.integers(0, 15), max_size=4))
def test_a_rule_marks_its_values_and_bits_alone(values, bits):
    rule = QualityRule.of("qa=" + ",".join([*map(str, values), *(f"bit:{bit}" for bit in bits)]))
    numbers = np.arange(65536, dtype=np.uint16)
    expected = np.isin(numbers, values)
    for bit in bits:
        expected |= (numbers >> bit) & 1 == 1
    assert np.array_equal(rule.marks(numbers), expected)
