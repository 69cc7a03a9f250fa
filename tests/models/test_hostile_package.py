"""A model package of a stranger: runs no code, writes nothing, reads no other file, takes no memory beyond its own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import warnings
import zipfile

import pytest
import torch
from safetensors.torch import save

from geoseg.errors import ModelError
from geoseg.models.package import load_package
from geoseg.models.spec import NetworkSpec
from geoseg.models.state_dict import read_state_dict
from geoseg.models.zoo import read_card

PART = "geoseg:prediction"


@pytest.fixture
def folder(tiny_model, tmp_path):
    with zipfile.ZipFile(tiny_model) as archive:
        archive.extractall(tmp_path / "model")
    return tmp_path / "model"


def edit(folder, **changes):
    card = json.loads((folder / "model.json").read_text())
    card["properties"][PART] |= changes
    (folder / "model.json").write_text(json.dumps(card))


def network(encoder="tu-test_resnet", architecture="unet", **options):
    return {"architecture": architecture, "encoder": encoder, "options": options}


@pytest.mark.parametrize(
    "options",
    [
        {"pretrained": True},
        {"pretrained_cfg": "other"},
        {"pretrained_cfg_overlay": "other"},
        {"checkpoint_path": "weights"},
        {"cache_dir": "folder"},
        {"features_only": False},
        {"out_indices": [0]},
        {"model_name": "resnet18"},
        {"encoder_weights": "imagenet"},
        {"__class__": 1},
        {"img_size": "../../etc/passwd"},
        {"img_size": "http://127.0.0.1/x"},
        {"act_layer": "os.system"},
        {"img_size": 10**9},
        {"drop_rate": float("inf")},
        {"decoder_channels": [8] * 1000},
    ],
)
def test_options_that_name_files_hosts_or_absurd_sizes_are_refused(folder, options):
    edit(folder, network=network(**options))
    with pytest.raises(ModelError):
        load_package(folder)


@pytest.mark.parametrize(
    "name",
    [
        "tu-hf-hub:a/b",
        "tu-hf_hub:a/b",
        "tu-local-dir:/tmp",
        "tu-timm/resnet18",
        "../resnet18",
        "tu-resnet18.x/../y",
        "",
    ],
)
def test_encoders_are_names_and_no_places(folder, name):
    edit(folder, network=network(name))
    with pytest.raises(ModelError, match="unknown"):
        load_package(folder)
    with pytest.raises(ModelError):
        NetworkSpec(architecture=name, encoder="resnet18", bands=3, classes=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"tile": 10**6, "overlap": 0},
        {"tile": 2**40, "overlap": 0},
        {"bands": [f"b{n}" for n in range(5000)], "mean": [0.0] * 5000, "std": [1.0] * 5000},
        {"classes": [[n, f"c{n}", "#000000"] for n in range(100_000)]},
        {"gsd": 1e999},
        {"std": [1.0, 1.0, float("nan")]},
        {"mean": [float("inf")] * 3},
        {"scales": {"uint8": float("nan")}},
    ],
)
def test_sizes_and_numbers_that_no_model_has_are_refused(folder, changes):
    edit(folder, **changes)
    with pytest.raises(ModelError) as refused:
        load_package(folder)
    assert len(str(refused.value)) <= 2000


@pytest.mark.parametrize("name", ["../evil", "a/b", "a\\b", ".hidden", "", "a\x1b[31m", "a\u202eb", "x" * 101])
def test_a_name_is_no_path_and_can_be_seen(folder, name):
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | {"id": name}))
    with pytest.raises(ModelError, match="name"):
        read_card(folder)


MEASURED = """
import resource, sys
from pathlib import Path
import geoseg.models.build
from geoseg.models.catalogue import smp
from geoseg.models.package import load_package
from geoseg.errors import ModelError
smp()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 512 * 2**20,) * 2)
for path in sys.argv[1:]:
    try:
        load_package(Path(path))
    except ModelError as error:
        print(str(error).removeprefix(path))
