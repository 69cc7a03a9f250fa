"""Band statistics do not depend on how the imagery was cut, nor on nodata."""

from __future__ import annotations

import numpy as np
import pytest

from geoseg.errors import ModelError, SceneError
from geoseg.raster.normalize import Normalizer, band_statistics
from geoseg.raster.patch import Patch
from geoseg.window import Window


def a_normalizer(**changes):
    return Normalizer(**({"scales": {"uint8": 1 / 255}, "mean": (0.4,), "std": (0.2,)} | changes))


def patches(image, valid, rows):
    for top in range(0, image.shape[1], rows):
        part = slice(top, top + rows)
        height = image[:, part].shape[1]
        window = Window(row=top, col=0, height=height, width=image.shape[2])
        yield Patch(image=image[:, part], valid=valid[part], window=window)


@pytest.mark.parametrize("rows", [1, 7, 40])
def test_statistics_are_those_of_the_valid_pixels_however_they_come(rows):
    random = np.random.default_rng(3)
    image = random.integers(0, 256, (3, 40, 30), dtype=np.uint8)
    valid = random.random((40, 30)) > 0.4
    mean, std = band_statistics(patches(image, valid, rows), scale=0.5)
    assert mean == pytest.approx((image[:, valid] * 0.5).mean(axis=1))
    assert std == pytest.approx((image[:, valid] * 0.5).std(axis=1))


def test_a_constant_band_has_a_deviation_that_can_be_divided_by():
    image = np.full((1, 4, 4), 9, dtype=np.uint16)
    mean, std = band_statistics(patches(image, np.ones((4, 4), dtype=bool), 4), scale=1)
    assert mean == (9,)
    assert std[0] > 0


def test_imagery_without_a_valid_pixel_is_refused():
    image = np.zeros((1, 4, 4), dtype=np.uint8)
    with pytest.raises(SceneError, match="no valid pixel"):
        band_statistics(patches(image, np.zeros((4, 4), dtype=bool), 4), scale=1)


def test_a_dtype_the_model_was_not_trained_on_is_refused():
    assert a_normalizer().scale_for("uint8") == 1 / 255
    with pytest.raises(ModelError, match="the model takes uint8 pixels, the scene has uint16"):
        a_normalizer().scale_for("uint16")


@pytest.mark.parametrize(
    "changes", [{"std": (0.0,)}, {"std": (0.2, 0.2)}, {"mean": (), "std": ()}, {"scales": {"uint8": 0.0}}]
)
def test_an_impossible_normaliser_cannot_be(changes):
    with pytest.raises(ModelError):
        a_normalizer(**changes)
