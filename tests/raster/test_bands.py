"""Bands are found by what the file says of them, and guessed only where there is one plausible reading."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    choice = choose_bands(file_bands(*bands), wanted)
    assert choice.indices == indices
    assert choice.present == tuple(range(len(wanted)))
    assert (choice.by_position, choice.remark) == (False, None)


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
    choice = choose_bands(file_bands(*bands), wanted)
    assert choice.indices == indices
    assert choice.by_position
    assert choice.remark.startswith("the bands have no names")


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
    choice = choose_bands(file_bands("red", "alpha", "blue"), None)
    assert (choice.indices, choice.names, choice.remark) == ((1, 3), ("red", "blue"), None)


def test_one_band_has_one_spelling():
    assert {common_name(text) for text in ("Near Infrared", "NIR", "near-infrared", "nir", "N")} == {"nir"}
    assert common_name("nir08") == "nir08"


MULTISPECTRAL = ("blue", "green", "red", "nir", "swir16", "swir22")
SWIRS = ("swir16", "swir22")


@pytest.mark.parametrize(
    ("descriptions", "indices", "present"),
    [
        (("blue", "green", "red", "nir", "swir16", "swir22"), (1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5)),
        (("swir2", "nir", "red", "green", "blue"), (5, 4, 3, 2, 1), (0, 1, 2, 3, 5)),
        (("red", "green", "blue", "nir08"), (3, 2, 1, 4), (0, 1, 2, 3)),
        (("", "", "", ""), (1, 2, 3, 4), (0, 1, 2, 3)),
        (("", "", "", "", "", ""), (1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5)),
    ],
)
def test_an_optional_band_that_is_not_there_is_left_out(descriptions, indices, present):
    choice = choose_bands(file_bands(*(f"gray:{text}" for text in descriptions)), MULTISPECTRAL, optional=SWIRS)
    assert (choice.indices, choice.present) == (indices, present)


@pytest.mark.parametrize(
    ("descriptions", "message"),
    [
        (("blue", "green", "red", "swir16", "swir22"), "no band is called 'nir'"),
        (("",) * 5, "bands without names: the scene has 5"),
        (("",) * 3, "too few bands: the scene has 3"),
    ],
)
def test_the_other_bands_are_still_needed(descriptions, message):
    with pytest.raises(SceneError, match=message):
        choose_bands(file_bands(*(f"gray:{text}" for text in descriptions)), MULTISPECTRAL, optional=SWIRS)


@given(
    descriptions=st.lists(st.sampled_from([*MULTISPECTRAL, "pan", "coastal"]), min_size=1, max_size=8, unique=True),
    optional=st.sets(st.sampled_from(MULTISPECTRAL), max_size=5),
)
def test_what_is_found_is_what_a_plain_search_finds(descriptions, optional):
    bands = file_bands(*(f"gray:{text}" for text in descriptions))
    lacking = [name for name in MULTISPECTRAL if name not in descriptions and name not in optional]
    if lacking:
        with pytest.raises(SceneError, match=f"no band is called '{lacking[0]}'"):
            choose_bands(bands, MULTISPECTRAL, optional=tuple(optional))
        return
    choice = choose_bands(bands, MULTISPECTRAL, optional=tuple(optional))
    assert [descriptions[index - 1] for index in choice.indices] == list(choice.names)
    assert [MULTISPECTRAL[place] for place in choice.present] == list(choice.names)
    assert set(choice.names) == set(MULTISPECTRAL) & set(descriptions)


def test_a_band_can_be_asked_for_by_the_code_of_its_satellite():
    bands = file_bands("gray:B04", "gray:B03", "gray:B02", "gray:B8A")
    assert choose_bands(bands, ("B02", "B03", "B04")).indices == (3, 2, 1)
    assert choose_bands(bands, ("red", "nir")).indices == (1, 4)
    assert choose_bands(bands, ("red", "nir")).names == ("red", "nir08")


def test_codes_that_were_guessed_are_told():
    choice = choose_bands(file_bands("gray:SR_B4", "gray:SR_B3", "gray:SR_B2"), RGB)
    assert choice.indices == (1, 2, 3)
    assert choice.remark == "band names such as SR_B4 are taken for Landsat 8 or 9's"
