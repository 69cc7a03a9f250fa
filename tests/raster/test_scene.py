"""Any window of any raster comes back as it is in the file, with one valid mask."""

from __future__ import annotations

import logging
import pickle
import zipfile

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.enums import ColorInterp

from geoseg.errors import GeorefError, SceneError
from geoseg.raster.scene import Scene, describe_scene, open_scene
from geoseg.window import Window

SIZE = (70, 90)
RANDOM = np.random.default_rng(4)
IMAGE = RANDOM.integers(1, 256, (3, *SIZE), dtype=np.uint8)


def read_whole(path, **options):
    with open_scene(path, **options) as scene:
        return scene.read(scene.georef.window)


def valid_of(path, **options):
    return read_whole(path, **options).valid


def corner():
    """A footprint: a slanted corner without measurements."""
    rows, cols = np.mgrid[: SIZE[0], : SIZE[1]]
    return rows + 2 * cols > 60


def set_colours(path, *colours):
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = colours


@given(st.integers(-20, 80), st.integers(-20, 100), st.integers(1, 120), st.integers(1, 120))
@settings(max_examples=25)
def test_a_window_holds_the_pixels_of_the_file_and_nothing_outside_it(write_scene, row, col, height, width):
    window = Window(row=row, col=col, height=height, width=width)
    with open_scene(write_scene(IMAGE, nodata=0)) as scene:
        patch = scene.read(window)
    padded = np.pad(IMAGE, ((0, 0), (200, 200), (200, 200)))
    expected = padded[:, 200 + row : 200 + row + height, 200 + col : 200 + col + width]
    assert np.array_equal(np.where(patch.valid, patch.image, 0), expected)
    assert np.array_equal(patch.valid, expected.any(axis=0))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_numbers_come_as_they_are(write_scene, dtype):
    image = (RANDOM.normal(0, 1, (2, *SIZE)) * 100).astype(dtype)
    with open_scene(write_scene(image, photometric="minisblack")) as scene:
        patch = scene.read(scene.georef.window)
        assert scene.dtype == dtype
    assert patch.image.dtype == np.dtype(dtype)
    assert np.array_equal(patch.image, image)
    assert patch.valid.all()


def test_double_precision_is_read_as_single(write_scene):
    lowest = np.finfo(np.float64).min
    image = np.where(corner(), 0.1, lowest)[np.newaxis]
    patch = read_whole(write_scene(image, nodata=lowest))
    assert patch.image.dtype == np.float32
    assert np.array_equal(patch.valid, corner())


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int8", "complex64"])
def test_other_numbers_are_refused(write_scene, dtype):
    with pytest.raises(SceneError, match=rf"pixels are {dtype}: all bands must share one of uint8, uint16"):
        open_scene(write_scene(np.ones((1, *SIZE), dtype=dtype)))


def test_nodata_is_what_the_nodata_value_says(write_scene):
    image = IMAGE * corner()
    assert np.array_equal(valid_of(write_scene(image, nodata=0)), corner())


def test_zeros_in_one_band_are_measurements(write_scene):
    image = IMAGE.copy()
    image[0, :20] = 0
    assert valid_of(write_scene(image, nodata=0)).all()


def test_nodata_is_what_alpha_says(write_scene):
    path = write_scene(np.concatenate([IMAGE, corner()[np.newaxis] * np.uint8(255)]))
    set_colours(path, *(ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha))
    patch = read_whole(path)
    assert patch.image.shape == IMAGE.shape
    assert np.array_equal(patch.valid, corner())


@pytest.mark.parametrize("inside", [True, False])
def test_nodata_is_what_a_mask_says(write_scene, inside):
    path = write_scene(IMAGE)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(corner())
    assert np.array_equal(valid_of(path), corner())


def test_nodata_is_where_nan_is(write_scene):
    image = IMAGE.astype(np.float32)
    image[1][~corner()] = np.nan
    assert np.array_equal(valid_of(write_scene(image)), corner())


def test_a_nodata_value_and_a_mask_count_together(write_scene):
    path = write_scene(np.where(np.arange(SIZE[1]) < 80, IMAGE, 0).astype(np.uint8), nodata=0)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(corner())
    assert np.array_equal(valid_of(path), corner() & (np.arange(SIZE[1]) < 80))


def test_near_infrared_tagged_as_alpha_punches_no_holes_and_is_remarked_on(write_scene, caplog):
    infrared = RANDOM.integers(0, 256, (1, *SIZE), dtype=np.uint8)
    path = write_scene(np.concatenate([IMAGE, infrared]))
    set_colours(path, *(ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha))
    with caplog.at_level(logging.WARNING):
        patch = read_whole(path, bands=["4", "red"])
    assert "band 4 is tagged as alpha but holds imagery" in caplog.text
    assert patch.valid.all()
    assert np.array_equal(patch.image, np.stack([infrared[0], IMAGE[0]]))


def test_bands_come_in_the_order_asked_for(write_scene):
    path = write_scene(IMAGE)
    assert np.array_equal(read_whole(path, bands=["blue", "red"]).image, IMAGE[[2, 0]])
    assert np.array_equal(read_whole(path, bands=["2"]).image, IMAGE[[1]])
    with pytest.raises(SceneError, match=r"scene\.tif: no band is called 'nir'"):
        open_scene(path, bands=["nir"])


