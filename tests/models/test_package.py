import hashlib
import json
import zipfile
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from geoseg.errors import ModelError, OutputError
from geoseg.models import package as package_module
from geoseg.models.calibration import Calibration
from geoseg.models.package import load_package, save_package
from geoseg.raster.curves import BandCurve


@pytest.fixture(scope="module")
def package(tiny_model):
    return load_package(tiny_model)


@pytest.fixture
def folder(package, tmp_path):
    save_package(package, tmp_path / "model")
    return tmp_path / "model"


def edit_card(folder, change):
    card = json.loads((folder / "model.json").read_text())
    change(card["properties"]["geoseg:prediction"])
    (folder / "model.json").write_text(json.dumps(card))


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_package_comes_back_with_the_same_logits_bit_for_bit(package, tmp_path, name):
    save_package(package, tmp_path / name)
    again = load_package(tmp_path / name)
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(again.network(image), package.network(image))


@pytest.mark.parametrize("name", ["model", "model.zip"])
def test_a_package_comes_back_with_all_it_says(package, tmp_path, name):
    odd = replace(
        package,
        name="odd",
        gsd=0.37,
        calibration=Calibration(temperature=1.3, scale=(1.0, 0.5, 2.0), bias=(0.0, -1.0, 0.25)),
        optional_bands=("blue",),
        thresholds=(0.0, 0.5, 1.0),
        tile=96,
        overlap=32,
        spec=replace(package.spec, options={"decoder_channels": (256, 128, 64, 32, 16)}),
        provenance={"title": "Ödd", "scores": {"mean_iou": 0.5}, "holdout": ["a", "b"]},
    )
    save_package(odd, tmp_path / name)
    again = load_package(tmp_path / name)
    assert replace(again, network=odd.network) == odd
    assert not again.network.training


def test_weights_above_the_limit_are_stored_in_half_the_bytes(package, tmp_path, monkeypatch):
    whole = save_package(package, tmp_path / "whole")
    monkeypatch.setattr(package_module, "_HALF_ABOVE_BYTES", 1000)
    half = save_package(package, tmp_path / "half")
    assert half.weights_bytes < 0.6 * whole.weights_bytes
    states = [load_package(tmp_path / name).network.state_dict() for name in ("whole", "half")]
    for name, tensor in states[0].items():
        assert tensor.dtype == states[1][name].dtype
        assert torch.allclose(tensor.float(), states[1][name].float(), rtol=1e-3, atol=1e-6)


def test_the_same_package_is_written_as_the_same_bytes(package, tmp_path):
    fixed = replace(package, provenance={"created": "2026-01-01T00:00:00Z"})
    for name in ("a.zip", "b.zip"):
        save_package(fixed, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_an_old_package_is_replaced_only_where_that_is_allowed(package, folder):
    with pytest.raises(OutputError, match="exists already"):
        save_package(package, folder)
    save_package(replace(package, name="newer"), folder, overwrite=True)
    assert load_package(folder).name == "newer"


def test_a_package_that_cannot_be_written_leaves_nothing_behind(package, tmp_path):
    with pytest.raises(ModelError, match="plain JSON"):
        save_package(replace(package, provenance={"bad": {1, 2}}), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes", [{"tile": 100}, {"tile": 0}, {"overlap": 64}, {"overlap": 17}, {"overlap": -1}, {"gsd": 0}]
)
def test_sizes_that_no_prediction_can_use_are_refused(package, changes):
    with pytest.raises(ModelError):
        replace(package, **changes)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"{name}: cannot be read: No such file"):
        load_package(folder)


def test_a_missing_package_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"absent: no such model package"):
        load_package(tmp_path / "absent")


def test_a_card_that_is_no_json_is_refused(folder):
    (folder / "model.json").write_text("{")
    with pytest.raises(ModelError, match="not a model card"):
        load_package(folder)


