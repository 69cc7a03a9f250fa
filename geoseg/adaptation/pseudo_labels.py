"""Labels that a teacher gives to ground without any, and how much each of them counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from geoseg.shift.views import View


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PseudoLabels:
    """What a teacher says of each pixel."""

    classes: Tensor
    """(n, height, width) int64, class index."""

    confidence: Tensor
    """(n, height, width) float32, probability of that class."""


@torch.no_grad()
def mean_over_views(
    probabilities_of: Callable[[Tensor], Tensor], images: Tensor, views: Sequence[View]
) -> PseudoLabels:
    """Labels of the probabilities averaged over turned and mirrored views (SAC: Araslanov and Roth 2021).

    Args:
        probabilities_of: from normalised images (n, bands, side, side) to (n, classes, side, side).
        images: (n, bands, side, side), normalised.
        views: at least one.
    """
    total = torch.stack([view.undone(probabilities_of(view.laid(images))) for view in views]).mean(dim=0)
    confidence, classes = total.max(dim=1)
    return PseudoLabels(classes=classes, confidence=confidence)


class ClassThresholds:
    """The confidence that a pseudo-label needs, for each class: a limit, or less where the class never reaches it.

    It is the smaller of the limit and a running quantile of the confidences of the pixels given that class. So a share
    of every class is learnt from, also of those a network is never sure of (CBST: Zou et al. 2018; the running mean of
    IAST: Mei et al. 2020).
    """

    def __init__(self, classes: int, *, limit: float, quantile: float, momentum: float = 0.9) -> None:
        """Begin where no pixel was seen, with the limit for all classes.

        Args:
            classes: how many.
            limit: largest threshold, 0 to 1.
            quantile: share of a class's pixels that lie below its running quantile, 0 to 1.
            momentum: of the running mean over batches, 0 to 1.
        """
        self._limit, self._quantile, self._momentum = limit, quantile, momentum
        self._running = torch.full((classes,), torch.nan)

    @property
    def values(self) -> Tensor:
        """(classes,) float32."""
        return torch.nan_to_num(self._running, nan=self._limit).clamp_max(self._limit)

    def update(self, pseudo: PseudoLabels, valid: Tensor) -> None:
        """Move towards the quantiles of a batch; classes it has no pixel of stay.

        Args:
            pseudo: of the batch.
            valid: (n, height, width) bool, True = usable.
        """
        classes, confidence = pseudo.classes[valid], pseudo.confidence[valid]
        found = [_quantile(confidence[classes == index], self._quantile) for index in range(len(self._running))]
        now = torch.tensor(found)
        moved = torch.where(self._running.isnan(), now, torch.lerp(now, self._running, self._momentum))
        self._running = torch.where(now.isnan(), self._running, moved)

    def kept(self, pseudo: PseudoLabels, valid: Tensor) -> Tensor:
        """(n, height, width) bool, True where a valid pixel's label is confident enough."""
        return valid & (pseudo.confidence >= self.values.to(pseudo.confidence.device)[pseudo.classes])


def share_above(pseudo: PseudoLabels, valid: Tensor, *, limit: float) -> Tensor:
    """(n, height, width) one weight for all valid pixels: the share of them above a limit, as in DACS.

    Args:
        pseudo: of a batch.
        valid: (n, height, width) bool, True = usable.
        limit: confidence, 0 to 1.
    """
    confident = (pseudo.confidence > limit) & valid
    return valid * (confident.sum() / valid.sum().clamp_min(1)).to(pseudo.confidence.dtype)


def _quantile(confidence: Tensor, share: float) -> float:
    """The value that this share of the pixels (at most) lies below; NaN where there are none."""
    if not len(confidence):
        return torch.nan
    return float(confidence.kthvalue(min(len(confidence), 1 + int(share * len(confidence)))).values)
