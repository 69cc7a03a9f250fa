"""Some of the odd rasters that other projects test with (GEOSEG_DATA): a right answer or one line, and nothing half.

`python -m benchmarks.oddities` takes all of them, in processes with limits of their own.
"""

from __future__ import annotations

import pytest

from benchmarks.oddity_child import ended

SAMPLE = {
    "1bit_2bands.tif": "right",
    "block_width_above_32bit.tif": "refused",
    "byte_gcp.tif": "right",
    "byte_truncated.tif": "refused",
    "byte_zstd_corrupted.tif": "refused",
    "cint16.tif": "refused",
    "excessive-memory-TIFFFillStrip.tif": "refused",
    "float24.tif": "right",
    "huge-implied-number-strips.tif": "right",
    "nan32.tif": "right",
    "negative_scaley.tif": "right",
    "oddsize1bit.tif": "right",
    "rgbsmall_cmyk.tif": "right",
    "uint16.tif": "right",
    "uint32.tif": "refused",
}


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("name", SAMPLE)
def test_an_odd_raster_is_mapped_right_or_refused_in_one_line(real_data, tmp_path, name):
    found = ended("predict, made to fit", real_data / "oddities" / "gdal-autotest" / name, tmp_path)
    assert (found.verdict, bool(found.said)) == (SAMPLE[name], SAMPLE[name] == "refused"), found.said


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize("name", ["byte.tif", "byte_truncated.tif", "nodata_byte.tif", "float32.tif", "huge4GB.tif"])
def test_an_odd_raster_gives_polygons_that_cover_its_pixels_or_one_line(real_data, tmp_path, name):
    found = ended("vectorize", real_data / "oddities" / "gdal-autotest" / name, tmp_path)
    assert found.verdict in {"right", "refused"}, found.said
