"""Reference statistics come back as they were, byte for byte the same, and nothing odd is taken for them."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as serialize_arrays

from geoseg.errors import ModelError
from geoseg.models.package import load_package, save_package
from geoseg.models.reference import (
    AccuracyFit,
    FeatureStatistics,
    LayerMoments,
    ReferenceStatistics,
    reference_from_bytes,
    reference_to_bytes,
)


def statistics(*, bands=3, classes=3, features=4, layers=2, predictors=2):
    rng = np.random.default_rng(0)
    moments = {
        f"encoder.bn{number}": LayerMoments(
            mean=rng.normal(size=8).astype(np.float32).astype(np.float64),
            variance=rng.random(8).astype(np.float32).astype(np.float64),
        )
        for number in range(layers)
    }
    return ReferenceStatistics(
        levels=np.linspace(0, 1, 9),
        quantiles=np.sort(rng.random((bands, 9)), axis=1),
        moments=moments,
        prior=np.full(classes, 1 / classes),
        confusion=rng.integers(0, 10**6, (classes, classes)).astype(np.float64),
        features=FeatureStatistics(
            mean=rng.random(features), covariance=np.eye(features), distances=np.linspace(0, 5, 101)
        ),
        accuracy=AccuracyFit(
            names=tuple("abcdef"[:predictors]),
            weights=rng.random(predictors + 1),
            error=0.07,
            points=rng.random((5, predictors + 1)),
        ),
        spread={"layers": 0.1, "bands": 0.2},
    )


def assert_same(found, expected):
    for name in ("levels", "quantiles", "prior", "confusion"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("mean", "covariance", "distances"):
        np.testing.assert_array_equal(getattr(found.features, name), getattr(expected.features, name))
    for name in ("weights", "points"):
        np.testing.assert_array_equal(getattr(found.accuracy, name), getattr(expected.accuracy, name))
    assert (found.accuracy.names, found.accuracy.error) == (expected.accuracy.names, expected.accuracy.error)
    assert dict(found.spread) == dict(expected.spread)
    assert list(found.moments) == list(expected.moments)
    for layer, moments in expected.moments.items():
        np.testing.assert_array_equal(found.moments[layer].mean, moments.mean)
        np.testing.assert_array_equal(found.moments[layer].variance, moments.variance)


@pytest.mark.parametrize("sizes", [{}, {"layers": 0, "predictors": 0}, {"bands": 1, "features": 1}])
def test_statistics_come_back_as_they_were(sizes):
    expected = statistics(**sizes)
    assert_same(reference_from_bytes(reference_to_bytes(expected), origin="here"), expected)


def test_an_absent_band_comes_back_as_nan():
    expected = statistics()
    expected.quantiles[1] = np.nan
    assert_same(reference_from_bytes(reference_to_bytes(expected), origin="here"), expected)


def test_the_same_statistics_are_written_as_the_same_bytes():
    assert len({reference_to_bytes(statistics()) for _ in range(5)}) == 1


def spoiled(change):
    """The file of some statistics whose arrays and words were changed."""
    data = reference_to_bytes(statistics())
    length = int.from_bytes(data[:8], "little")
    said = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["geoseg"])
    arrays = parse_arrays(data)
    change(arrays, said)
    return serialize_arrays(arrays, metadata={"geoseg": json.dumps(said)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays, _: arrays.pop("prior"), "prior"),
        (lambda arrays, _: arrays.pop("moments/encoder.bn0/variance"), "variance"),
        (lambda arrays, _: arrays.pop("moments/encoder.bn0/mean"), "mean"),
        (lambda arrays, _: arrays.update(levels=np.zeros(9)), "levels do not rise"),
        (lambda arrays, _: arrays.update(levels=np.array(0.5)), "levels has the shape"),
        (lambda arrays, _: arrays.update(quantiles=np.zeros((3, 4))), "quantiles has the shape"),
        (lambda arrays, _: arrays.update(quantiles=np.zeros(9)), "quantiles has the shape"),
        (lambda arrays, _: arrays.update(confusion=np.zeros((3, 2))), "confusion has the shape"),
        (lambda arrays, _: arrays.update({"features/covariance": np.zeros((4, 3))}), "covariance has the shape"),
        (lambda arrays, _: arrays.update({"features/distances": np.zeros(100)}), "distances has the shape"),
        (lambda arrays, _: arrays.update({"accuracy/points": np.array(1.0)}), "points has the shape"),
        (lambda arrays, _: arrays.update({"moments/encoder.bn0/mean": np.zeros((8, 1))}), "bn0/mean has the shape"),
        (lambda arrays, _: arrays.update({"moments/encoder.bn0/mean": np.full(8, np.nan)}), "not finite"),
        (lambda arrays, _: arrays.update({"moments/encoder.bn0/variance": np.full(8, -1.0)}), "negative"),
        (lambda arrays, _: arrays.update(prior=np.array([1.0, np.inf, 0])), "prior holds numbers that are not"),
        (lambda _, said: said.pop("names"), "names"),
        (lambda _, said: said.update(names=["a"]), "weights has the shape"),
        (lambda _, said: said.update(format=2), "format 2 is unknown"),
        (lambda _, said: said.update(spread=3), "spread"),
    ],
)
def test_a_file_with_a_wrong_part_is_refused_in_one_line(change, words):
    with pytest.raises(ModelError) as caught:
        reference_from_bytes(spoiled(change), origin="here")
    message = str(caught.value)
    assert message.startswith("here: the reference statistics")
    assert words in message or "damaged" in message
    assert "\n" not in message


@pytest.mark.parametrize("cut", [0, 4, 100, -8])
def test_a_cut_file_is_refused(cut):
    with pytest.raises(ModelError, match="here: the reference statistics are damaged"):
        reference_from_bytes(reference_to_bytes(statistics())[:cut], origin="here")


@pytest.mark.parametrize("data", [b"not at all", serialize_arrays({"levels": np.zeros(3)})])
def test_other_files_are_refused(data):
    with pytest.raises(ModelError, match="here: the reference statistics are damaged"):
        reference_from_bytes(data, origin="here")


@pytest.fixture
def package(tiny_model):
    return replace(load_package(tiny_model), reference=statistics())


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_package_keeps_its_statistics(package, tmp_path, name):
    card = save_package(package, tmp_path / name)
    assert len(card.reference_sha256) == 64
    assert_same(load_package(tmp_path / name).reference, package.reference)


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_package_without_statistics_has_none(package, tmp_path, name):
    save_package(replace(package, reference=None), tmp_path / name)
    assert load_package(tmp_path / name).reference is None


def test_replaced_added_and_lost_statistics_are_refused(package, tmp_path):
    save_package(package, tmp_path / "with")
    save_package(replace(package, reference=None), tmp_path / "without")
    file = tmp_path / "with" / "reference.safetensors"
    whole = file.read_bytes()
    (tmp_path / "without" / file.name).write_bytes(whole)
    file.write_bytes(reference_to_bytes(statistics(predictors=1)))
    for name in ("with", "without"):
        with pytest.raises(ModelError, match=r"reference\.safetensors is not the file that model\.json describes"):
            load_package(tmp_path / name)
    file.unlink()
    with pytest.raises(ModelError, match=r"reference\.safetensors is not the file that model\.json describes"):
        load_package(tmp_path / "with")


@pytest.mark.parametrize("sizes", [{"bands": 4}, {"classes": 2}])
def test_statistics_of_another_model_are_refused(package, tmp_path, sizes):
    save_package(replace(package, reference=statistics(**sizes)), tmp_path / "model")
    with pytest.raises(ModelError, match=r"bands and . classes, the model has 3 and 3"):
        load_package(tmp_path / "model")


def test_a_bomb_in_the_place_of_statistics_is_refused(package, tmp_path):
    save_package(package, tmp_path / "model")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w") as archive:
        for file in (tmp_path / "model").iterdir():
            data = bytes(20 * 2**20) if file.name == "reference.safetensors" else file.read_bytes()
            archive.writestr(file.name, data, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelError, match="do not trust it"):
        load_package(tmp_path / "bomb.zip")