@pytest.fixture
def palette_scene(write_scene):
    values = RANDOM.integers(0, 5, (1, *SIZE), dtype=np.uint8)
    path = write_scene(values, photometric="palette", nodata=2)
    colours = {value: (value * 10, value * 20, value * 30, 255) for value in range(4)}
    with rasterio.open(path, "r+") as dataset:
        dataset.write_colormap(1, colours)
    return path, values[0]


def test_a_palette_is_read_as_its_colours(palette_scene):
    path, values = palette_scene
    patch = read_whole(path)
    known = (values < 4) & (values != 2)
    assert np.array_equal(patch.valid[values < 4], known[values < 4])
    for band, step in zip(patch.image, (10, 20, 30), strict=True):
        assert np.array_equal(band[known], values[known] * step)


def test_bands_can_be_chosen_from_a_palette(palette_scene):
    path, values = palette_scene
    known = (values < 4) & (values != 2)
    assert np.array_equal(read_whole(path, bands=["green"]).image[0][known], values[known] * 20)
    assert np.array_equal(read_whole(path, bands=["3", "1"]).image[0][known], values[known] * 30)


@pytest.mark.parametrize(
    "transform",
    [
        Affine(1, 0, 5e5, 0, 1, 5e6),
        Affine.translation(5e5, 5e6) @ Affine.rotation(20) @ Affine.scale(1, -1),
        Affine(-1, 0, 5e5, 0, -1, 5e6),
    ],
)
def test_south_up_rotated_and_mirrored_scenes_keep_their_grid(write_scene, transform):
    with open_scene(write_scene(IMAGE, transform=transform)) as scene:
        assert scene.georef.transform.almost_equals(transform)
        assert np.array_equal(scene.read(scene.georef.window).image, IMAGE)


def test_a_scene_without_crs_is_read_and_remarked_on(write_scene, caplog):
    with caplog.at_level(logging.WARNING), open_scene(write_scene(IMAGE, crs=None)) as scene:
        assert scene.georef.gsd is None
    assert "no CRS" in caplog.text


def test_a_scene_opens_again_in_another_process(write_scene):
    with open_scene(write_scene(IMAGE)) as scene, pickle.loads(pickle.dumps(scene)) as again:  # noqa: S301 - our own
        assert np.array_equal(again.read(scene.georef.window).image, IMAGE)


def test_a_closed_scene_may_be_closed_again(write_scene):
    with open_scene(write_scene(IMAGE)) as scene:
        scene.close()


def test_a_missing_file_is_told_apart_from_one_that_is_no_raster(tmp_path):
    with pytest.raises(SceneError, match=r"none\.tif: no such file"):
        open_scene(tmp_path / "none.tif")
    (tmp_path / "text.tif").write_text("not a raster")
    with pytest.raises(SceneError, match=r"text\.tif: cannot be read as a raster"):
        open_scene(tmp_path / "text.tif")


def test_a_folder_is_no_raster(tmp_path):
    with pytest.raises(SceneError, match="holds no rasters"):
        open_scene(tmp_path)


def test_a_truncated_file_is_an_error_of_one_line(write_scene):
    path = write_scene(IMAGE, compress="none")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SceneError, match="cannot be read as a raster") as raised:
        read_whole(path)
    assert "\n" not in str(raised.value)


def test_a_scene_may_stand_in_an_archive(write_scene, tmp_path):
    path = write_scene(IMAGE)
    with zipfile.ZipFile(tmp_path / "scenes.zip", "w") as archive:
        archive.write(path, "inner.tif")
    assert np.array_equal(read_whole(f"/vsizip/{tmp_path}/scenes.zip/inner.tif").image, IMAGE)


def test_a_scene_may_be_a_part_of_a_file(write_scene):
    assert np.array_equal(read_whole(f"GTIFF_DIR:1:{write_scene(IMAGE)}").image, IMAGE)


def test_a_transform_that_squeezes_the_scene_is_refused(tmp_path, write_scene):
    write_scene(IMAGE)
    text = """<VRTDataset rasterXSize="90" rasterYSize="70"><GeoTransform>0, 0, 0, 0, 0, 0</GeoTransform>
    <VRTRasterBand dataType="Byte" band="1"><SimpleSource><SourceFilename relativeToVRT="1">scene.tif</SourceFilename>
    <SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
    (tmp_path / "flat.vrt").write_text(text)
    with pytest.raises(GeorefError, match=r"flat\.vrt: the transform"):
        describe_scene(tmp_path / "flat.vrt")


def test_an_optional_band_that_is_not_there_is_not_read(write_scene):
    path = write_scene(np.stack([np.full((5, 6), number, dtype=np.uint16) for number in (7, 9)]))
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("B08", "B04")
    source = describe_scene(path, bands=("red", "swir16", "nir"), optional=("swir16",))
    assert (source.indices, source.bands, source.present) == ((2, 1), ("red", "nir"), (0, 2))
    with Scene(source) as scene:
        assert scene.read(scene.georef.window).image[:, 0, 0].tolist() == [9, 7]
