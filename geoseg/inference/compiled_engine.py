"""A network on a CPU compiled by torch: the same contract as torch there, in less time after a minute of compiling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from geoseg.errors import ConfigError
from geoseg.inference.agreement import check_agreement
from geoseg.inference.cpu_engine import CPU, CpuEngine
from geoseg.inference.graph import Graph
from geoseg.models.device import Precision, autocast, choose_precision
from geoseg.models.package import ModelPackage

_OPTIONS: dict[str, str | int | bool | Callable[..., Any]] = {
    "cpp.threads": 1,
    "freezing": True,  # weights become constants, laid out once
    "cpp_wrapper": True,  # other threads run meanwhile
}


class CompiledEngine(CpuEngine):
    """A model package compiled by torch (Inductor), on a CPU.

    Each tile is one call on the thread that asks, and as many may ask at a time as there are cores, so the bits depend
    neither on the batch nor on the cores. Tiles of one size are compiled; others, at the edges of a scene, are computed
    as they are, for each shape would take another minute. The compiled network is checked against torch float32 before
    it maps anything.
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
        """Compile and check a package's network.

        Args:
            package: what to run.
            dtype: of the scenes' pixels.
            threads: cores to use; 0 takes as many as torch would.
            present: positions among the model's bands of those that images hold; None = all. To the network the
                others are everywhere the mean of the training imagery.
            precision: of the convolutions; auto takes bf16 where the CPU has it.
            tile: side of the tiles to come, px; None = the model's.

        Raises:
            ModelError: if the model was not trained on pixels of that dtype, or the compiled network gives other
                classes than torch float32 on more than 0.5 % of a probe.
            ConfigError: if it cannot be compiled here, or the precision is none of a CPU.
        """
        self._precision = choose_precision(precision, CPU)
        super().__init__(package, dtype=dtype, threads=threads, present=present, tile=tile)
        self._shape = (1, len(package.bands), self._side, self._side)
        self._graph = Graph(package).to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in stubs
        self._compiled = torch.compile(self._graph, dynamic=False, options=_OPTIONS)
        inputs = self._probe()
        with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as alone:  # as it will be called
            try:
                alone.submit(self._infer, inputs[:1]).result()
            except RuntimeError as error:  # of the compiler, and of torch around it
                raise ConfigError(
                    f"engine 'torch-compile' cannot compile model {package.name!r} here: {_first_line(error)}; use "
                    "--engine torch"
                ) from error
            check_agreement("torch-compile", package, inputs, lambda one: alone.submit(self._infer, one).result())

    @property
    def precision(self) -> str:
        """The arithmetic of the convolutions: fp32 or bf16."""
        return self._precision

    @torch.inference_mode()
    def _infer(self, inputs: torch.Tensor) -> torch.Tensor:
        graph = self._compiled if inputs.shape == self._shape else self._graph
        with autocast(CPU, self._precision):
            found: torch.Tensor = graph(inputs.contiguous(memory_format=torch.channels_last))
        return found


def _first_line(error: RuntimeError) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__
