"""One file per band: which band a file is, by its name."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine

from geoseg.errors import SceneError
from geoseg.raster.band_files import band_in_name, quality_in_name
from geoseg.raster.scene import describe_scene, open_scene

FINE, COARSE = Affine(10, 0, 5e5, 0, -10, 5e6), Affine(20, 0, 5e5, 0, -20, 5e6)


@pytest.mark.parametrize(
    ("path", "band"),
    [
        ("B02.tif", "B02"),
        ("T33UUP_20240101T101021_B8A_20m.jp2", "B8A"),
        ("LC08_L2SP_042034_20220101_20220110_02_T1_SR_B4.TIF", "SR_B4"),
        ("LC08_L1TP_042034_20220101_20220110_02_T1_B10.TIF", "B10"),
        ("HLS.S30.T33UUP.2024001T101021.v2.0.B04.tif", "B04"),
        ("https://host/x/B03.tif?sig=B04", "B03"),
        ("red.tif", "red"),
        ("scene_swir1.tif", "swir16"),
        ("red_and_blue.tif", None),
        ("B02_B03.tif", None),
        ("tile_12.tif", None),
        ("AB02.tif", None),
        ("redwood.tif", None),
    ],
)
def test_a_name_tells_one_band_or_none(path, band):
    assert band_in_name(path) == band


def test_quality_bands_are_known_by_name():
    assert quality_in_name("LC08_T1_QA_PIXEL.TIF") == "qa_pixel"
    assert quality_in_name("T33_SCL_20m.jp2") == "scl"
    assert quality_in_name("B02.tif") is None


@pytest.fixture
def fill(tmp_path, write_scene):
    def made(*names, size=20, **profile):
        (tmp_path / "scene").mkdir(exist_ok=True)
        for place, name in enumerate(names, start=1):
            image = np.full((1, size, size), place, dtype=np.uint16)
            write_scene(image, f"scene/{name}", **({"transform": FINE, "tiled": False} | profile))
        return tmp_path / "scene"

    return made


@pytest.mark.parametrize(
    ("names", "wanted", "values"),
    [
        (("B02.tif", "B03.tif", "B04.tif", "B08.tif"), ("red", "green", "blue", "nir"), (3, 2, 1, 4)),
        (("x_SR_B2.TIF", "x_SR_B4.TIF", "x_SR_B5.TIF", "x_SR_B6.TIF"), ("nir", "red", "swir16"), (3, 2, 4)),
        (("blue.tif", "nir.tif", "red.tif"), ("red", "nir"), (3, 2)),
        (("B02.tif", "B04.tif"), ("2", "1"), (2, 1)),
    ],
)
def test_bands_are_found_by_name_in_a_folder_and_a_glob(fill, names, wanted, values):
    folder = fill(*names)
    for name in (folder, f"{folder}/*.[tT][iI][fF]"):
        with open_scene(name, bands=wanted) as scene:
            assert scene.read(scene.georef.window).image[:, 0, 0].tolist() == list(values)


def test_of_a_band_in_several_sizes_the_finest_counts(fill):
    folder = fill("B02_10m.tif")
    fill("B02_20m.tif", "B11_20m.tif", size=10, transform=COARSE)
    source = describe_scene(folder, bands=["blue", "swir16"])
    assert source.georef.width == 20
    assert [name.rsplit("/", 1)[-1] for name in source.files] == ["B02_10m.tif", "B11_20m.tif"]


def test_what_is_no_band_stands_aside(fill):
    folder = fill("B02.tif", "B04.tif", "SCL.tif", "preview.tif")
    assert describe_scene(folder).bands == ("blue", "red")


def test_two_files_of_one_band_are_refused(fill):
    with pytest.raises(SceneError, match=r"are both called B02: give one of them"):
        describe_scene(fill("a_B02.tif", "b_B02.tif"))


def test_names_that_tell_nothing_are_refused(fill):
    with pytest.raises(SceneError, match=r"their names tell no bands \(B02, SR_B4, red\)"):
        describe_scene(fill("a.tif", "b.tif"))


def test_a_missing_band_is_named_with_those_there(fill):
    with pytest.raises(SceneError, match=r"no band is called 'nir': the scene has 1=blue, 2=red"):
        describe_scene(fill("B02.tif", "B04.tif"), bands=["nir"])


def test_a_file_alone_is_itself(fill):
    folder = fill("B02.tif")
    assert describe_scene(folder).georef.width == 20
    assert describe_scene(f"{folder}/*.tif").georef.width == 20


def test_a_glob_that_finds_nothing_is_one_line(tmp_path):
    with pytest.raises(SceneError, match="holds no rasters"):
        describe_scene(f"{tmp_path}/*.tif")
