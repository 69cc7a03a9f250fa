"""A network on a device: integers in, probabilities out. Knows nothing of scenes, windows or files."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.inference.curves import TorchCurves
from geoseg.models.calibration import Calibration
from geoseg.models.device import Precision, choose_device, choose_precision
from geoseg.models.package import ModelPackage

_AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


_FAR = 100.0  # standard deviations; an undeclared nodata of -3e38 would turn its whole tile into NaN


class Engine(Protocol):
    """Turns tiles into probabilities. The same tile gives the same bits wherever it stands in a batch."""

    @property
    def classes(self) -> int:
        """How many classes."""

    @property
    def device(self) -> torch.device:
        """Where the probabilities lie."""

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """What each pixel may be.

        Args:
            images: (n, bands, tile, tile) in the numbers of the scene, of the bands it has; n and tile
                never change in a run.
            usable: (n, tile, tile), False where the image holds nothing.

        Returns:
            (n, classes, tile, tile) float32 on the engine's device, summing to 1 over the classes; of no meaning in
            a tile without any usable pixel.
        """


class TorchEngine:
    """A model package on a torch device.

    Integers travel to the device; scaling, normalising and the softmax happen there. Pixels without a measurement
    become the mean of the training imagery, so nodata does not bleed a dark edge into its neighbours.

    On a CPU each tile is one call on one thread, as many tiles at a time as there are cores: as fast as all cores
    on one batch, and the bits depend neither on the batch size nor on the number of cores (fp32 convolutions on
    two threads differ from those on one).
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
        self._autocast = _AUTOCAST.get(choose_precision(precision, self._device))
        network = package.network.to(self._device).eval()
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # missing in stubs
        self._calibration = _Calibrated(package.calibration, len(package.classes), self._device)
        self._classes = len(package.classes)
        scale = package.normalizer.scale_for(dtype)
        mean = torch.tensor(package.normalizer.mean, dtype=torch.float64)
        std = torch.tensor(package.normalizer.std, dtype=torch.float64)
        self._bands = len(package.bands)
        self._present = list(range(self._bands) if present is None else present)
        mean, std = mean[self._present], std[self._present]
        shape = (1, -1, 1, 1)
        self._curves: TorchCurves | None = None
        if package.normalizer.curves:
            curves = [package.normalizer.curves[place] for place in self._present]
            self._curves, scale = TorchCurves(curves, scale, self._device), 1.0
        self._factor = (scale / std).to(torch.float32).view(shape).to(self._device)
        self._offset = (mean / std).to(torch.float32).view(shape).to(self._device)
        self._one_at_a_time = threading.Lock()
        self._threads = 1
        self._pool: ThreadPoolExecutor | None = None
        if self._device.type == "cpu":
            self._threads = threads or torch.get_num_threads()
            self._pool = ThreadPoolExecutor(self._threads, initializer=torch.set_num_threads, initargs=(1,))

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
        return {None: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[self._autocast]

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """As in `Engine`; calls from several threads wait for one another."""
        with self._one_at_a_time:
            if self._pool is None:
                return self._forward(images, usable)
            places = np.flatnonzero(usable.any(axis=(1, 2)))  # a padded batch costs no more than its tiles
            computed = self._pool.map(lambda one: self._forward(images[one : one + 1], usable[one : one + 1]), places)
            every = torch.full((len(images), self._classes, *images.shape[2:]), 1 / self._classes)
            for place, tile in zip(places, computed, strict=True):
                every[place] = tile[0]
            return every

    @torch.inference_mode()
    def _forward(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        numbers = torch.from_numpy(images).to(self._device, non_blocking=True).to(torch.float32)
        if self._curves is not None:
            numbers = self._curves(numbers)
        there = torch.from_numpy(usable).to(self._device, non_blocking=True)[:, None]
        inputs = torch.where(there, numbers * self._factor - self._offset, 0.0).clamp(-_FAR, _FAR)
        if len(self._present) < self._bands:
            every = inputs.new_zeros((len(inputs), self._bands, *inputs.shape[2:]))
            every[:, self._present] = inputs
            inputs = every
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self._device.type, dtype=self._autocast, enabled=self._autocast is not None):
            logits = self._network(inputs)
        return torch.softmax(self._calibration(logits.to(torch.float32)), dim=1)


class _Calibrated:
    """A calibration on a device."""

    def __init__(self, calibration: Calibration, classes: int, device: torch.device) -> None:
        self._temperature = calibration.temperature
        self._factor: torch.Tensor | None = None
        if calibration.is_vector:
            filled = calibration.filled(classes)
            self._factor = torch.tensor(filled.scale, dtype=torch.float32, device=device).view(1, -1, 1, 1)
            self._bias = torch.tensor(filled.bias, dtype=torch.float32, device=device).view(1, -1, 1, 1)

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes, tile, tile) as the softmax is to see them."""
        if self._factor is not None:
            logits = logits * self._factor + self._bias
        return logits / self._temperature


def default_batch_size(device: torch.device, tile: int, *, threads: int = 1) -> int:
    """Tiles a call when nobody asks: on a CPU one for each thread, on a GPU about 8 Mpx.

    More on a CPU would compute no faster, and every batch on its way takes memory.
    """
    return max(1, threads if device.type == "cpu" else 2**23 // tile**2)
