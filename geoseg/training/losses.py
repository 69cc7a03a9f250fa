"""What training makes small. Every loss honours a weight per pixel; a crop without a known pixel costs exactly 0."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as nnf


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """The one reduction of all losses: sum(values x weights) / max(sum(weights), 1).

    Args:
        values: any shape; where the weight is 0 they must be finite.
        weights: same shape, 0 or more.

    Returns:
        A scalar; 0 with zero gradients where no pixel has a weight.
    """
    return (values * weights).sum() / weights.sum().clamp_min(1)


def cross_entropy(
    logits: Tensor, labels: Tensor, weights: Tensor, *, smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Cross-entropy per pixel, averaged by weight.

    Args:
        logits: (n, classes, height, width).
        labels: (n, height, width), class index; any class where the weight is 0.
        weights: (n, height, width), 0 where the pixel is not learnt from.
        smoothing: share of the target spread evenly over the classes.
        class_weights: (classes,) factors on the weight of a pixel, by its label.
    """
    log_shares = nnf.log_softmax(logits, dim=1)
    wanted = log_shares.gather(1, labels[:, None])[:, 0]
    losses = -(1 - smoothing) * wanted - smoothing * log_shares.mean(dim=1)
    if class_weights is not None:
        weights = weights * class_weights[labels]
    return weighted_mean(losses, weights)


def soft_dice(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """1 - Dice of the softmax, pooled over the batch, averaged over the classes in the labels (Milletari et al. 2016).

    Args:
        logits: (n, classes, height, width).
        labels: (n, height, width), class index; any class where the weight is 0.
        weights: (n, height, width), 0 where the pixel is not learnt from.
    """
    shares = logits.softmax(dim=1) * weights[:, None]
    reference = nnf.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2) * weights[:, None]
    overlap, found, wanted = ((part).sum(dim=(0, 2, 3)) for part in (shares * reference, shares, reference))
    dice = 2 * overlap / (found + wanted).clamp_min(1e-6)
    return weighted_mean(1 - dice, (wanted > 0).to(dice.dtype))


def segmentation_loss(
    logits: Tensor,
    labels: Tensor,
    weights: Tensor,
    *,
    dice: float,
    smoothing: float,
) -> Tensor:
    """Cross-entropy plus `dice` times soft Dice, in float32 whatever the logits are."""
    logits = logits.float()
    loss = cross_entropy(logits, labels, weights, smoothing=smoothing)
    return loss + dice * soft_dice(logits, labels, weights) if dice else loss


def known_pixels(labels: Tensor, *, ignored: int) -> tuple[Tensor, Tensor]:
    """Labels in which ignored pixels are class 0, and their weights, 0 where ignored and 1 elsewhere."""
    known = labels != ignored
    return torch.where(known, labels, 0).long(), known.float()
