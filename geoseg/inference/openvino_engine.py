"""A network on a CPU by OpenVINO: the same contract as torch there, in less time."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from geoseg.errors import ConfigError
from geoseg.inference.agreement import check_agreement
from geoseg.inference.cpu_engine import CPU, CpuEngine
from geoseg.inference.graph import traced
from geoseg.models.device import Precision, choose_precision
from geoseg.models.package import ModelPackage

_HINTS = {"fp32": "f32", "bf16": "bf16"}
_TELEMETRY = "openvino_telemetry"


class OpenVinoEngine(CpuEngine):
    """A model package in OpenVINO, on a CPU.

    Each tile is one request of fixed shape on one thread, as many at a time as there are cores, so the bits depend
    neither on the batch nor on the cores. Images are prepared as for torch; network, calibration and softmax are one
    graph. The graph is checked against torch float32 before it maps anything.
    """

    def __init__(
        self,
        package: ModelPackage,
        *,
        dtype: str,
        threads: int = 0,
        present: Sequence[int] | None = None,
        precision: Precision = "auto",
        tile: int | None = None,
    ) -> None:
        """Convert, compile and check a package's network.

        Args:
            package: what to run.
            dtype: of the scenes' pixels.
            threads: cores to use; 0 takes as many as torch would.
            present: positions among the model's bands of those that images hold; None = all. To the network the
                others are everywhere the mean of the training imagery.
            precision: of the convolutions; auto takes bf16 where the CPU has it.
            tile: side of the tiles to come, px; None = the model's. Others are compiled when they come.

        Raises:
            ModelError: if the model was not trained on pixels of that dtype, or OpenVINO gives other classes than
                torch float32 on more than 0.5 % of a probe.
            ConfigError: if OpenVINO is not installed, or the precision is none of a CPU.
        """
        self._openvino = openvino_library()
        self._precision = choose_precision(precision, CPU)
        super().__init__(package, dtype=dtype, threads=threads, present=present, tile=tile)
        self._loading = threading.Lock()
        self._compiled: dict[tuple[int, int], Any] = {}
        self._of_thread = threading.local()
        check_agreement("openvino", package, self._probe(), self._infer)

    @property
    def precision(self) -> str:
        """The arithmetic of the convolutions: fp32 or bf16."""
        return self._precision

    def _infer(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs (1, bands, height, width) to probabilities, by this thread's own request for that shape."""
        height, width = inputs.shape[2:]
        requests = self._of_thread.__dict__.setdefault("requests", {})
        if (height, width) not in requests:
            requests[height, width] = self._compiled_for(height, width).create_infer_request()
        request = requests[height, width]
        found = np.empty((1, self.classes, height, width), dtype=np.float32)
        request.set_output_tensor(self._openvino.Tensor(found, shared_memory=True))
        request.infer([inputs.contiguous().numpy()], share_inputs=True)
        return torch.from_numpy(found)

    def _compiled_for(self, height: int, width: int) -> Any:  # noqa: ANN401 - it ships no types
        with self._loading:
            if (height, width) not in self._compiled:
                model = converted(self._openvino, self._package, (1, len(self._package.bands), height, width))
                options = {
                    "INFERENCE_PRECISION_HINT": _HINTS[self._precision],
                    "INFERENCE_NUM_THREADS": self.threads,
                    "NUM_STREAMS": self.threads,  # one thread each
                    "ENABLE_CPU_PINNING": False,  # several processes would take the same cores
                }
                self._compiled[height, width] = self._openvino.Core().compile_model(model, "CPU", options)
            return self._compiled[height, width]


def converted(library: Any, package: ModelPackage, shape: tuple[int, int, int, int]) -> Any:  # noqa: ANN401 - it ships no types
    """The graph of a package as OpenVINO has it, for images of a shape (n, bands, height, width)."""
    graph = traced(package, height=shape[2], width=shape[3])
    model = library.convert_model(graph)
    model.reshape(list(shape))
    return model


def openvino_library() -> Any:  # noqa: ANN401 - it ships no types
    """The library, without its telemetry: importing it would tell its makers, unless that cannot be imported.

    Raises:
        ConfigError: if it is not installed.
    """
    blocked = _TELEMETRY not in sys.modules
    if blocked:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment] # so that an import of it fails
    try:
        return importlib.import_module("openvino")
    except ImportError as error:
        raise ConfigError(
            "engine 'openvino' is not installed: pip install 'geoseg[openvino]', or --engine torch"
        ) from error
    finally:
        if blocked:
            del sys.modules[_TELEMETRY]
