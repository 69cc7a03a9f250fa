"""Whatever stands in a model package or a file of weights: a package, or one line that says what is wrong."""

from __future__ import annotations

import hashlib
import json
import zipfile

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoseg.models.card import ModelCard, card_from_json
from geoseg.models.package import ModelPackage, load_package
from geoseg.models.reference import reference_from_bytes
from geoseg.models.smp_folder import read_smp_folder
from geoseg.models.state_dict import read_state_dict
from geoseg.models.zoo import find_model, read_card
from tests.fuzz.strategies import ODD_VALUES, as_json, damaged, disturbed, given_or_refused, limited

DEMO = find_model("demo-landscape")
CARD = (DEMO / "model.json").read_bytes()
REFERENCE = (DEMO / "reference.safetensors").read_bytes()
PART = "geoseg:prediction"
OPTIONS = {
    "pretrained": True,
    "pretrained_cfg": "x",
    "checkpoint_path": "weights.pth",
    "cache_dir": "x",
    "features_only": False,
    "decoder_channels": [8, 8, 8, 8, 8],
    "img_size": 100_000,
    "depth": 10**9,
    "drop_rate": 0.1,
}


@pytest.fixture(scope="module")
def files(tiny_model):
    with zipfile.ZipFile(tiny_model) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def put(folder, files):
    folder.mkdir(exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


@given(data=damaged(CARD) | disturbed(json.loads(CARD)).map(as_json))
def test_any_card_is_a_card_or_one_line(data):
    with limited():
        card = given_or_refused(card_from_json, data, origin="model.json")
    assert card is None or isinstance(card, ModelCard)


@given(data=damaged(REFERENCE))
def test_any_reference_statistics_are_whole_or_one_line(data):
    with limited():
        given_or_refused(reference_from_bytes, data, origin="reference")


@given(data=st.data())
def test_any_package_loads_or_is_one_line(files, tmp_path, data):
    card = json.loads(files["model.json"])
    part = card["properties"][PART]
    part = data.draw(disturbed(part))
    network = part.get("network")
    if isinstance(network, dict) and data.draw(st.booleans()):
        network["options"] = dict(data.draw(st.lists(st.sampled_from(sorted(OPTIONS.items(), key=str)), max_size=2)))
        network["encoder"] = data.draw(st.sampled_from(("tu-test_resnet", "resnet18", "tu-hf-hub:a/b", "tu-test_vit")))
    card["properties"][PART] = part
    folder = put(tmp_path / "package", files | {"model.json": as_json(card)})
    with limited():
        package = given_or_refused(load_package, folder)
    assert package is None or isinstance(package, ModelPackage)


@given(data=st.data())
def test_any_weights_fit_or_are_one_line(files, tmp_path, data):
    weights = data.draw(damaged(files["weights.safetensors"]))
    card = json.loads(files["model.json"])
    card["properties"][PART]["weights_sha256"] = hashlib.sha256(weights).hexdigest()
    folder = put(tmp_path / "package", files | {"weights.safetensors": weights, "model.json": as_json(card)})
    with limited():
        given_or_refused(load_package, folder)


@given(data=st.data())
def test_any_zip_is_a_package_or_one_line(tiny_model, tmp_path, data):
    path = tmp_path / "package.zip"
    path.write_bytes(data.draw(damaged(tiny_model.read_bytes()[-2000:]).map(tiny_model.read_bytes()[:-2000].__add__)))
    with limited():
        given_or_refused(read_card, path)


@pytest.fixture(scope="module")
def pickled(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "w.pt"
    torch.save({"state_dict": {"a": torch.arange(4.0), "b": torch.ones(2, 2)}, "epoch": 3}, path)
    return path.read_bytes()


@given(data=st.data(), ending=st.sampled_from(("pt", "safetensors")))
def test_any_file_of_weights_gives_tensors_or_one_line(pickled, files, tmp_path, data, ending):
    path = tmp_path / f"w.{ending}"
    path.write_bytes(data.draw(damaged(pickled if ending == "pt" else files["weights.safetensors"])))
    with limited():
        given_or_refused(read_state_dict, path)


SMP = {"_model_class": "Unet", "encoder_name": "resnet18", "in_channels": 3, "classes": 2, "activation": None}


@given(data=damaged(as_json(SMP)) | disturbed(SMP).map(as_json) | st.sampled_from(ODD_VALUES).map(as_json))
def test_any_config_of_smp_is_read_or_one_line(files, tmp_path, data):
    folder = put(tmp_path / "smp", {"config.json": data, "model.safetensors": files["weights.safetensors"]})
    with limited():
        given_or_refused(read_smp_folder, folder)
