"""A network on a device: integers in, probabilities out. Knows nothing of scenes, windows or files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.inference.cuda import Graphed
from geoseg.inference.folding import folded, has_only_convolutions
from geoseg.inference.one_by_one import one_by_one
from geoseg.inference.preparation import Calibrated, Preparation
from geoseg.models.device import Precision, choose_device, choose_precision
from geoseg.models.package import ModelPackage

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Engine(Protocol):
    """Turns tiles into probabilities. The same tile gives the same bits wherever it stands in a batch.

    On a CPU a call computes on the thread that makes it, and `threads` of them may run at a time.
    """

    @property
    def classes(self) -> int:
        """How many classes."""

    @property
    def device(self) -> torch.device:
        """Where the probabilities lie."""

    @property
    def threads(self) -> int:
        """How many calls may run at a time; 1 where it is not a CPU."""

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """What each pixel may be.

        Args:
            images: (n, bands, height, width) in the numbers of the scene, of the bands it has.
            usable: (n, height, width), False where the image holds nothing.

        Returns:
            (n, classes, height, width) float32 on the engine's device, summing to 1 over the classes; of no meaning in
            a tile without any usable pixel.
        """


class TorchEngine:
    """A model package on a torch device.

    Integers travel to the device; scaling, normalising and the softmax happen there (see `Preparation`). On a CPU each
    tile is one call on one thread; there are to be as many at a time as there are cores (see `one_by_one`).
    """

    def __init__(
        self,
        package: ModelPackage,
        *,
        dtype: str,
        device: str = "auto",
        precision: Precision = "auto",
        threads: int = 0,
        present: Sequence[int] | None = None,
    ) -> None:
        """Put a package's network on a device.

        Args:
            package: what to run.
            dtype: of the scenes' pixels.
            device: a torch device, or auto.
            precision: of the convolutions, or auto.
            threads: cores to use on a CPU; 0 takes as many as torch would.
            present: positions among the model's bands of those that images hold; None = all. To the network the
                others are everywhere the mean of the training imagery.

        Raises:
            ModelError: if the model was not trained on pixels of that dtype.
            ConfigError: if the device is not there.
        """
        self._device = choose_device(device)
        self._dtype = _DTYPES[choose_precision(precision, self._device)]
        network = folded(package.network.to(self._device).eval(), bands=len(package.bands), tile=package.tile)
        self._autocast = self._dtype != torch.float32 and not has_only_convolutions(network)
        if not self._autocast:
            network = network.to(self._dtype)
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in stubs
        self._calibration = Calibrated(package, self._device)
        self._classes = len(package.classes)
        self._preparation = Preparation(package, dtype=dtype, device=self._device, present=present)
        self._graphed = Graphed(self._computed)
        self._one_at_a_time = threading.Lock()
        self._threads = (threads or torch.get_num_threads()) if self._device.type == "cpu" else 1

    @property
    def classes(self) -> int:
        """How many classes the network tells apart."""
        return self._classes

    @property
    def device(self) -> torch.device:
        """Where the network runs."""
        return self._device

    @property
    def threads(self) -> int:
        """Tiles computed at a time on a CPU."""
        return self._threads

    @property
    def precision(self) -> str:
        """The arithmetic of the convolutions: fp32, bf16 or fp16."""
        return next(name for name, dtype in _DTYPES.items() if dtype == self._dtype)

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """As in `Engine`; where it is not a CPU, calls from several threads wait for one another."""
        if self._device.type == "cpu":
            return one_by_one(self._forward, images, usable, classes=self._classes)
        with self._one_at_a_time:
            return self._forward(images, usable)

    @torch.inference_mode()
    def _forward(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        inputs = self._preparation(images, usable).contiguous(memory_format=torch.channels_last)
        return self._graphed(inputs if self._autocast else inputs.to(self._dtype))

    def _computed(self, inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=self._autocast):
            logits = self._network(inputs)
        return torch.softmax(self._calibration(logits.to(torch.float32)), dim=1)


def default_batch_size(device: torch.device, tile: int) -> int:
    """Tiles a call when nobody asks: on a CPU one, on a GPU about 8 Mpx."""
    return 1 if device.type == "cpu" else max(1, 2**23 // tile**2)