@pytest.mark.parametrize("key", ["gsd", "bands", "mean", "network", "weights_sha256"])
def test_a_missing_key_is_named(folder, key):
    edit_card(folder, lambda part: part.pop(key))
    with pytest.raises(ModelError, match=f"not a model card: .*{key}: Field required"):
        load_package(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [("format", 2), ("gsd", -1), ("tile", 33), ("std", [0, 1, 1]), ("mean", [0.1]), ("bands", ["red"]), ("scales", 3)],
)
def test_an_impossible_value_is_refused(folder, key, value):
    edit_card(folder, lambda part: part.update({key: value}))
    with pytest.raises(ModelError) as refused:
        load_package(folder)
    assert str(refused.value).startswith(str(folder))
    assert "\n" not in str(refused.value)


def test_weights_that_were_changed_are_refused(folder):
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelError, match=r"is not the file that model\.json describes"):
        load_package(folder)


def with_right_hash(folder):
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    edit_card(folder, lambda part: part.update(weights_sha256=digest))


def test_weights_that_are_no_safetensors_are_refused(folder):
    (folder / "weights.safetensors").write_bytes(b"PK\x03\x04 something else")
    with_right_hash(folder)
    with pytest.raises(ModelError, match=r"weights\.safetensors is damaged"):
        load_package(folder)


@pytest.mark.parametrize("change", ["shape", "missing", "extra"])
def test_weights_of_another_network_are_refused(folder, change):
    weights = load_file(folder / "weights.safetensors")
    name = next(name for name, tensor in weights.items() if tensor.ndim == 4)
    if change == "shape":
        weights[name] = weights[name][:1].contiguous()
    elif change == "missing":
        del weights[name]
    else:
        name = "another.weight"
        weights[name] = torch.zeros(3)
    save_file(weights, folder / "weights.safetensors")
    with_right_hash(folder)
    with pytest.raises(ModelError, match=f"1 tensors of weights.safetensors do not fit .*{name} first"):
        load_package(folder)


def test_a_file_that_is_no_zip_is_refused(tmp_path):
    path = tmp_path / "model.zip"
    path.write_bytes(b"not a zip")
    with pytest.raises(ModelError, match="cannot be read as a zip"):
        load_package(path)


def test_a_zip_without_a_package_is_refused(tmp_path):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ModelError, match="not a model package"):
        load_package(path)


@pytest.mark.parametrize("member", ["../outside.txt", "/etc/outside.txt", "..\\outside.txt"])
def test_a_zip_with_members_outside_of_it_is_refused(tiny_model, tmp_path, member):
    path = tmp_path / "model.zip"
    path.write_bytes(tiny_model.read_bytes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "x")
    with pytest.raises(ModelError, match="points outside the archive"):
        load_package(path)


def test_a_zip_that_unpacks_to_far_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "model.zip"
    with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", "{}")
        archive.writestr("weights.safetensors", b"\0" * 10_000_000)
    with pytest.raises(ModelError, match="do not trust it"):
        load_package(path)


@pytest.mark.parametrize("name", ["folder", "one.zip"])
def test_a_picture_travels_with_its_package(package, tmp_path, name):
    save_package(replace(package, picture=b"a picture"), tmp_path / name)
    assert load_package(tmp_path / name).picture == b"a picture"
    save_package(package, tmp_path / f"plain_{name}")
    assert load_package(tmp_path / f"plain_{name}").picture is None


def test_band_curves_come_back_as_they_were_saved(tiny_model, tmp_path):
    package = load_package(tiny_model)
    curves = tuple(BandCurve(knots=(0.0, 0.25 * place, 1.5), values=(0.0, 0.1, 1.0 / 3)) for place in (1, 2, 3))
    curved = replace(package, normalizer=replace(package.normalizer, curves=curves))
    save_package(curved, tmp_path / "curved")
    assert load_package(tmp_path / "curved").normalizer == curved.normalizer
