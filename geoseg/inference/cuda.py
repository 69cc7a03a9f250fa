"""What CUDA needs so that it never waits; on other devices nothing of it does anything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

log = logging.getLogger(__name__)

_WARM_UP = 3


def sent(array: NDArray[np.generic], device: torch.device) -> Tensor:
    """An array on a device; to CUDA through pinned memory, so that the copy is made while other work goes on."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class Handover:
    """Results of one thread for another one whose work on the device goes beside."""

    def __init__(self, tensor: Tensor) -> None:
        """Mark where the work on `tensor` ends on the stream of the calling thread."""
        self._tensor = tensor
        self._done: torch.cuda.Event | None = None
        if tensor.is_cuda:
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._done.record()

    def taken(self) -> Tensor:
        """The tensor, safe to use on the stream of the calling thread; does not wait on the host."""
        if self._done is not None:
            stream = torch.cuda.current_stream(self._tensor.device)
            stream.wait_event(self._done)
            self._tensor.record_stream(stream)
        return self._tensor


@contextmanager
def beside(device: torch.device) -> Iterator[None]:
    """Work of this thread on the device goes beside that of others, on a stream of its own."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        yield


class Graphed:
    """A function of one tensor, recorded for one shape as a CUDA graph: one launch instead of hundreds.

    Other shapes, and functions that cannot be recorded, are called as they are.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        """Record nothing yet.

        Args:
            function: pure, without any wait for the host.
        """
        self._function = function
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: Tensor | None = None
        self._outputs: Tensor | None = None
        self._cannot = False

    def __call__(self, inputs: Tensor) -> Tensor:
        """The function's value; it owns its memory."""
        if self._graph is None and not self._cannot and inputs.is_cuda:
            self._record(inputs)
        if self._graph is None or self._inputs is None or self._outputs is None or inputs.shape != self._inputs.shape:
            return self._function(inputs)
        self._inputs.copy_(inputs)
        self._graph.replay()
        return self._outputs.clone()

    def _record(self, inputs: Tensor) -> None:
        try:
            self._inputs = inputs.clone(memory_format=torch.preserve_format)
            side = torch.cuda.Stream(inputs.device)  # type: ignore[no-untyped-call]
            side.wait_stream(torch.cuda.current_stream(inputs.device))
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP):
                    self._function(self._inputs)
            torch.cuda.current_stream(inputs.device).wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads blend meanwhile
                self._outputs = self._function(self._inputs)
            self._graph = graph
        except RuntimeError as error:
            self._cannot = True
            log.info("the network runs without a CUDA graph: %s", " ".join(str(error).split())[:200])