"""


def test_networks_far_larger_than_their_weights_are_refused_before_they_take_memory(folder, tmp_path):
    weights = save({"a": torch.zeros(8)})
    (folder / "weights.safetensors").write_bytes(weights)
    asked = {
        "deep": network("resnet152"),
        "huge": network("tu-convnextv2_huge"),
        "wide": network("resnet18", decoder_channels=[65536] * 5),
        "window": network("tu-swinv2_tiny_window8_256", window_size=4096),
        "patches": network("tu-vit_base_patch16_224", architecture="dpt", img_size=65536),
    }
    paths = []
    for name, spec in asked.items():
        path = tmp_path / name
        path.mkdir()
        for file in folder.iterdir():
            (path / file.name).write_bytes(file.read_bytes())
        edit(path, network=spec, weights_sha256=hashlib.sha256(weights).hexdigest())
        paths.append(str(path))
    done = subprocess.run([sys.executable, "-c", MEASURED, *paths], capture_output=True, text=True, check=True)
    refusals = done.stdout.splitlines()
    assert len(refusals) == len(asked)
    assert sum("far larger than its weights" in line or "allocate memory" in line for line in refusals) == len(asked)


def zipped(path, members, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of doubled names
        with zipfile.ZipFile(path, "w", **options) as archive:
            for name, data in members:
                archive.writestr(name, data)
    return path


def members_of(folder):
    return [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())]


def test_a_zip_that_holds_a_name_twice_is_refused(folder, tmp_path):
    path = zipped(tmp_path / "m.zip", [*members_of(folder), ("model.json", b"{}")])
    with pytest.raises(ModelError, match="twice"):
        load_package(path)


def test_a_card_that_inflates_is_refused_before_it_is_read(tmp_path):
    path = zipped(tmp_path / "m.zip", [("model.json", b" " * 3_000_000)], compression=zipfile.ZIP_DEFLATED)
    for reader in (read_card, load_package):
        with pytest.raises(ModelError, match="do not trust it"):
            reader(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_takes_memory_of_its_own_is_refused(folder, tmp_path, compression):
    members = [(name, data[:100]) for name, data in members_of(folder)]
    with pytest.raises(ModelError, match="unusual way"):
        load_package(zipped(tmp_path / "m.zip", members, compression=compression))


def test_a_deflated_package_loads(folder, tmp_path):
    path = zipped(tmp_path / "m.zip", members_of(folder), compression=zipfile.ZIP_DEFLATED)
    assert load_package(path).name == "tiny"


def test_a_link_in_a_zip_leads_nowhere(folder, tmp_path):
    link = zipfile.ZipInfo("model.json")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    rest = [member for member in members_of(folder) if member[0] != "model.json"]
    path = zipped(tmp_path / "m.zip", [(link, str(folder / "model.json")), *rest])
    with pytest.raises(ModelError, match="not a model card"):
        load_package(path)


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
def test_a_folder_holds_ordinary_files(folder, kind):
    weights = folder / "weights.safetensors"
    weights.unlink()
    match kind:
        case "device":
            weights.symlink_to("/dev/zero")
        case "pipe":
            os.mkfifo(weights)
        case "folder":
            weights.mkdir()
    with pytest.raises(ModelError, match="no ordinary file"):
        load_package(folder)


def test_a_card_of_many_megabytes_is_not_read(folder):
    (folder / "model.json").write_bytes(b" " * 5 * 2**20)
    with pytest.raises(ModelError, match="do not trust it"):
        read_card(folder)


def test_weights_that_are_no_numbers_are_refused(folder):
    loaded = load_package(folder)
    state = {name: tensor.contiguous() for name, tensor in loaded.network.state_dict().items()}
    name = next(name for name, _ in loaded.network.named_parameters())
    state[name] = torch.full_like(state[name], float("nan"))
    weights = save(state)
    (folder / "weights.safetensors").write_bytes(weights)
    edit(folder, weights_sha256=hashlib.sha256(weights).hexdigest())
    with pytest.raises(ModelError, match="not finite"):
        load_package(folder)


def test_a_view_that_claims_more_than_its_file_is_refused(tmp_path):
    torch.save({"a": torch.zeros(1).expand(10**9)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="more than the file holds"):
        read_state_dict(tmp_path / "w.pt")


def test_a_compressed_file_of_weights_is_refused(tmp_path):
    torch.save({"a": torch.zeros(1000)}, tmp_path / "w.pt")
    with zipfile.ZipFile(tmp_path / "w.pt") as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    with pytest.raises(ModelError, match="compressed"):
        read_state_dict(zipped(tmp_path / "d.pt", members, compression=zipfile.ZIP_DEFLATED))
