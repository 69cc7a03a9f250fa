"""A network by ONNX Runtime: for machines on which the other engines do not run, or are slow."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.errors import ConfigError
from geoseg.inference.agreement import check_agreement
from geoseg.inference.cpu_engine import CpuEngine
from geoseg.inference.graph import INPUT, onnx_bytes
from geoseg.models.package import ModelPackage

_CUDA = "CUDAExecutionProvider"
_ERRORS = 3  # of ONNX Runtime's levels: its warnings are about graphs, which users cannot mend


class OnnxEngine(CpuEngine):
    """A model package in ONNX Runtime, in float32.

    Each tile is one run of fixed shape. On a CPU the thread that asks computes it, and as many may ask at a time as
    there are cores, so the bits depend neither on the batch nor on the cores. On CUDA one asks at a time; the
    probabilities come back to the CPU. The graph is checked against torch float32 before it maps anything.
    """

    def __init__(
        self,
        package: ModelPackage,
        *,
        dtype: str,
        device: str = "auto",
        threads: int = 0,
        present: Sequence[int] | None = None,
        tile: int | None = None,
    ) -> None:
        """Export, load and check a package's network.

        Args:
            package: what to run.
            dtype: of the scenes' pixels.
            device: cpu, cuda or cuda:N; auto takes CUDA where torch sees it and ONNX Runtime has its provider.
            threads: cores to use on a CPU; 0 takes as many as torch would.
            present: positions among the model's bands of those that images hold; None = all. To the network the
                others are everywhere the mean of the training imagery.
            tile: side of the tiles to come, px; None = the model's. Others are exported when they come.

        Raises:
            ModelError: if the model was not trained on pixels of that dtype, or ONNX Runtime gives other classes than
                torch float32 on more than 0.5 % of a probe.
            ConfigError: if ONNX Runtime is not installed, or does not run on the device.
        """
        self._runtime = onnx_runtime()
        self._providers = _providers(self._runtime, device)
        self._on_cpu = len(self._providers) == 1
        super().__init__(package, dtype=dtype, threads=threads if self._on_cpu else 1, present=present, tile=tile)
        self._loading, self._running = threading.Lock(), threading.Lock()
        self._sessions: dict[tuple[int, int], Any] = {}
        check_agreement("onnx", package, self._probe(), self._infer)

    @property
    def precision(self) -> str:
        """The arithmetic of the convolutions: fp32."""
        return "fp32"

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """As in `Engine`; on CUDA, calls from several threads wait for one another."""
        if self._on_cpu:
            return super().probabilities(images, usable)
        with self._running:
            return super().probabilities(images, usable)

    def _infer(self, inputs: torch.Tensor) -> torch.Tensor:
        session = self._session(*inputs.shape[2:])
        return torch.from_numpy(session.run(None, {INPUT: inputs.contiguous().numpy()})[0])

    def _session(self, height: int, width: int) -> Any:  # noqa: ANN401 - it ships no types
        with self._loading:
            if (height, width) not in self._sessions:
                data = onnx_bytes(self._package, height=height, width=width)
                self._sessions[height, width] = session_of(self._runtime, data, self._providers)
            return self._sessions[height, width]


def onnx_runtime() -> Any:  # noqa: ANN401 - it ships no types
    """The library, with its telemetry off.

    Raises:
        ConfigError: if it is not installed, or onnx is not, without which torch exports nothing.
    """
    try:
        importlib.import_module("onnx")
        library = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ConfigError("engine 'onnx' is not installed: pip install 'geoseg[onnx]', or --engine torch") from error
    library.disable_telemetry_events()
    return library


def session_of(library: Any, graph: bytes | str, providers: list[object]) -> Any:  # noqa: ANN401 - it ships no types
    """A graph, or the file with it, ready to run on the thread that asks."""
    options = library.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS
    return library.InferenceSession(graph, options, providers=providers)


def _providers(library: Any, device: str) -> list[object]:  # noqa: ANN401 - it ships no types
    """What computes, the preferred one first."""
    there = _CUDA in library.get_available_providers()
    kind, _, number = device.partition(":")
    if kind == "cuda" and not there:
        raise ConfigError(
            f"engine 'onnx' does not run on device {device!r} here: pip install onnxruntime-gpu, or --device cpu"
        )
    if kind not in {"auto", "cpu", "cuda"}:
        raise ConfigError(f"engine 'onnx' runs on CPUs and on CUDA, not on device {device!r}: use --device cpu")
    if kind == "cuda" or (kind == "auto" and there and torch.cuda.is_available()):
        exact = {"device_id": number or "0", "use_tf32": "0"}
        return [(_CUDA, exact), "CPUExecutionProvider"]
    return ["CPUExecutionProvider"]
