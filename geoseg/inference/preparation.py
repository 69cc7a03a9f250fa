"""From the numbers of a scene to those a network sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.inference.cuda import sent
from geoseg.inference.curves import TorchCurves
from geoseg.inference.kernels import look_up
from geoseg.models.package import ModelPackage

_TABLED = 2  # bytes of a number; a table of all numbers of 4 bytes would not fit
FAR = 100.0
"""Standard deviations at which inputs end: an undeclared nodata of -3e38 would turn its whole tile into NaN."""


class Preparation:
    """What a model package does to images before its network, on a torch device.

    Integers travel to the device; they are scaled and normalised there, on a CPU by a table. Pixels without a
    measurement become the mean of the training imagery, so nodata does not bleed a dark edge into its neighbours.
    """

    def __init__(
        self, package: ModelPackage, *, dtype: str, device: torch.device, present: Sequence[int] | None = None
    ) -> None:
        """Put the numbers of a package on a device.

        Args:
            package: whose images these are.
            dtype: of the scenes' pixels.
            device: where the inputs are wanted.
            present: positions among the model's bands of those that images hold; None = all. To the network the
                others are everywhere the mean of the training imagery.

        Raises:
            ModelError: if the model was not trained on pixels of that dtype.
        """
        self._device = device
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
            self._curves, scale = TorchCurves(curves, scale, device), 1.0
        self._factor = (scale / std).to(torch.float32).view(shape).to(device)
        self._offset = (mean / std).to(torch.float32).view(shape).to(device)
        self._table: NDArray[np.float32] | None = None
        if device.type == "cpu" and np.issubdtype(np.dtype(dtype), np.integer) and np.dtype(dtype).itemsize <= _TABLED:
            self._table = self._of_every_number(np.dtype(dtype))

    def __call__(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """Images (n, bands there are, height, width) to inputs (n, bands of the model, height, width), float32."""
        if self._table is None:
            return self.completed(self._computed(images, usable))
        inputs = np.zeros((len(images), *images.shape[2:], self._bands), dtype=np.float32)
        for place, image in enumerate(images):
            look_up(image, usable[place], self._table, self._places, inputs[place])
        return torch.from_numpy(inputs).permute(0, 3, 1, 2)

    def _of_every_number(self, dtype: np.dtype[np.generic]) -> NDArray[np.float32]:
        """The input that each number of a dtype becomes, by band; negative numbers at the end, as bits order them."""
        bits = np.dtype(f"u{dtype.itemsize}")
        numbers = np.arange(np.iinfo(bits).max + 1, dtype=bits).view(dtype)
        row = np.broadcast_to(numbers, (1, self.bands, 1, len(numbers)))
        found = self._computed(np.ascontiguousarray(row), np.ones((1, 1, len(numbers)), dtype=np.bool_))
        self._places = np.array(self._present)
        return np.ascontiguousarray(found[0, :, 0].numpy())

    def _computed(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        numbers = sent(images, self._device).to(torch.float32)
        if self._curves is not None:
            numbers = self._curves(numbers)
        there = sent(usable, self._device)[:, None]
        return torch.where(there, numbers * self._factor - self._offset, 0.0).clamp(-FAR, FAR)

    def completed(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs of the bands there are, with the mean of the training imagery in those that are missing."""
        if len(self._present) == self._bands:
            return inputs
        every = inputs.new_zeros((len(inputs), self._bands, *inputs.shape[2:]))
        every[:, self._present] = inputs
        return every

    @property
    def bands(self) -> int:
        """How many bands images have."""
        return len(self._present)


class Calibrated:
    """A calibration on a device."""

    def __init__(self, package: ModelPackage, device: torch.device) -> None:
        self._temperature = package.calibration.temperature
        self._factor: torch.Tensor | None = None
        if package.calibration.is_vector:
            filled = package.calibration.filled(len(package.classes))
            self._factor = torch.tensor(filled.scale, dtype=torch.float32, device=device).view(1, -1, 1, 1)
            self._bias = torch.tensor(filled.bias, dtype=torch.float32, device=device).view(1, -1, 1, 1)

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits (n, classes, tile, tile) as the softmax is to see them."""
        if self._factor is not None:
            logits = logits * self._factor + self._bias
        return logits / self._temperature
