"""From the logits of a network to logits whose softmax means what it says. Plain numbers, no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from geoseg.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Calibrated logits are (logits x scale + bias) / temperature, class by class.

    With the temperature alone it is temperature scaling, with scale and bias vector scaling (Guo et al. 2017, On
    Calibration of Modern Neural Networks).
    """

    temperature: float = 1.0
    """For all classes, above 0."""

    scale: tuple[float, ...] = ()
    """One for each class, above 0; empty = 1 for all."""

    bias: tuple[float, ...] = ()
    """One for each class; empty = 0 for all."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ModelError(f"the temperature must be positive, got {self.temperature}")
        if not all(math.isfinite(number) and number > 0 for number in self.scale):
            raise ModelError(f"the scales of a calibration must be positive, got {self.scale}")
        if not all(math.isfinite(number) for number in self.bias):
            raise ModelError(f"the biases of a calibration must be finite, got {self.bias}")

    @property
    def is_vector(self) -> bool:
        """True where classes differ."""
        return bool(self.scale or self.bias)

    def filled(self, classes: int) -> Calibration:
        """The same with every scale and bias written out.

        Raises:
            ModelError: if it is for another number of classes.
        """
        for what, numbers in (("scales", self.scale), ("biases", self.bias)):
            if len(numbers) not in {0, classes}:
                raise ModelError(f"the calibration has {len(numbers)} {what}, the model {classes} classes")
        return Calibration(
            temperature=self.temperature, scale=self.scale or (1.0,) * classes, bias=self.bias or (0.0,) * classes
        )
