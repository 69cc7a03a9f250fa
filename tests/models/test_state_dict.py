import argparse
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from geoseg.errors import ModelError
from geoseg.models.state_dict import read_state_dict

STATE = {"a.weight": torch.arange(6.0), "a.bias": torch.tensor([1, 2])}


@pytest.mark.parametrize(
    "held", [STATE, {"state_dict": STATE, "epoch": 3}, {"model": STATE}, {"model": {"state_dict": STATE}}]
)
def test_tensors_come_back_also_from_below_a_key(tmp_path, held):
    torch.save(held, tmp_path / "w.pth")
    found = read_state_dict(tmp_path / "w.pth")
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_safetensors_come_back(tmp_path):
    save_file(STATE, tmp_path / "w.safetensors")
    assert torch.equal(read_state_dict(tmp_path / "w.safetensors")["a.bias"], STATE["a.bias"])


class Runs:
    """Pickled, it would write a file where it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path):
    torch.save({"state_dict": STATE, "x": Runs(tmp_path / "ran")}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="refused, for it holds more than tensors") as refused:
        read_state_dict(tmp_path / "w.pt")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("held", [torch.nn.Linear(2, 2), {"hyper": argparse.Namespace(a=1), "state_dict": STATE}])
def test_whole_objects_are_refused(tmp_path, held):
    torch.save(held, tmp_path / "w.ckpt")
    with pytest.raises(ModelError, match="refused"):
        read_state_dict(tmp_path / "w.ckpt")


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("data", [b"", b"no weights at all", b"\x80\x02}q\x00.", b"PK\x03\x04 half a zip"])
def test_a_damaged_file_is_one_line(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match=name) as refused:
        read_state_dict(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_a_zip_of_something_else_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("a.txt", "text")
    with pytest.raises(ModelError, match="nothing that torch saved"):
        read_state_dict(tmp_path / "w.pth")


@pytest.mark.parametrize("held", [{}, [STATE["a.bias"]], {"epoch": 3}, STATE["a.bias"]])
def test_a_file_without_named_tensors_is_refused(tmp_path, held):
    torch.save(held, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="no named tensors"):
        read_state_dict(tmp_path / "w.pt")


@pytest.mark.parametrize(("name", "message"), [("w.onnx", "must end in"), ("none.pt", "no such file")])
def test_what_is_no_file_of_weights_is_refused(tmp_path, name, message):
    with pytest.raises(ModelError, match=message):
        read_state_dict(tmp_path / name)
