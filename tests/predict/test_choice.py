"""The model of a scene is chosen by its bands, by the size of its pixels and by their type."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.classes import ClassMap
from geoseg.errors import ModelError, SceneError
from geoseg.models.card import ModelCard
from geoseg.models.spec import NetworkSpec
from geoseg.predict.choice import choose_card, match_bands
from geoseg.raster.normalize import Normalizer

REFLECTANCE = {"uint16": 1e-4, "int16": 1e-4, "uint8": 1 / 255}
LEGEND = ClassMap.of([(0, "water", "#0000ff"), (1, "land", "#008000")])
RGB = ("red", "green", "blue")
MULTISPECTRAL = ("blue", "green", "red", "nir", "swir16", "swir22")
SENTINEL_2 = ("B02", "B03", "B04", "B08", "B11", "B12")


def a_card(name, gsd, bands, *, optional=(), scales=None, **provenance):
    return ModelCard(
        name=name,
        spec=NetworkSpec(architecture="unet", encoder="resnet18", bands=len(bands), classes=2),
        classes=LEGEND,
        bands=bands,
        optional_bands=optional,
        gsd=gsd,
        normalizer=Normalizer(scales=scales or {"uint8": 1 / 255}, mean=(0.4,) * len(bands), std=(0.2,) * len(bands)),
        tile=64,
        overlap=32,
        provenance=provenance,
        parameters=1,
        weights_bytes=1,
        weights_sha256="00",
    )


CARDS = {
    card.name: card
    for card in (
        a_card("landcover-rgb", 0.6, RGB),
        a_card("landcover-rgbn", 0.6, (*RGB, "nir")),
        a_card("landcover-ms", 20.0, MULTISPECTRAL, optional=("swir16", "swir22"), scales=REFLECTANCE),
        a_card("buildings-rgb", 0.3, RGB),
        a_card("roads", 0.5, RGB, theme="roads"),
        a_card("demo-landscape", 1.0, (*RGB, "nir")),
    )
}


@pytest.fixture
def a_scene(write_scene):
    """A raster with bands of these names, None for none."""

    def write(names, gsd, dtype="uint8", **profile):
        profile = {"transform": Affine(gsd, 0, 5e5, 0, -gsd, 5e6), "photometric": "minisblack"} | profile
        path = write_scene(np.ones((len(names), 20, 20), dtype=dtype), **profile)
        with rasterio.open(path, "r+") as dataset:
            for index, name in enumerate(names, start=1):
                if name:
                    dataset.set_band_description(index, name)
        return path

    return write


def chosen(path, bands=None):
    return choose_card(path, CARDS, bands)


@pytest.mark.parametrize(
    ("names", "gsd", "dtype", "name"),
    [
        (RGB, 0.3, "uint8", "landcover-rgb"),
        (RGB, 0.6, "uint8", "landcover-rgb"),
        (RGB, 2.0, "uint8", "landcover-rgb"),
        ((*RGB, "nir"), 0.6, "uint8", "landcover-rgbn"),
        (("nir", *RGB), 0.25, "uint8", "landcover-rgbn"),
        ((None,) * 3, 0.5, "uint8", "landcover-rgb"),
        ((None,) * 4, 0.5, "uint8", "landcover-rgb"),
        (SENTINEL_2, 10.0, "uint16", "landcover-ms"),
        (SENTINEL_2[:4], 10.0, "uint16", "landcover-ms"),
        (("SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"), 30.0, "uint16", "landcover-ms"),
        (("blue", "green", "red", "nir"), 3.0, "uint16", "landcover-ms"),
        ((*SENTINEL_2, "SCL"), 10.0, "int16", "landcover-ms"),
    ],
)
def test_the_model_that_sees_most_of_the_scene_is_chosen(a_scene, names, gsd, dtype, name):
    assert chosen(a_scene(names, gsd, dtype)) == name


def test_a_nearer_pixel_size_counts_more_than_another_band(a_scene):
    path = a_scene((*RGB, "nir"), 0.6)
    assert choose_card(path, CARDS | {"fine": a_card("fine", 0.12, (*RGB, "nir"))}, None) == "landcover-rgbn"
    assert choose_card(path, {"fine": a_card("fine", 0.12, (*RGB, "nir")), "a": CARDS["landcover-rgb"]}, None) == "a"


def test_bands_named_by_the_user_decide_for_the_model_that_takes_as_many(a_scene):
    path = a_scene((None,) * 5, 0.5)
    assert chosen(path, ("1", "2", "3")) == "landcover-rgb"
    assert chosen(path, ("1", "2", "3", "4")) == "landcover-rgbn"


def test_a_scene_of_unknown_pixel_size_goes_to_the_model_of_the_finest(a_scene):
    assert chosen(a_scene((*RGB, "nir"), 1, crs=None)) == "landcover-rgbn"
    assert chosen(a_scene(RGB, 1, crs=None)) == "landcover-rgb"


def test_the_log_says_in_one_line_which_model_and_why(a_scene, caplog):
    with caplog.at_level(logging.INFO, logger="geoseg"):
        chosen(a_scene(RGB, 0.5))
    [line] = caplog.messages
    assert line.endswith("mapped with landcover-rgb: red, green, blue at 0.6 m; the scene has 0.5 m pixels")


@pytest.mark.parametrize(
    ("names", "gsd", "dtype", "message"),
    [
        (("thermal",), 100.0, "uint16", r"fits this scene: landcover-ms: no band is called 'blue'.*1=thermal"),
        (("thermal",), 100.0, "uint16", r"; landcover-rgb takes red, green, blue at 0\.019 to 2\.4 m as uint8"),
        (RGB, 10.0, "uint8", r"fits this scene: landcover-ms: no band is called 'nir'"),
        (RGB, 0.5, "float32", r"fits this scene: landcover-rgb: the model takes uint8 pixels, the scene has float32"),
        (SENTINEL_2, 1000.0, "uint16", r"landcover-ms: its pixels are 1e\+03 m, the model was trained at 20 m"),
    ],
)
def test_where_none_fits_the_nearest_says_why_and_the_others_what_they_take(a_scene, names, gsd, dtype, message):
    with pytest.raises(ModelError, match=message) as raised:
        chosen(a_scene(names, gsd, dtype))
    said = str(raised.value)
    assert "\n" not in said
    assert said.count("scene.tif") == 1
    assert not {"buildings-rgb", "roads", "demo-landscape"} & {part.strip(":;") for part in said.split()}


def test_models_of_one_theme_and_of_drawn_landscapes_are_never_chosen(a_scene):
    narrow = {name: card for name, card in CARDS.items() if name in {"buildings-rgb", "roads", "demo-landscape"}}
    with pytest.raises(ModelError, match="fits this scene: none is installed"):
        choose_card(a_scene(RGB, 0.3), narrow, None)


def test_a_scene_that_cannot_be_read_is_no_fault_of_the_models(tmp_path):
    with pytest.raises(SceneError, match="no such file"):
        chosen(tmp_path / "none.tif")


CARD = CARDS["landcover-ms"]


def test_bands_given_by_number_may_be_all_or_those_that_are_needed(a_scene):
    path = a_scene((None,) * 8, 10.0, "uint16")
    assert match_bands(path, CARD, ("8", "7", "6", "5")).present == (0, 1, 2, 3)
    assert match_bands(path, CARD, ("8", "7", "6", "5", "4", "3")).present == (0, 1, 2, 3, 4, 5)
    middle = replace(CARD, optional_bands=("green", "swir16"))
    source = match_bands(path, middle, ("8", "7", "6", "5"))
    assert (source.indices, source.present) == ((8, 7, 6, 5), (0, 2, 3, 5))


@pytest.mark.parametrize("count", [3, 5, 7])
def test_another_number_of_bands_is_refused(a_scene, count):
    with pytest.raises(SceneError, match=rf"{count} band\(s\), model landcover-ms takes 6: .*without swir16, swir22"):
        match_bands(a_scene((None,) * 8, 10.0, "uint16"), CARD, ("1",) * count)
