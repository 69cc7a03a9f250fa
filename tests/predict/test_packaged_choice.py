"""What `--model auto` takes of the packaged models, on scenes like those that people have."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from geoseg.config.predict import PredictSettings
from geoseg.errors import ModelError
from geoseg.predict.plan import plan_prediction

PLAIN = {"photometric": "MINISBLACK", "ALPHA": "UNSPECIFIED"}


def name_bands(path, bands):
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = bands


@pytest.mark.parametrize(
    ("bands", "pixel", "dtype", "chosen"),
    [
        (("red", "green", "blue"), 0.3, "uint8", "landcover-rgb"),
        (("red", "green", "blue"), 0.13, "uint8", "landcover-rgb"),
        (("red", "green", "blue", "nir"), 0.6, "uint8", "landcover-rgbn"),
        (("B02", "B03", "B04", "B08"), 10, "uint16", "landcover-ms"),
        (("blue", "green", "red", "nir08", "swir16", "swir22"), 30, "int16", "landcover-ms"),
    ],
)
def test_a_scene_gets_the_model_of_its_bands_and_pixels(write_scene, bands, pixel, dtype, chosen):
    image = np.full((len(bands), 40, 40), 100, dtype=dtype)
    path = write_scene(image, transform=Affine(pixel, 0, 5e5, 0, -pixel, 5e6), **PLAIN)
    name_bands(path, bands)
    assert plan_prediction(path, PredictSettings()).card.name == chosen


def test_a_scene_that_no_model_takes_is_one_line_that_says_what_each_needs(write_scene):
    path = write_scene(np.zeros((1, 40, 40), dtype=np.uint16))
    name_bands(path, ("lwir11",))
    with pytest.raises(ModelError) as refused:
        plan_prediction(path, PredictSettings())
    text = str(refused.value)
    assert "\n" not in text
    assert all(name in text for name in ("landcover-rgb", "landcover-rgbn", "landcover-ms"))


@pytest.mark.parametrize("count", [4, 6])
def test_satellite_bands_without_names_are_not_guessed(write_scene, count):
    image = np.zeros((count, 40, 40), dtype=np.uint16)
    path = write_scene(image, transform=Affine(20, 0, 5e5, 0, -20, 5e6), **PLAIN)
    with pytest.raises(ModelError, match="pass --model landcover-ms --bands with their numbers"):
        plan_prediction(path, PredictSettings())
    numbers = tuple(str(number + 1) for number in range(count))
    assert plan_prediction(path, PredictSettings(model="landcover-ms", bands=numbers)).card.name == "landcover-ms"
