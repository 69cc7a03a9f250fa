"""What other libraries call: tiles in, probabilities out, with the engine and the arithmetic of the arm."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from benchmarks.peers.job import Job
from benchmarks.peers.networks import load
from geoseg.models.package import ModelPackage

Item = TypeVar("Item")


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items, the last one perhaps shorter."""
    source = iter(items)
    while held := list(islice(source, size)):
        yield held


class Normalized(nn.Module):
    """Tiles in [0, 1] to probabilities: what a package does to its input, its network, its calibration, a softmax."""

    def __init__(self, package: ModelPackage) -> None:
        super().__init__()
        numbers = package.normalizer
        std = torch.tensor(numbers.std, dtype=torch.float32).view(1, -1, 1, 1)
        factor = 255 * numbers.scale_for("uint8") / std
        offset = torch.tensor(numbers.mean, dtype=torch.float32).view(1, -1, 1, 1) / std
        self.factor = None if torch.allclose(factor, torch.ones(1)) and not offset.any() else factor
        self.offset = offset
        filled = package.calibration.filled(len(package.classes))
        self.scale = torch.tensor(filled.scale).view(1, -1, 1, 1) / filled.temperature
        self.bias = torch.tensor(filled.bias).view(1, -1, 1, 1) / filled.temperature
        self.calibrates = bool((self.scale != 1).any() or self.bias.any())
        self.network = package.network

    def prepared(self, tiles: torch.Tensor) -> torch.Tensor:
        """Tiles in [0, 1] to what the network takes."""
        return tiles if self.factor is None else tiles * self.factor - self.offset

    def decided(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits to probabilities."""
        logits = logits.float()
        return torch.softmax(logits * self.scale + self.bias if self.calibrates else logits, dim=1)

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        return self.decided(self.network(self.prepared(tiles)))


class Predictor(nn.Module):
    """(n, 3, height, width) float32 in [0, 1] to (n, classes, height, width) float32, summing to 1."""

    def __init__(self, job: Job) -> None:
        """Load the package of a job and, for OpenVINO, compile it."""
        super().__init__()
        package = load(job.package)
        self.classes = len(package.classes)
        self.ids = torch.from_numpy(package.classes.ids_of_indices()[: self.classes].copy())
        self.whole = Normalized(package).eval()
        self.half = job.arm.precision == "bf16"
        self.compiled = Compiled(self.whole, job) if job.arm.engine == "openvino" else None
        if self.half and self.compiled is None:
            self.whole.network.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        if self.compiled is not None:
            return self.compiled(self.whole.prepared(tiles))
        if not self.half:
            return self.whole(tiles)
        inputs = self.whole.prepared(tiles).contiguous(memory_format=torch.channels_last)
        return self.network_alone(inputs)

    def network_alone(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the network takes to probabilities."""
        if self.compiled is not None:
            return self.compiled(inputs)
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.half):
            return self.whole.decided(self.whole.network(inputs))


class Compiled:
    """A network in OpenVINO: each tile of a batch is a request, as many at a time as there are streams."""

    def __init__(self, whole: Normalized, job: Job) -> None:
        self._openvino = quiet_openvino()
        self._classes = int(whole.scale.shape[1])
        shape = (1, 3, job.tile, job.tile)
        head = nn.Sequential(whole.network, Decided(whole)).eval()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(head, torch.zeros(shape), check_trace=False)
            model = self._openvino.convert_model(traced)
        model.reshape(list(shape))
        self._model = model
        self._options = {
            "INFERENCE_PRECISION_HINT": "bf16" if job.arm.precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": job.threads,
            "NUM_STREAMS": 1 if job.arm.way == "batch" else job.threads,
            "ENABLE_CPU_PINNING": False,
        }
        self._queues: dict[tuple[int, int], Any] = {}

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        found = np.empty((len(inputs), self._classes, *inputs.shape[2:]), dtype=np.float32)

        def keep(request: Any, place: int) -> None:
            found[place] = request.get_output_tensor(0).data[0]

        queue = self._queue((inputs.shape[2], inputs.shape[3]))
        queue.set_callback(keep)
        for place in range(len(inputs)):
            queue.start_async({0: inputs[place : place + 1].contiguous().numpy()}, place)
        queue.wait_all()
        return torch.from_numpy(found)

    def _queue(self, shape: tuple[int, int]) -> Any:
        """Requests for tiles of that shape."""
        if shape not in self._queues:
            self._model.reshape([1, 3, *shape])
            compiled = self._openvino.Core().compile_model(self._model, "CPU", self._options)
            self._queues[shape] = self._openvino.AsyncInferQueue(compiled, int(self._options["NUM_STREAMS"]))
        return self._queues[shape]


class Decided(nn.Module):
    """The last step of `Normalized` as a module, for tracing."""

    def __init__(self, whole: Normalized) -> None:
        super().__init__()
        self._decided = whole.decided

    def forward(self, logits: torch.Tensor) -> torch.Tensor:
        return self._decided(logits)


def quiet_openvino() -> Any:
    """OpenVINO without its telemetry, which would call home when imported."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino
