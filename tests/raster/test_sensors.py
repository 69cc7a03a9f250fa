"""Codes of satellite bands are read only where the set of them tells whose they are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoseg.raster.sensors import names_of_codes

SENTINEL_2 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
SENTINEL_2_NAMES = (
    *("coastal", "blue", "green", "red", "rededge071", "rededge075", "rededge078", "nir", "nir08", "nir09"),
    *("swir16", "swir22"),
)
LANDSAT_8 = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")


@pytest.mark.parametrize(
    ("descriptions", "names"),
    [
        (SENTINEL_2, SENTINEL_2_NAMES),
        (("B04", "B03", "B02"), ("red", "green", "blue")),
        (("B02", "B03", "B04", "B08"), ("blue", "green", "red", "nir")),
        (("B2", "B3", "B4", "B8", "B8A"), ("blue", "green", "red", "nir", "nir08")),
        (("B2", "B11", "B12"), ("blue", "swir16", "swir22")),
        (("B2", "B3", "B4", "B8", "B11"), ("blue", "green", "red", "nir", "swir16")),
        (("B04", "B05", "B06", "B07", "B08"), ("red", "rededge071", "rededge075", "rededge078", "nir")),
        (("B02_10m", "b8a_20m"), ("blue", "nir08")),
        (("B4, central wavelength 665 nm", "B8, central wavelength 842 nm"), ("red", "nir")),
        (("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"), LANDSAT_8[1:]),
        (("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B7"), ("blue", "green", "red", "nir08", "swir16", "swir22")),
        (("B04", None, "QA_PIXEL"), ("red", None, None)),
    ],
)
def test_a_set_that_tells_its_satellite_is_read(descriptions, names):
    assert names_of_codes(descriptions) == (names, None)


@pytest.mark.parametrize(
    ("descriptions", "names"),
    [
        (("SR_B2", "SR_B3", "SR_B4", "SR_B5"), ("blue", "green", "red", "nir08")),
        (("B02", "B03", "B04", "B05", "B06", "B07"), LANDSAT_8[1:]),
        (("B02", "B03", "B04", "B05", "B06", "B07", "B10", "B11"), (*LANDSAT_8[1:], "lwir11", "lwir12")),
    ],
)
def test_what_is_only_likely_is_said_to_be_assumed(descriptions, names):
    assert names_of_codes(descriptions) == (names, "Landsat 8 or 9")


@pytest.mark.parametrize(
    "descriptions",
    [
        ("B2", "B3", "B4"),
        ("B2", "B3", "B4", "B5", "B6", "B7"),
        ("B2", "B3", "B4", "B10", "B11"),
        ("SR_B1", "SR_B2", "SR_B3", "SR_B4"),
        ("SR_B2", "B03"),
        ("B3, flooded", "sub_B02", "B100"),
        (),
    ],
)
def test_a_set_that_could_be_either_is_left_alone(descriptions):
    assert names_of_codes(descriptions) == ((None,) * len(descriptions), None)


@given(st.permutations(SENTINEL_2))
def test_the_order_in_the_file_does_not_matter(shuffled):
    assert dict(zip(shuffled, names_of_codes(shuffled)[0], strict=True)) == dict(
        zip(SENTINEL_2, SENTINEL_2_NAMES, strict=True)
    )
