"""The same tile gives the same bits wherever it stands, and only measurements reach the network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import special

from geoseg.ahead import in_order
from geoseg.errors import ConfigError, ModelError
from geoseg.inference.engine import TorchEngine, default_batch_size
from geoseg.inference.preparation import Preparation
from geoseg.models.calibration import Calibration
from geoseg.models.device import choose_device, choose_precision
from geoseg.models.package import load_package
from geoseg.raster.curves import BandCurve

IMAGES = np.random.default_rng(14).integers(0, 256, (5, 3, 64, 64), dtype=np.uint8)
USABLE = np.ones((5, 64, 64), dtype=bool)


@pytest.fixture(scope="module")
def package(tiny_model):
    return load_package(tiny_model)


def an_engine(package, **options):
    return TorchEngine(package, **({"dtype": "uint8", "device": "cpu"} | options))


def test_probabilities_sum_to_one(package):
    probabilities = an_engine(package).probabilities(IMAGES, USABLE)
    assert probabilities.shape == (5, 3, 64, 64)
    assert probabilities.dtype == torch.float32
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(5, 64, 64))


def test_they_are_those_of_the_network_on_normalised_numbers(package):
    inputs = torch.from_numpy((IMAGES / 255 - 0.4) / 0.2).float()
    with torch.inference_mode():
        expected = torch.softmax(package.network(inputs), dim=1)
    found = an_engine(package, precision="fp32").probabilities(IMAGES, USABLE)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("threads", [1, 3])
def test_bits_depend_neither_on_the_batch_nor_on_how_many_ask_at_once(package, threads):
    engine = an_engine(package, threads=threads)
    assert engine.threads == threads
    whole = engine.probabilities(IMAGES, USABLE)
    order = [3, 0, 4, 3]
    ones = [(IMAGES[place : place + 1], USABLE[place : place + 1]) for place in order]
    found = in_order(lambda one: engine.probabilities(*one), ones, workers=threads, begin=alone)
    assert torch.equal(torch.cat(list(found)), whole[order])


def alone():
    torch.set_num_threads(1)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_whole_numbers_are_looked_up_as_they_are_computed(package, dtype):
    curved = replace(
        package, normalizer=replace(package.normalizer, curves=(BandCurve(knots=(0.0, 1.0), values=(0.1, 0.7)),) * 3)
    )
    limits, random = np.iinfo(dtype), np.random.default_rng(3)
    images = random.integers(limits.min, limits.max, (1, 2, 40, 50), dtype=dtype, endpoint=True)
    usable = random.random((1, 40, 50)) > 0.2
    for each in (package, curved):
        preparation = Preparation(each, dtype=dtype, device=torch.device("cpu"), present=(0, 2))
        inputs = preparation(images, usable)
        preparation._table = None
        assert torch.equal(inputs, preparation(images, usable))


def test_what_stands_in_unusable_pixels_does_not_matter(package):
    usable = USABLE.copy()
    usable[:, 20:40, :30] = False
    other = np.where(usable[:, None], IMAGES, 255).astype(np.uint8)
    engine = an_engine(package)
    assert torch.equal(engine.probabilities(other, usable), engine.probabilities(IMAGES, usable))


def test_nodata_looks_like_the_mean_of_the_training_imagery(package):
    image = np.full((1, 3, 64, 64), 0.4, dtype=np.float32)
    usable = np.ones((1, 64, 64), dtype=bool)
    holed = usable.copy()
    holed[:, 10:30] = False
    engine = an_engine(package, dtype="float32", precision="fp32")
    torch.testing.assert_close(
        engine.probabilities(image, holed), engine.probabilities(image, usable), atol=1e-5, rtol=1e-4
    )


def test_the_rest_of_a_padded_batch_is_not_computed_on_a_cpu(package, monkeypatch):
    engine, forwarded = an_engine(package), []
    monkeypatch.setattr(engine, "_forward", lambda images, _: forwarded.append(len(images)) or torch.ones(1, 3, 64, 64))
    usable = USABLE.copy()
    usable[2:] = False
    engine.probabilities(IMAGES, usable)
    assert forwarded == [1, 1]


def test_a_dtype_without_a_scale_is_refused(package):
    with pytest.raises(ModelError, match="the scene has uint32"):
        an_engine(package, dtype="uint32")


def test_an_undeclared_nodata_of_minus_3e38_spoils_no_pixel(package):
    images = IMAGES.astype(np.float32) / 255
    images[:, :, 20:24, 20:24] = np.finfo(np.float32).min

    probabilities = an_engine(package, dtype="float32").probabilities(images, USABLE)

    assert torch.isfinite(probabilities).all()


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without CUDA")
def test_a_device_that_is_not_there_is_refused():
    assert choose_device("auto").type in {"cpu", "mps"}
    with pytest.raises(ConfigError, match="torch sees no CUDA device"):
        choose_device("cuda:0")


def test_half_floats_are_refused_on_a_cpu():
    with pytest.raises(ConfigError, match="fp16"):
        choose_precision("fp16", torch.device("cpu"))
    assert choose_precision("bf16", torch.device("cpu")) == "bf16"
    assert choose_precision("auto", torch.device("cpu")) in {"fp32", "bf16"}


def test_a_batch_fills_the_device():
    assert default_batch_size(torch.device("cpu"), 256) == 1
    assert default_batch_size(torch.device("cuda"), 4096) == 1
    assert default_batch_size(torch.device("cuda"), 512) == 32


def test_logits_are_scaled_shifted_and_divided_before_the_softmax(package):
    calibration = Calibration(temperature=1.7, scale=(0.5, 1.0, 2.0), bias=(0.3, -0.6, 0.0))
    inputs = torch.from_numpy((IMAGES / 255 - 0.4) / 0.2).float()
    with torch.inference_mode():
        logits = package.network(inputs).double().numpy()
    stretched = (
        logits * np.reshape(calibration.scale, (1, 3, 1, 1)) + np.reshape(calibration.bias, (1, 3, 1, 1))
    ) / 1.7
    found = an_engine(replace(package, calibration=calibration), precision="fp32").probabilities(IMAGES, USABLE)
    np.testing.assert_allclose(found.numpy(), special.softmax(stretched, axis=1), atol=1e-4)


def test_a_vector_of_ones_and_zeros_changes_nothing(package):
    plain = replace(package, calibration=Calibration(temperature=1.3))
    written_out = replace(package, calibration=Calibration(temperature=1.3).filled(3))
    found = [an_engine(one).probabilities(IMAGES, USABLE) for one in (plain, written_out)]
    torch.testing.assert_close(*found)


def test_a_band_that_is_not_there_looks_like_the_mean_of_the_training_imagery(package):
    images = IMAGES.astype(np.float32) / 255
    filled = images.copy()
    filled[:, 1] = 0.4
    whole = an_engine(package, dtype="float32", precision="fp32").probabilities(filled, USABLE)
    part = an_engine(package, dtype="float32", precision="fp32", present=(0, 2)).probabilities(
        images[:, [0, 2]], USABLE
    )
    torch.testing.assert_close(part, whole, atol=1e-5, rtol=1e-4)


def test_all_bands_present_is_the_same_bits_as_nothing_said(package):
    said = an_engine(package, present=(0, 1, 2)).probabilities(IMAGES, USABLE)
    assert torch.equal(said, an_engine(package).probabilities(IMAGES, USABLE))


def test_band_curves_act_on_scaled_numbers_before_they_are_normalised(package):
    halved = BandCurve(knots=(0.0, 2.0), values=(0.0, 1.0))
    curved = replace(package, normalizer=replace(package.normalizer, curves=(halved,) * 3))
    even = IMAGES // 2 * 2
    found = an_engine(curved, precision="fp32").probabilities(even, USABLE)
    expected = an_engine(package, precision="fp32").probabilities(even // 2, USABLE)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3)


def test_a_scene_that_lacks_a_band_takes_the_curves_of_those_it_has(package):
    curves = tuple(BandCurve(knots=(0.0, 1.0), values=(0.0, gain)) for gain in (1.0, 0.5, 0.25))
    curved = replace(package, normalizer=replace(package.normalizer, curves=curves))
    found = an_engine(curved, precision="fp32", present=(0, 2)).probabilities(IMAGES[:, [0, 2]], USABLE)
    absent = np.full((5, 1, 64, 64), np.nan, dtype=np.float32)
    scaled = np.concatenate([IMAGES[:, :1] / 255, absent, IMAGES[:, 2:] / 255], axis=1).astype(np.float32)
    with torch.inference_mode():
        expected = torch.softmax(package.network(torch.from_numpy(curved.normalizer.apply(scaled, USABLE))), dim=1)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
