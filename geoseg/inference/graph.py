"""Network, calibration and softmax as one graph, for engines that run graphs."""

from __future__ import annotations

import tempfile
import threading
import warnings
from pathlib import Path

import torch
from torch import nn

from geoseg.inference.preparation import Calibrated
from geoseg.models.package import ModelPackage

INPUT, OUTPUT = "pixels", "probabilities"
"""Names of what goes into a graph in ONNX, and of what comes out."""

_OPSET = 17
_EXPORTING = threading.Lock()


class Graph(nn.Module):
    """Prepared images (n, bands, height, width) to probabilities (n, classes, height, width), on the CPU."""

    def __init__(self, package: ModelPackage) -> None:
        super().__init__()
        self._network = package.network
        self._calibrated = Calibrated(package, torch.device("cpu"))
        self.to("cpu").eval()

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Probabilities of prepared images."""
        return torch.softmax(self._calibrated(self._network(inputs).to(torch.float32)), dim=1)


def traced(package: ModelPackage, *, height: int, width: int) -> torch.jit.ScriptModule:
    """The graph of a package for one image of a fixed size, px."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # sizes become constants when a network is traced: here they are
        inputs = torch.zeros(1, len(package.bands), height, width)
        return torch.jit.trace(Graph(package), inputs, check_trace=False)  # type: ignore[no-any-return, no-untyped-call]


def onnx_bytes(package: ModelPackage, *, height: int, width: int) -> bytes:
    """The graph of a package for one image of a fixed size, px, as the bytes of an ONNX file (opset 17).

    It is made by torch's exporter of traces, for the newer one needs more packages.
    """
    graph = Graph(package)
    inputs = torch.zeros(1, len(package.bands), height, width)
    with tempfile.TemporaryDirectory() as folder, _EXPORTING, torch.no_grad(), warnings.catch_warnings():
        path = Path(folder) / "graph.onnx"
        warnings.simplefilter("ignore")  # that it is the older exporter
        torch.onnx.export(
            graph, (inputs,), path, dynamo=False, input_names=[INPUT], output_names=[OUTPUT], opset_version=_OPSET
        )
        return path.read_bytes()
