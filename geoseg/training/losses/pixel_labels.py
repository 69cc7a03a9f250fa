"""What is known of each pixel, and the mean over what is known."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelLabels:
    """Labels that losses learn from; a label stands for one class or leaves several open."""

    codes: Tensor
    """(n, height, width) int64, row of `members`; any row where the weight is 0."""

    weights: Tensor
    """(n, height, width) float32, 0 where the pixel is not learnt from."""

    members: Tensor
    """(codes, classes) bool, True where the label leaves the class open; the first rows are the single classes, in the
    order of the logits, and no row is empty."""

    @property
    def classes(self) -> int:
        """Number of classes, which is the first code of a partial label."""
        return self.members.shape[1]

    @property
    def partial(self) -> bool:
        """Whether any pixel has a partial label."""
        return len(self.members) > self.classes and bool((self.codes >= self.classes).any())


def pixel_labels_of(labels: Tensor, members: Tensor, *, ignored: int) -> PixelLabels:
    """What labels say, every known pixel with weight 1.

    Args:
        labels: (n, height, width) uint8, row of `members` or `ignored`.
        members: (codes, classes) bool, as in `PixelLabels`.
        ignored: the label of pixels that are not learnt from.
    """
    known = labels != ignored
    codes = torch.where(known, labels, 0).long()
    return PixelLabels(codes=codes, weights=known.float(), members=members.to(labels.device))


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """The one reduction of all losses: sum(values x weights) / max(sum(weights), 1).

    Args:
        values: any shape; where the weight is 0 they must be finite.
        weights: same shape, 0 or more.

    Returns:
        A scalar; 0 with zero gradients where no pixel has a weight.
    """
    return (values * weights).sum() / weights.sum().clamp_min(1)
