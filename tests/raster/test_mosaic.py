"""Files side by side as one scene: gaps are nodata, the first counts, windows agree with the whole."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from geoseg.errors import SceneError
from geoseg.raster.scene import Scene, describe_scene, open_scene
from geoseg.window import Window

RANDOM = np.random.default_rng(8)
WHOLE = RANDOM.integers(1, 256, (3, 100, 130), dtype=np.uint8)
GRID = Affine(1, 0, 5e5, 0, -1, 5e6)


def cut(write_scene, row, col, height, width, name, image=WHOLE, **profile):
    part = image[:, row : row + height, col : col + width]
    return write_scene(
        part, name, transform=GRID @ Affine.translation(col, row), blockxsize=16, blockysize=16, **profile
    )


@pytest.fixture
def tiles(tmp_path, write_scene):
    """Four tiles with seams at row 41 and column 53, in a folder."""
    (tmp_path / "tiles").mkdir()
    cut(write_scene, 0, 0, 41, 53, "tiles/tile_1.tif")
    cut(write_scene, 0, 53, 41, 77, "tiles/tile_2.tif")
    cut(write_scene, 41, 0, 59, 53, "tiles/tile_3.tif")
    cut(write_scene, 41, 53, 59, 77, "tiles/tile_4.tif")
    return tmp_path / "tiles"


def _again(scene):
    return pickle.loads(pickle.dumps(scene))  # noqa: S301 - it was made here


def read_all(path, **options):
    with open_scene(path, **options) as scene:
        return scene.read(scene.georef.window)


def test_tiles_make_the_scene_they_were_cut_from_however_they_are_named(tiles):
    listed = tiles.parent / "list.txt"
    listed.write_text("# four\n" + "".join(f"tiles/tile_{n}.tif\n" for n in (3, 1, 4, 2)))
    for name in (tiles, f"{tiles}/tile_*.tif", listed):
        with open_scene(name) as scene:
            patch = scene.read(scene.georef.window)
            assert scene.georef.transform == GRID
        assert np.array_equal(patch.image, WHOLE)
        assert patch.valid.all()


@given(st.integers(0, 99), st.integers(0, 129), st.integers(1, 100), st.integers(1, 130))
def test_a_window_holds_what_the_whole_holds_there(tiles, row, col, height, width):
    with open_scene(tiles) as scene:
        window = Window(row=row, col=col, height=height, width=width).intersect(scene.georef.window)
        there = window.slices_in(scene.georef.window)
        assert np.array_equal(scene.read(window).image, WHOLE[:, *there])


@pytest.mark.parametrize("rows", [5, 16, 37])
def test_rows_from_top_to_bottom_decode_every_pixel_once(tiles, rows, monkeypatch):
    decoded = []
    real = __import__("geoseg.raster.file_pixels", fromlist=["FileReader"]).FileReader.read

    def counting(self, window):
        decoded.append(window.height * window.width)
        return real(self, window)

    monkeypatch.setattr("geoseg.raster.file_pixels.FileReader.read", counting)
    with open_scene(tiles) as scene:
        parts = [scene.read(Window.between(top, min(top + rows, 100), 0, 130)).image for top in range(0, 100, rows)]
    assert np.array_equal(np.concatenate(parts, axis=1), WHOLE)
    assert sum(decoded) == WHOLE[0].size


def test_gaps_are_nodata_and_the_first_file_counts(tmp_path, write_scene):
    other = (WHOLE + 7).astype(np.uint8)
    first = cut(write_scene, 0, 0, 60, 60, "b.tif")
    second = cut(write_scene, 30, 40, 70, 90, "a.tif", other)
    (tmp_path / "list.txt").write_text(f"{first.name}\n{second.name}\n")
    patch = read_all(tmp_path / "list.txt")
    expected = np.zeros_like(WHOLE)
    expected[:, 30:, 40:] = other[:, 30:, 40:]
    expected[:, :60, :60] = WHOLE[:, :60, :60]
    covered = np.zeros(WHOLE.shape[1:], dtype=bool)
    covered[30:, 40:], covered[:60, :60] = True, True
    assert np.array_equal(patch.valid, covered)
    assert np.array_equal(patch.image * covered, expected)


def test_nodata_of_the_first_shows_the_second(tmp_path, write_scene):
    holed = WHOLE.copy()
    holed[:, 10:20, 10:20] = 0
    first = cut(write_scene, 0, 0, 60, 130, "1.tif", holed, nodata=0)
    second = cut(write_scene, 0, 0, 100, 60, "2.tif", nodata=0)
    (tmp_path / "list.txt").write_text(f"{first.name}\n{second.name}\n")
    patch = read_all(tmp_path / "list.txt")
    assert np.array_equal(patch.image[:, 10:20, 10:20], WHOLE[:, 10:20, 10:20])


def test_a_mosaic_travels(tiles):
    source = describe_scene(tiles)
    with Scene(source) as scene, _again(scene) as again:
        assert np.array_equal(again.read(scene.georef.window).image, WHOLE)
    assert len(source.files) == 4


def test_files_are_not_left_open_when_they_were_described(tmp_path, write_scene):
    (tmp_path / "many").mkdir()
    write_scene(np.ones((1, 4, 4), dtype=np.uint8), "many/t0.tif", tiled=False)
    for number in range(1, 60):
        write_scene(
            np.full((1, 4, 4), number, dtype=np.uint8),
            f"many/t{number}.tif",
            transform=GRID @ Affine.translation(4 * number, 0),
            tiled=False,
        )
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = describe_scene(tmp_path / "many")
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    assert source.georef.width == 240
    with Scene(source) as scene:
        assert np.array_equal(scene.read(scene.georef.window).image[0, 0, ::4], [1, *range(1, 60)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"transform": GRID @ Affine.translation(60.4, 0)}, "not on one lattice of pixels"),
        ({"transform": GRID @ Affine.translation(60, 0) @ Affine.scale(2)}, "not on one lattice of pixels"),
        ({"crs": "EPSG:32634"}, "different CRSs"),
    ],
)
def test_files_on_other_lattices_are_refused(tmp_path, write_scene, change, message):
    (tmp_path / "tiles").mkdir()
    cut(write_scene, 0, 0, 60, 60, "tiles/1.tif")
    part = WHOLE[:, :60, :60]
    place = {"transform": GRID @ Affine.translation(60, 0)}
    write_scene(part, "tiles/2.tif", **(place | change))
    with pytest.raises(SceneError, match=message):
        open_scene(tmp_path / "tiles")


def test_files_with_other_bands_are_refused(tmp_path, write_scene):
    (tmp_path / "tiles").mkdir()
    cut(write_scene, 0, 0, 60, 60, "tiles/1.tif")
    cut(write_scene, 0, 60, 60, 60, "tiles/2.tif", WHOLE[:2])
    with pytest.raises(SceneError, match="different bands or types"):
        open_scene(tmp_path / "tiles")


def test_several_rasters_of_the_same_ground_are_no_scene(tmp_path, write_scene):
    (tmp_path / "dates").mkdir()
    cut(write_scene, 0, 0, 60, 60, "dates/may.tif")
    cut(write_scene, 0, 0, 60, 60, "dates/june.tif")
    with pytest.raises(SceneError, match="2 rasters of the same ground: map them one by one"):
        open_scene(tmp_path / "dates")


@pytest.mark.parametrize(("text", "message"), [("", "an empty list"), ("../secret.tif\n", "pass --allow")])
def test_a_list_holds_files_beside_it(tmp_path, write_scene, text, message):
    write_scene(WHOLE, "secret.tif")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "list.txt").write_text(text)
    with pytest.raises(SceneError, match=message):
        open_scene(tmp_path / "in" / "list.txt")
