import subprocess
import sys

import torch

from geoseg.models import torchvision_shim

IN_A_FRESH_PROCESS = """
import torch
from geoseg.models import torchvision_shim
made = torch.library.Library("torchvision", "DEF")
made.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
made.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
assert torchvision_shim.declare_missing_operators() == ()
"""


def test_timm_can_be_imported_afterwards():
    torchvision_shim.declare_missing_operators()
    import timm  # noqa: PLC0415 - importing it is what is tested

    assert hasattr(torch.ops.torchvision, "nms")
    assert timm.is_model("resnet18")


def test_nothing_is_declared_where_the_operators_exist():
    subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS], check=True)


def test_nothing_is_declared_where_torchvision_loads_its_own(monkeypatch):
    monkeypatch.setattr(torchvision_shim, "_load_compiled_operators", lambda: True)
    assert torchvision_shim.declare_missing_operators.__wrapped__() == ()


def test_nothing_is_declared_without_torchvision(monkeypatch):
    monkeypatch.setattr(torchvision_shim.importlib.util, "find_spec", lambda _: None)
    assert torchvision_shim.declare_missing_operators.__wrapped__() == ()
