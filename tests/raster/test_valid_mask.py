"""Which numbers are measurements."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.enums import ColorInterp

from geoseg.errors import SceneError
from geoseg.raster.scene import open_scene
from geoseg.raster.valid_mask import alpha_band, has_mask_band, holds_imagery, spectral_valid

BYTES = hnp.arrays(np.uint8, (3, 4, 5), elements=st.integers(0, 2))


@given(BYTES)
def test_an_integer_pixel_is_nodata_only_where_every_band_is(image):
    assert np.array_equal(spectral_valid(image, (0, 0, 0)), (image != 0).any(axis=0))


@given(BYTES)
def test_each_band_has_its_own_nodata(image):
    expected = ~((image[0] == 0) & (image[1] == 1) & (image[2] == 2))
    assert np.array_equal(spectral_valid(image, (0, 1, 2)), expected)


@given(image=BYTES)
@pytest.mark.parametrize("nodata", [(None, None, None), (0, None, 0), (256, 256, 256), (-9999.0,) * 3, (np.nan,) * 3])
def test_a_nodata_value_that_cannot_occur_marks_nothing(image, nodata):
    assert spectral_valid(image, nodata).all()


@given(hnp.arrays(np.float32, (2, 3, 4), elements=st.sampled_from([0, 1, -9999, np.nan, np.inf, -np.inf])))
def test_a_float_pixel_is_nodata_where_any_band_cannot_be_computed_with(image):
    expected = (np.isfinite(image) & (image != -9999)).all(axis=0)
    assert np.array_equal(spectral_valid(image, (-9999.0, -9999.0)), expected)


@pytest.mark.parametrize("lowest", [-3.4028234663852886e38, -1.7976931348623157e308, -3.40282306073709653e38])
def test_the_lowest_float_as_nodata_is_recognised(lowest):
    with np.errstate(over="ignore"):
        image = np.array([[[lowest, 1.0]]]).astype(np.float32)
    assert spectral_valid(image, (lowest,)).tolist() == [[False, True]]


def a_file(write_scene, *bands, colours):
    path = write_scene(np.stack(bands))
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = colours
    return rasterio.open(path)


GRAY_ALPHA = (ColorInterp.gray, ColorInterp.alpha)
RANDOM = np.random.default_rng(1).integers(1, 250, (200, 200), dtype=np.uint8)


def an_alpha():
    """Opaque, empty at one side, feathered in between."""
    ramp = np.clip((np.arange(200) - 60) * 20, 0, 255).astype(np.uint8)
    return np.broadcast_to(ramp, (200, 200))


def test_a_real_alpha_is_no_imagery(write_scene):
    with a_file(write_scene, RANDOM, an_alpha(), colours=GRAY_ALPHA) as dataset:
        assert alpha_band(dataset) == 2
        assert not holds_imagery(dataset, 2)


@pytest.mark.parametrize("constant", [0, 255])
def test_a_constant_alpha_is_no_imagery(write_scene, constant):
    with a_file(write_scene, RANDOM, np.full_like(RANDOM, constant), colours=GRAY_ALPHA) as dataset:
        assert not holds_imagery(dataset, 2)


@pytest.mark.parametrize("share_of_zeros", [0.0, 0.5, 0.95])
def test_near_infrared_tagged_as_alpha_is_imagery_however_many_zeros_it_has(write_scene, share_of_zeros):
    infrared = np.where(np.random.default_rng(2).random(RANDOM.shape) < share_of_zeros, 0, RANDOM)
    with a_file(write_scene, RANDOM, infrared.astype(np.uint8), colours=GRAY_ALPHA) as dataset:
        assert holds_imagery(dataset, 2)


def test_the_only_band_is_never_alpha(write_scene):
    with a_file(write_scene, RANDOM, colours=(ColorInterp.alpha,)) as dataset:
        assert alpha_band(dataset) is None


def test_a_nodata_value_or_an_alpha_band_is_no_mask_band(write_scene):
    with rasterio.open(write_scene(RANDOM[None], "nodata.tif", nodata=0)) as dataset:
        assert not has_mask_band(dataset)
    with a_file(write_scene, RANDOM, RANDOM, colours=GRAY_ALPHA) as dataset:
        assert not has_mask_band(dataset)


@pytest.mark.parametrize("inside", [True, False])
def test_a_mask_inside_or_beside_the_file_is_found(write_scene, inside):
    path = write_scene(RANDOM[None])
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=inside), rasterio.open(path, "r+") as dataset:
        dataset.write_mask(RANDOM > 100)
    assert path.with_name("scene.tif.msk").exists() != inside
    with rasterio.open(path) as dataset:
        assert has_mask_band(dataset)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_masks_of_each_band_are_found(real_data):
    with rasterio.open(real_data / "oddities" / "gdal-autotest" / "test3_with_mask_8bit.tif") as dataset:
        assert has_mask_band(dataset)


def test_nodata_that_cannot_be_told_from_zero_is_refused(write_scene):
    path = write_scene(np.ones((1, 8, 8)), nodata=2.2250738585072014e-308)
    with pytest.raises(SceneError, match="cannot be told from 0"):
        open_scene(path)
