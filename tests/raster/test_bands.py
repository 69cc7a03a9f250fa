"""Bands are found by what the file says of them, and guessed only where there is one plausible reading."""

from __future__ import annotations

import pytest

from geoseg.errors import SceneError
from geoseg.raster.bands import FileBand, choose_bands, common_name

RGB = ("red", "green", "blue")


def file_bands(*kinds):
    """Bands from their colour interpretations; `colour:description` gives a description too."""
    parts = [kind.partition(":") for kind in kinds]
    return [
        FileBand(index=index, description=text or None, colour=colour, is_alpha=colour == "alpha")
        for index, (colour, _, text) in enumerate(parts, start=1)
    ]


@pytest.mark.parametrize(
    ("bands", "wanted", "indices"),
    [
        (("red", "green", "blue"), RGB, (1, 2, 3)),
        (("blue", "green", "red"), RGB, (3, 2, 1)),
        (("blue", "green", "red", "nir"), ("nir", "red"), (4, 3)),
        (("gray:Red", "undefined:Green", "undefined:Blue", "undefined:NIR"), ("nir", *RGB), (4, 1, 2, 3)),
        (("gray:nir08", "undefined:red"), ("nir", "red"), (1, 2)),
        (("gray:Near Infrared", "undefined:R"), ("nir08", "red"), (1, 2)),
        (("red:Band_1", "green:Band_2", "blue:Band_3"), RGB, (1, 2, 3)),
        (("red:nir08", "green:swir16", "blue:red"), ("red", "nir08"), (3, 1)),
        (("gray:elevation", "undefined:slope"), ("slope",), (2,)),
        (("red", "green", "blue", "alpha"), ("3", "2", "1"), (3, 2, 1)),
        (("red", "green", "blue", "alpha"), ("4",), (4,)),
        (("red", "green", "blue", "undefined"), ("red", "4"), (1, 4)),
        (("red", "red", "green", "blue"), RGB, (1, 3, 4)),
    ],
)
def test_bands_are_found_by_name_and_number(bands, wanted, indices):
    assert choose_bands(file_bands(*bands), wanted) == (indices, None)


@pytest.mark.parametrize(
    ("bands", "wanted", "indices"),
    [
        (("gray", "undefined", "undefined"), RGB, (1, 2, 3)),
        (("gray", "undefined", "undefined", "alpha"), RGB, (1, 2, 3)),
        (("gray", "undefined", "undefined", "undefined"), RGB, (1, 2, 3)),
        (("gray:Band 1", "undefined:Band 2", "undefined:Band 3"), RGB, (1, 2, 3)),
        (("gray",), ("nir",), (1,)),
    ],
)
def test_bands_without_names_are_taken_in_order_with_a_warning(bands, wanted, indices):
    chosen, warning = choose_bands(file_bands(*bands), wanted)
    assert chosen == indices
    assert warning.startswith("the bands have no names")


@pytest.mark.parametrize(
    ("bands", "wanted", "message"),
    [
        (("gray",), RGB, "too few bands: the scene has 1, wanted are 3"),
        (("gray", "undefined", "undefined", "alpha"), (*RGB, "nir"), "too few bands"),
        (("gray",) * 5, RGB, "bands without names: the scene has 5"),
        (("red", "green", "blue"), (*RGB, "nir"), "no band is called 'nir': the scene has 1=red, 2=green, 3=blue"),
        (("red", "green", "blue", "alpha"), ("alpha",), "no band is called 'alpha'"),
        (("red", "green", "blue"), ("4",), "there is no band 4: the scene has 3"),
        (("red", "green", "blue"), ("red", "0"), "there is no band 0"),
    ],
)
def test_a_band_that_is_not_there_is_an_error_that_says_what_is(bands, wanted, message):
    with pytest.raises(SceneError, match=message) as raised:
        choose_bands(file_bands(*bands), wanted)
    assert "\n" not in str(raised.value)


def test_without_a_wish_every_band_but_alpha_is_read():
    assert choose_bands(file_bands("red", "alpha", "blue"), None) == ((1, 3), None)


def test_one_band_has_one_spelling():
    assert {common_name(text) for text in ("Near Infrared", "NIR", "near-infrared", "nir", "N")} == {"nir"}
    assert common_name("nir08") == "nir08"
