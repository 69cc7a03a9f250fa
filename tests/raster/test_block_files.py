"""Layers of blocks, put together, are the raster that is written row by row."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from geoseg.classes import ClassMap
from geoseg.errors import OutputError
from geoseg.georef import GeoRef
from geoseg.raster.block_files import LayerEncoder
from geoseg.raster.cog import BlockFile, make_cog
from geoseg.raster.layout import class_layout, confidence_layout, probabilities_layout
from geoseg.raster.opening import open_dataset
from geoseg.raster.writer import class_raster_writer, confidence_writer, probabilities_writer
from geoseg.window import Window

UTM = CRS.from_epsg(32633).to_wkt()
CLASSES = ClassMap.of([(1, "water & <ice>", "#0000ff"), (3, 'a "forest"', "#00ff00"), (7, "crops", "#ffff00")])
LAYERS = {
    "classes": (class_layout(CLASSES), lambda path, georef: class_raster_writer(path, georef, CLASSES)),
    "confidence": (confidence_layout(), confidence_writer),
    "probabilities": (probabilities_layout(CLASSES), lambda path, georef: probabilities_writer(path, georef, CLASSES)),
}


def grid_of(height, width, *, crs=UTM, transform=None):
    return GeoRef(crs=crs, transform=transform or Affine(2, 0, 5e5, 0, -2, 5e6), height=height, width=width)


def pixels_of(bands, height, width):
    return np.random.default_rng(5).choice(np.array([1, 3, 7, 255], dtype=np.uint8), size=(bands, height, width))


def blocks_of(georef, rows, cols):
    return [
        Window.between(top, min(top + rows, georef.height), left, min(left + cols, georef.width))
        for top in range(0, georef.height, rows)
        for left in range(0, georef.width, cols)
    ]


def encoded(pixels, block, strip, predictor=1):
    rows, cols = block.slices_in(Window.of_shape(*pixels.shape[1:]))
    ours = pixels[:, rows, cols]
    with LayerEncoder(block, len(pixels), predictor) as encoder:
        for top in range(0, block.height, strip):
            part = ours[:, top : top + strip]
            encoder.write(part[0] if len(part) == 1 else part)
        return encoder.finish()


def files_of_blocks(folder, layer, pixels, blocks, strip=100):
    folder.mkdir(exist_ok=True)
    files = {}
    for block in blocks:
        part = encoded(pixels, block, strip, LAYERS[layer][0].predictor)
        files[block] = BlockFile(path=folder / f"{block.row}_{block.col}.tif", crc=part.file_crc)
        files[block].path.write_bytes(part.data)
    return files


def cog_of_blocks(folder, georef, layer, pixels, blocks, strip=100):
    files = files_of_blocks(folder, layer, pixels, blocks, strip)
    make_cog(folder / "cog.tif", georef, LAYERS[layer][0], files)
    return folder / "cog.tif"


def cog_of_rows(path, georef, layer, pixels):
    with LAYERS[layer][1](path, georef) as writer:
        writer.write(georef.window, pixels)
    return path


@pytest.mark.parametrize("layer", LAYERS)
def test_the_file_is_the_one_that_is_written_row_by_row(tmp_path, layer):
    georef = grid_of(700, 600)
    pixels = pixels_of(len(LAYERS[layer][0].descriptions), 700, 600)
    ours = cog_of_blocks(tmp_path / "blocks", georef, layer, pixels, blocks_of(georef, 512, 600))
    assert ours.read_bytes() == cog_of_rows(tmp_path / "rows.tif", georef, layer, pixels).read_bytes()


@settings(max_examples=8)
@given(rows=st.integers(40, 700), cols=st.integers(200, 1100), strip=st.integers(1, 600))
def test_bytes_do_not_depend_on_the_blocks(tmp_path_factory, rows, cols, strip):
    georef = grid_of(650, 1050)
    pixels = pixels_of(1, 650, 1050)
    folder = tmp_path_factory.mktemp("blocks")
    ours = cog_of_blocks(folder, georef, "classes", pixels, blocks_of(georef, rows, cols), strip)
    assert ours.read_bytes() == cog_of_rows(folder / "rows.tif", georef, "classes", pixels).read_bytes()


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (None, Affine.identity()),
        (None, Affine.scale(3.0)),
        (UTM, Affine.identity()),
        (CRS.from_epsg(4326).to_wkt(), Affine(1e-5, 0, 8.0, 0, -1e-5, 47.3)),
        (UTM, Affine.translation(5e5, 5e6) @ Affine.rotation(30.0) @ Affine.scale(2.0, -2.0)),
    ],
    ids=["nowhere", "scaled", "identity", "degrees", "rotated"],
)
def test_any_grid_is_kept(tmp_path, crs, transform):
    georef = grid_of(30, 40, crs=crs, transform=transform)
    pixels = pixels_of(1, 30, 40)
    ours = cog_of_blocks(tmp_path / "blocks", georef, "confidence", pixels, blocks_of(georef, 16, 40))
    assert ours.read_bytes() == cog_of_rows(tmp_path / "rows.tif", georef, "confidence", pixels).read_bytes()


def test_a_crs_without_a_code_is_kept(tmp_path):
    crs = CRS.from_proj4("+proj=laea +lat_0=10 +lon_0=20 +ellps=GRS80")
    georef = grid_of(30, 40, crs=crs.to_wkt())
    ours = cog_of_blocks(tmp_path, georef, "classes", pixels_of(1, 30, 40), blocks_of(georef, 16, 40))
    with rasterio.open(ours) as dataset:
        assert CRS.from_wkt(dataset.crs.to_wkt()).equals(crs, ignore_axis_order=True)


def test_a_block_that_is_not_what_was_written_is_refused(tmp_path):
    georef, pixels = grid_of(30, 40), pixels_of(1, 30, 40)
    files = files_of_blocks(tmp_path, "classes", pixels, blocks_of(georef, 10, 40))
    (tmp_path / "10_0.tif").write_bytes((tmp_path / "0_0.tif").read_bytes())
    with pytest.raises(OutputError, match="does not hold what was written"):
        make_cog(tmp_path / "cog.tif", georef, class_layout(CLASSES), files)


def test_an_encoded_layer_comes_back(tmp_path):
    pixels = pixels_of(3, 530, 70)
    part = encoded(pixels, Window.of_shape(530, 70), 33)
    (tmp_path / "part.tif").write_bytes(part.data)
    with open_dataset(str(tmp_path / "part.tif")) as dataset:
        assert np.array_equal(dataset.read()[:, :530, :70], pixels)


def test_a_layer_that_is_not_whole_is_no_file():
    with LayerEncoder(Window.of_shape(10, 5), 1, 1) as encoder:
        encoder.write(np.zeros((9, 5), dtype=np.uint8))
        with pytest.raises(ValueError, match="only 9 rows"):
            encoder.finish()
