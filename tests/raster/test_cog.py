"""COGs put together from compressed storage blocks, against those that GDAL makes of the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.io import MemoryFile
from rasterio.shutil import copy as gdal_copy

from geoseg.classes import ClassMap
from geoseg.georef import GeoRef
from geoseg.raster.block_files import raster_of_blocks
from geoseg.raster.cog_header import cog_header
from geoseg.raster.gdal import georeference_optional, open_checked
from geoseg.raster.layout import class_layout, confidence_layout, probabilities_layout
from geoseg.raster.overviews import halved, levels_of
from geoseg.raster.writer import RasterWriter

CLASSES = ClassMap.of([(1, "water", "#0000ff"), (3, "forest", "#00ff00"), (7, "crops", "#ffff00")])
LAYOUTS = {
    "classes": class_layout(CLASSES),
    "confidence": confidence_layout(),
    "probabilities": probabilities_layout(CLASSES),
}


def grid_of(height, width):
    transform = Affine(2, 0, 5e5, 0, -2, 5e6)
    return GeoRef(crs=CRS.from_epsg(32633).to_wkt(), transform=transform, height=height, width=width)


def pixels_of(bands, height, width, seed=5):
    shape = (bands, height // 4 + 1, width // 4 + 1)
    values = np.random.default_rng(seed).choice(np.array([1, 3, 7, 255], dtype=np.uint8), shape)
    return np.kron(values, np.ones((1, 4, 4), dtype=np.uint8))[:, :height, :width]


def plain(path, pixels):
    profile = {"driver": "GTiff", "dtype": "uint8", "count": len(pixels), "height": pixels.shape[1]}
    with georeference_optional(), rasterio.open(path, "w", **profile, width=pixels.shape[2], nodata=255) as dataset:
        dataset.write(pixels)
    return str(path)


def cog_of_gdal(folder, georef, layout, pixels):
    """The oracle: GDAL decodes, compresses and writes all, with the levels that it is given."""
    levels, coarse = [], pixels
    for level in range(levels_of(*pixels.shape[1:], smallest=512)):
        coarse = halved(np.ascontiguousarray(coarse), layout.overviews)
        levels.append(plain(folder / f"level{level}.tif", coarse))
    source = raster_of_blocks(georef, layout, {}, overviews=levels)
    name = plain(folder / "pixels.tif", pixels)
    for band in range(1, len(pixels) + 1):
        piece = f"<SimpleSource><SourceFilename>{name}</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource>"
        head, marker, tail = source.partition(f'band="{band}"')
        source = head + marker + tail.replace("</ColorInterp>", f"</ColorInterp>{piece}", 1)
    options = {"predictor": {1: "NO", 2: "STANDARD"}[layout.predictor], "overviews": "FORCE_USE_EXISTING", "level": 1}
    with open_checked(source) as dataset:
        gdal_copy(dataset, folder / "gdal.tif", driver="COG", compress="ZSTD", blocksize=512, **options)
    return folder / "gdal.tif"


def cog_of_rows(folder, georef, layout, pixels):
    with RasterWriter(folder / "ours.tif", georef, layout) as writer:
        writer.write(georef.window, pixels)
    return folder / "ours.tif"


@pytest.mark.parametrize("layer", LAYOUTS)
@pytest.mark.parametrize("shape", [(1, 1), (512, 512), (1024, 1536), (700, 1301), (1300, 90)])
def test_the_file_is_the_one_that_gdal_makes(tmp_path, layer, shape):
    layout, georef = LAYOUTS[layer], grid_of(*shape)
    pixels = pixels_of(len(layout.descriptions), *shape)
    theirs = cog_of_gdal(tmp_path, georef, layout, pixels).read_bytes()
    assert cog_of_rows(tmp_path, georef, layout, pixels).read_bytes() == theirs


@settings(max_examples=6)
@given(height=st.integers(1, 1600), width=st.integers(1, 1600), seed=st.integers(0, 99))
def test_of_any_size_it_is_the_one_that_gdal_makes(tmp_path_factory, height, width, seed):
    folder, georef = tmp_path_factory.mktemp("cog"), grid_of(height, width)
    pixels = pixels_of(1, height, width, seed)
    theirs = cog_of_gdal(folder, georef, LAYOUTS["confidence"], pixels).read_bytes()
    assert cog_of_rows(folder, georef, LAYOUTS["confidence"], pixels).read_bytes() == theirs


def test_above_2_gb_it_is_the_bigtiff_that_gdal_makes():
    """By its beginning alone: the places of all storage blocks, for sizes made up."""
    georef, layout = grid_of(50_000, 50_000), LAYOUTS["classes"]
    header = cog_header(georef, layout, [], [[3] * 98 * 98])
    assert header[:4] == b"II+\0"
    with MemoryFile(header + b"".join(b"\3\0\0\0abcabc" for _ in range(98 * 98))) as file, file.open() as dataset:
        assert dataset.get_tag_item("BLOCK_OFFSET_97_97", "TIFF", bidx=1) == str(len(header) + 98 * 98 * 11 - 7)
        assert dataset.get_tag_item("BLOCK_SIZE_97_97", "TIFF", bidx=1) == "3"


def test_sizes_that_do_not_fit_the_header_are_an_error():
    with pytest.raises(ValueError, match="do not fit"):
        cog_header(grid_of(600, 600), LAYOUTS["classes"], [], [[1, 2, 3]])
