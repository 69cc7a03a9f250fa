"""What is written comes back, in a file that a GIS reads in pieces."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rio_cogeo.cogeo import cog_validate
from scipy.ndimage import gaussian_filter, zoom

from geoseg.classes import ClassMap
from geoseg.errors import GridError, OutputError
from geoseg.georef import GeoRef
from geoseg.raster.stored import BLOCK
from geoseg.raster.writer import RasterWriter, class_raster_writer, confidence_writer, probabilities_writer
from geoseg.window import Window

UTM = CRS.from_epsg(32633).to_wkt()
NORTH_UP = Affine(2.0, 0.0, 500_000.0, 0.0, -2.0, 5_000_000.0)
CLASSES = ClassMap.of([(1, "water", "#0000ff"), (3, "forest", "#00ff00"), (7, "crops", "#ffff00")])


def a_georef(height: int, width: int, *, crs: str | None = UTM, transform: Affine = NORTH_UP) -> GeoRef:
    return GeoRef(crs=crs, transform=transform, height=height, width=width)


def some_pixels(height: int, width: int, bands: int = 1) -> np.ndarray:
    return np.random.default_rng(5).choice(np.array([1, 3, 7, 255], dtype=np.uint8), size=(bands, height, width))


def windows_of(pixels: np.ndarray, heights: list[int]) -> Iterator[Window]:
    row = 0
    while row < pixels.shape[1]:
        height = min(heights[row % len(heights)], pixels.shape[1] - row)
        yield Window(row=row, col=0, height=height, width=pixels.shape[2])
        row += height


def write_all(writer: RasterWriter, pixels: np.ndarray, heights: list[int]) -> None:
    with writer:
        for window in windows_of(pixels, heights):
            writer.write(window, pixels[:, window.row : window.bottom])


def test_classes_come_back_with_colours_names_nodata_and_grid(tmp_path):
    path = tmp_path / "classes.tif"
    pixels = some_pixels(1100, 700)
    write_all(class_raster_writer(path, a_georef(1100, 700), CLASSES), pixels, [256])
    with rasterio.open(path) as dataset:
        assert np.array_equal(dataset.read(), pixels)
        assert dataset.nodata == 255
        assert dataset.transform == NORTH_UP
        assert dataset.crs == rasterio.CRS.from_epsg(32633)
        assert dataset.colormap(1)[3] == (0, 255, 0, 255)
        assert dataset.colormap(1)[255] == (0, 0, 0, 0)
        assert dataset.tags(1)["LAYER_TYPE"] == "thematic"
        assert dataset.tags(1)["CLASS_7"] == "crops"
        assert dataset.block_shapes == [(BLOCK, BLOCK)]


def test_the_file_is_alone_in_its_folder(tmp_path):
    path = tmp_path / "classes.tif"
    write_all(class_raster_writer(path, a_georef(1300, 1100), CLASSES), some_pixels(1300, 1100), [500])
    assert [file.name for file in tmp_path.iterdir()] == ["classes.tif"]


def test_overviews_of_classes_hold_only_classes(tmp_path):
    path = tmp_path / "classes.tif"
    write_all(class_raster_writer(path, a_georef(1100, 1100), CLASSES), some_pixels(1100, 1100), [64])
    with rasterio.open(path, overview_level=0) as dataset:
        assert dataset.shape == (550, 550)
        assert set(np.unique(dataset.read())) <= {1, 3, 7, 255}


def shares(pixels: np.ndarray) -> np.ndarray:
    """Share of each value among all pixels."""
    return np.bincount(pixels.ravel(), minlength=256) / pixels.size


def shares_by_level(path: Path) -> list[np.ndarray]:
    with rasterio.open(path) as dataset:
        levels = len(dataset.overviews(1))
        found = [shares(dataset.read(1))]
    for level in range(levels):
        with rasterio.open(path, overview_level=level) as dataset:
            found.append(shares(dataset.read(1)))
    return found


def smooth_classes(size: int) -> np.ndarray:
    """Classes of unequal shares in patches of some hundred pixels, and a border of nodata."""
    noise = np.random.default_rng(3).standard_normal((4, size // 8, size // 8)).astype(np.float32)
    likely = zoom(gaussian_filter(noise, (0, 3, 3)), (1, 8, 8), order=1)
    likely /= likely.std()
    ids = np.array([1, 3, 7, 9], dtype=np.uint8)[np.argmax(likely + np.reshape([0.6, 0, 0, -0.4], (4, 1, 1)), axis=0)]
    ids[:, : size // 20] = 255
    return ids


def test_overviews_keep_the_share_of_every_class(tmp_path):
    path = tmp_path / "classes.tif"
    pixels = smooth_classes(2048)
    write_all(class_raster_writer(path, a_georef(2048, 2048), CLASSES), pixels[np.newaxis], [512])
    full, *coarser = shares_by_level(path)
    assert len(coarser) == 2
    assert np.abs(np.array(coarser) - full).max() <= 0.005
    assert np.count_nonzero(full) == 5


def test_overviews_of_a_real_map_keep_the_share_of_every_class(tmp_path, real_data):
    path = tmp_path / "classes.tif"
    with rasterio.open(real_data / "class_rasters" / "crops_test_8000.tif") as dataset:
        pixels = dataset.read(window=((0, 4096), (0, 4096)))
    write_all(class_raster_writer(path, a_georef(4096, 4096), CLASSES), pixels, [512])
    full, *coarser = shares_by_level(path)
    assert len(coarser) == 3
    assert np.abs(np.array(coarser) - full).max() <= 0.005


@pytest.mark.parametrize(
    ("writer_of", "bands"),
    [
        (lambda path, georef: class_raster_writer(path, georef, CLASSES), 1),
        (confidence_writer, 1),
        (lambda path, georef: probabilities_writer(path, georef, CLASSES), 3),
    ],
    ids=["classes", "confidence", "probabilities"],
)
def test_every_layer_is_a_valid_cog_of_zstd_in_storage_blocks_of_512(tmp_path, writer_of, bands):
    path = tmp_path / "layer.tif"
    write_all(writer_of(path, a_georef(1300, 1100)), some_pixels(1300, 1100, bands), [500])
    assert cog_validate(path, strict=True) == (True, [], [])
    with rasterio.open(path) as dataset:
        assert dataset.compression.name == "zstd"
        assert dataset.block_shapes == [(BLOCK, BLOCK)] * bands
        assert dataset.overviews(1) == [2, 4]


def test_overviews_of_confidence_are_averages_of_valid_pixels(tmp_path):
    path = tmp_path / "confidence.tif"
    pixels = np.full((1, 1024, 1024), 255, dtype=np.uint8)
    pixels[:, :, 0::4], pixels[:, :, 1::4], pixels[:, :, 2::4] = 20, 40, 70
    write_all(confidence_writer(path, a_georef(1024, 1024)), pixels, [512])
    with rasterio.open(path, overview_level=0) as dataset:
        coarse = dataset.read(1)
    assert np.all(coarse[:, 0::2] == 30)
    assert np.all(coarse[:, 1::2] == 70)


def test_probabilities_have_one_named_band_for_each_class(tmp_path):
    path = tmp_path / "probabilities.tif"
    pixels = some_pixels(90, 60, bands=3)
    write_all(probabilities_writer(path, a_georef(90, 60), CLASSES), pixels, [7, 30])
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("water", "forest", "crops")
        assert dataset.units == ("%", "%", "%")
        assert np.array_equal(dataset.read(), pixels)


@settings(max_examples=8, deadline=None)
@given(heights=st.lists(st.integers(1, 900), min_size=1, max_size=4))
def test_bytes_do_not_depend_on_the_strips_they_came_in(tmp_path_factory, heights):
    folder = tmp_path_factory.mktemp("strips")
    pixels = some_pixels(1200, 600)
    for name, strips in (("whole", [1200]), ("strips", heights)):
        write_all(class_raster_writer(folder / name, a_georef(1200, 600), CLASSES), pixels, strips)
    assert (folder / "whole").read_bytes() == (folder / "strips").read_bytes()


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (None, Affine.identity()),
        (None, Affine.scale(3.0)),
        (UTM, Affine.identity()),
        (UTM, Affine(2.0, 0.0, 10.0, 0.0, 2.0, 20.0)),
        (UTM, Affine.translation(500_000.0, 5_000_000.0) @ Affine.rotation(30.0) @ Affine.scale(2.0, -2.0)),
        (CRS.from_proj4("+proj=laea +lat_0=10 +lon_0=20 +ellps=GRS80").to_wkt(), NORTH_UP),
    ],
    ids=["nowhere", "scaled", "identity", "south-up", "rotated", "custom-crs"],
)
def test_any_grid_survives_without_a_warning(tmp_path, crs, transform):
    path = tmp_path / "classes.tif"
    georef = a_georef(30, 40, crs=crs, transform=transform)
    write_all(class_raster_writer(path, georef, CLASSES), some_pixels(30, 40), [30])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(path) as dataset:
            assert dataset.transform.almost_equals(transform, precision=1e-9)
            assert (dataset.crs is None) == (crs is None)
            if crs is not None:
                assert CRS.from_wkt(dataset.crs.to_wkt()).equals(CRS.from_wkt(crs), ignore_axis_order=True)


@pytest.mark.parametrize(
    "window",
    [
        Window(row=5, col=0, height=5, width=40),
        Window(row=0, col=1, height=5, width=39),
        Window(row=0, col=0, height=31, width=40),
    ],
    ids=["gap", "narrow", "too-low"],
)
def test_rows_out_of_order_are_refused_and_no_file_is_left(tmp_path, window):
    writer = class_raster_writer(tmp_path / "classes.tif", a_georef(30, 40), CLASSES)
    with pytest.raises(GridError, match="begin at 0"), writer:
        writer.write(window, np.zeros(window.shape, dtype=np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_pixels_that_do_not_fill_their_window_are_refused(tmp_path):
    writer = class_raster_writer(tmp_path / "classes.tif", a_georef(30, 40), CLASSES)
    with pytest.raises(GridError, match="do not fill"), writer:
        writer.write(Window.of_shape(30, 40), np.zeros((29, 40), dtype=np.uint8))


def test_missing_rows_are_an_error_and_leave_no_file(tmp_path):
    writer = class_raster_writer(tmp_path / "classes.tif", a_georef(30, 40), CLASSES)
    with pytest.raises(GridError, match="rows 10 to 30"), writer:
        writer.write(Window.of_shape(10, 40), np.zeros((10, 40), dtype=np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_leaves_no_file(tmp_path):
    writer = class_raster_writer(tmp_path / "classes.tif", a_georef(30, 40), CLASSES)

    def write_and_interrupt() -> None:
        with writer:
            writer.write(Window.of_shape(30, 40), np.zeros((30, 40), dtype=np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_interrupt()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error_the_user_can_mend(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_all(confidence_writer(tmp_path / "missing" / "c.tif", a_georef(3, 4)), some_pixels(3, 4), [3])


def test_a_file_that_does_not_hold_what_was_written_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("geoseg.raster.cog.zlib.crc32", lambda _part, before=0: before + 1)
    with pytest.raises(OutputError, match="does not hold"):
        write_all(confidence_writer(tmp_path / "c.tif", a_georef(3, 4)), some_pixels(3, 4), [3])
    assert list(tmp_path.iterdir()) == []
