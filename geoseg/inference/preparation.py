"""From the numbers of a scene to those a network sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.inference.curves import TorchCurves
from geoseg.models.package import ModelPackage

_FAR = 100.0  # standard deviations; an undeclared nodata of -3e38 would turn its whole tile into NaN


class Preparation:
    """What a model package does to images before its network, on a torch device.

    Integers travel to the device; they are scaled and normalised there. Pixels without a measurement become the mean
    of the training imagery, so nodata does not bleed a dark edge into its neighbours.
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

    def __call__(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """Images (n, bands there are, tile, tile) to inputs (n, bands of the model, tile, tile), float32."""
        numbers = torch.from_numpy(images).to(self._device, non_blocking=True).to(torch.float32)
        if self._curves is not None:
            numbers = self._curves(numbers)
        there = torch.from_numpy(usable).to(self._device, non_blocking=True)[:, None]
        inputs = torch.where(there, numbers * self._factor - self._offset, 0.0).clamp(-_FAR, _FAR)
        return self.completed(inputs)

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
