"""What a network says of windows in memory: logits, calibrated probabilities. Knows nothing of scenes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from geoseg.models.calibration import Calibration
from geoseg.models.device import autocast

_BATCH = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forward:
    """A network with the way it is run: in evaluation mode, in batches of one size, without gradients."""

    network: nn.Module
    """Normalised images (n, bands, side, side) to logits (n, classes, side, side)."""

    calibration: Calibration = field(default_factory=Calibration)
    """Of its logits."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    """Where it runs."""

    precision: str = "fp32"
    """Of its convolutions."""

    def logits(self, images: Tensor) -> Tensor:
        """(n, classes, side, side) float32 on the CPU, as the network gives them."""
        return torch.cat(list(self.batches(images)))

    @torch.inference_mode()
    def batches(self, images: Tensor) -> Iterator[Tensor]:
        """The same, some images at a time; what is collected holds one batch in memory."""
        self.network.to(self.device).eval()
        for batch in torch.split(images, _BATCH):
            with autocast(self.device, self.precision):
                logits = self.network(batch.to(self.device))
            yield logits.float().cpu()

    def probabilities(self, images: Tensor) -> Tensor:
        """(n, classes, side, side) float32 on the CPU, calibrated, summing to 1 over the classes."""
        return torch.cat([softmax_of(logits, self.calibration) for logits in self.batches(images)])


def softmax_of(logits: Tensor, calibration: Calibration) -> Tensor:
    """Calibrated probabilities of logits (n, classes, height, width)."""
    if calibration.is_vector:
        filled = calibration.filled(logits.shape[1])
        scale, bias = (
            torch.tensor(part, device=logits.device).view(1, -1, 1, 1) for part in (filled.scale, filled.bias)
        )
        logits = logits * scale + bias
    return torch.softmax(logits / calibration.temperature, dim=1)
