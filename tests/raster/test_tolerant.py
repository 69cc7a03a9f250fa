"""What cannot be read is nodata, the same pixels whatever windows are asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio._err import CPLE_OutOfMemoryError

from geoseg.errors import SceneError
from geoseg.raster.tolerant import TolerantScene
from geoseg.raster.watch import Watch
from geoseg.window import Window

SIZE = (700, 1100)
STORAGE = 64
BROKEN = [Window(row=70, col=600, height=3, width=2), Window(row=650, col=0, height=9, width=1)]


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(1).integers(1, 255, (2, *SIZE), dtype=np.uint8)


@pytest.fixture
def damaged(fake_scene, pixels):
    """A scene that cannot be read where it is broken, and the watch over it."""

    class Damaged(fake_scene):
        def read(self, window):
            if any(window.intersect(broken) for broken in BROKEN):
                raise SceneError("broken")
            return super().read(window)

    watch = Watch()
    return TolerantScene(Damaged(pixels, np.ones(SIZE, dtype=np.bool_), STORAGE), watch), watch


def lost_cells():
    gone = np.zeros(SIZE, dtype=np.bool_)
    gone[64:128, 512:768] = gone[640:, :256] = True  # cells of 64 rows and 256 columns
    return gone


@given(row=st.integers(-20, 690), col=st.integers(-20, 1090), height=st.integers(1, 500), width=st.integers(1, 900))
def test_any_window_has_the_pixels_of_the_whole(damaged, pixels, row, col, height, width):
    scene, _ = damaged
    window = Window(row=row, col=col, height=height, width=width)
    patch = scene.read(window)
    valid = np.pad(~lost_cells(), 20)
    padded = np.pad(pixels * ~lost_cells(), ((0, 0), (20, 20), (20, 20)))
    inside = window.intersect(Window(row=-20, col=-20, height=SIZE[0] + 40, width=SIZE[1] + 40))
    there, here = inside.slices_in(window), inside.slices_in(Window(row=-20, col=-20, height=740, width=1140))
    assert np.array_equal(patch.image[:, *there], padded[:, *here])
    assert np.array_equal(patch.valid[there], valid[here])
    assert patch.valid.sum() == valid[here].sum()


def test_what_is_lost_is_told(damaged):
    scene, watch = damaged
    scene.read(Window.of_shape(*SIZE))
    cells = (Window(row=64, col=512, height=64, width=256), Window(row=640, col=0, height=60, width=256))
    assert watch.lost_in([Window.of_shape(*SIZE)]) == cells
    assert watch.lost_in([Window.of_shape(70, 600)]) == cells[:1]
    assert watch.lost_in([Window.of_shape(70, 500)]) == ()


def test_a_whole_scene_is_read_as_it_is(fake_scene, pixels):
    valid = pixels[0] > 9
    scene = TolerantScene(fake_scene(pixels, valid), Watch())
    patch = scene.read(Window(row=33, col=7, height=600, width=1000))
    assert np.array_equal(patch.image, pixels[:, 33:633, 7:1007])
    assert np.array_equal(patch.valid, valid[33:633, 7:1007])


@pytest.mark.parametrize("cause", [MemoryError(), CPLE_OutOfMemoryError(3, 2, "out of memory")], ids=["Python", "GDAL"])
def test_want_of_memory_is_no_damage(fake_scene, pixels, cause):
    class Starving(fake_scene):
        def read(self, window):
            failure = RuntimeError(f"{window} cannot be read")
            failure.__cause__ = cause
            raise SceneError("cannot be read") from failure

    watch = Watch()
    scene = TolerantScene(Starving(pixels, np.ones(SIZE, dtype=np.bool_), STORAGE), watch)
    with pytest.raises(SceneError, match="cannot be read"):
        scene.read(Window(row=0, col=0, height=10, width=10))
    assert not watch.lost_in([Window(row=0, col=0, height=SIZE[0], width=SIZE[1])])
