"""The loss that a training's settings ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from geoseg.config.loss import LossSettings
from geoseg.errors import ConfigError
from geoseg.training.losses.overlap import lovasz_softmax, soft_dice
from geoseg.training.losses.per_pixel import cross_entropy, focal, hard_weights
from geoseg.training.losses.pixel_labels import PixelLabels

_BALANCED_RANGE = (0.5, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationLoss:
    """Weighted sum of the losses that settings ask for; those of weight 0 are not computed."""

    settings: LossSettings

    class_weights: tuple[float, ...] | None
    """Factors on the cross-entropy, in the order of the logits; None for 1 everywhere."""

    @classmethod
    def of(cls, settings: LossSettings, *, class_names: Sequence[str], class_counts: ArrayLike) -> Self:
        """The loss for a legend and its labels.

        Args:
            settings: what to add up.
            class_names: in the order of the logits.
            class_counts: (classes,) known pixels of each class in all labels, in any unit; used where the weights are
                balanced.

        Raises:
            ConfigError: if a class that is given a weight is not in the legend.
        """
        asked = settings.class_weights
        if isinstance(asked, Mapping):
            return cls(settings=settings, class_weights=_named_weights(asked, class_names))
        return cls(settings=settings, class_weights=balanced_weights(class_counts) if asked == "balanced" else None)

    def __call__(self, logits: Tensor, given: PixelLabels) -> Tensor:
        """The loss of a batch, in float32 whatever the logits are.

        Args:
            logits: (n, classes, height, width), any floating dtype.
            given: what is known of each pixel.

        Returns:
            A scalar; 0 with zero gradients where no pixel has a weight.
        """
        settings = self.settings
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits.float()
            losses = []
            if settings.cross_entropy:
                losses.append(settings.cross_entropy * self._cross_entropy(logits, given))
            if settings.dice:
                losses.append(settings.dice * soft_dice(logits, given))
            if settings.lovasz:
                losses.append(settings.lovasz * lovasz_softmax(logits, given))
            if settings.focal:
                losses.append(settings.focal * focal(logits, given, gamma=settings.focal_gamma))
            return torch.stack(losses).sum()

    def _cross_entropy(self, logits: Tensor, given: PixelLabels) -> Tensor:
        settings = self.settings
        if settings.ohem_threshold is not None:
            hard = hard_weights(logits, given, threshold=settings.ohem_threshold, least=settings.ohem_least)
            given = replace(given, weights=hard)
        weights = None if self.class_weights is None else logits.new_tensor(self.class_weights)
        return cross_entropy(logits, given, smoothing=settings.label_smoothing, class_weights=weights)


def balanced_weights(class_counts: ArrayLike) -> tuple[float, ...]:
    """Median frequency / frequency of each class, within 0.5 and 5 (Eigen and Fergus 2015).

    Args:
        class_counts: (classes,) pixels of each class; a class without any gets 1 and does not move the median.
    """
    counts = np.asarray(class_counts, dtype=np.float64)
    median = np.median(counts[counts > 0]) if (counts > 0).any() else 1.0
    weights = np.divide(median, counts, out=np.ones_like(counts), where=counts > 0)
    return tuple(np.clip(weights, *_BALANCED_RANGE).tolist())


def _named_weights(weights: Mapping[str, float], class_names: Sequence[str]) -> tuple[float, ...]:
    unknown = sorted(set(weights) - set(class_names))
    if unknown:
        raise ConfigError(
            f"loss: class_weights: {unknown[0]!r} is no class of the legend; its classes: {', '.join(class_names)}"
        )
    return tuple(weights.get(name, 1.0) for name in class_names)
