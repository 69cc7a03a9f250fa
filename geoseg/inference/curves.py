"""Band curves on a device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from geoseg.raster.curves import BandCurve


class TorchCurves:
    """The curves of all bands of an image, for numbers as the scene has them."""

    def __init__(self, curves: Sequence[BandCurve], scale: float, device: torch.device) -> None:
        """Put curves on a device.

        Args:
            curves: one for each band.
            scale: from the scene's numbers to those of the curves.
            device: where the images are.
        """
        self._scale = scale
        self._bands = [_tensors(curve, device) for curve in curves]

    def __call__(self, numbers: Tensor) -> Tensor:
        """Numbers (n, bands, height, width) of the scene to scaled numbers of the training imagery."""
        scaled = numbers * self._scale
        bands = [_interpolated(scaled[:, place], *knots) for place, knots in enumerate(self._bands)]
        return torch.stack(bands, dim=1)


def _tensors(curve: BandCurve, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    knots, values = (torch.tensor(part, dtype=torch.float64) for part in (curve.knots, curve.values))
    slopes = torch.diff(values) / torch.diff(knots)
    return knots.float().to(device), values.float().to(device), slopes.float().to(device)


def _interpolated(band: Tensor, knots: Tensor, values: Tensor, slopes: Tensor) -> Tensor:
    inside = band.contiguous().clamp(float(knots[0]), float(knots[-1]))
    place = torch.searchsorted(knots, inside, right=True).sub_(1).clamp_(0, len(slopes) - 1)
    return values[place] + (inside - knots[place]) * slopes[place]
