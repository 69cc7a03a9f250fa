"""Losses that are a mean over pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from geoseg.training.losses.target import Target, weighted_mean


def cross_entropy(
    logits: Tensor, target: Target, *, smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Surprise per pixel at its label, averaged by weight.

    The surprise at a partial label is -log of the summed probability of the classes it leaves open (the marginal
    loss of Shi et al. 2021), so a label that leaves all open costs 0. With labels of one class this is the usual
    cross-entropy.

    Args:
        logits: (n, classes, height, width).
        target: what is known of each pixel.
        smoothing: share of a single class's label spread evenly over the classes; partial labels are not smoothed.
        class_weights: (classes,) factors on the weight of a pixel, by its label; the mean of its classes' where it
            is partial. As they are weights, the mean is over pixels x factors.
    """
    log_shares = logits.log_softmax(dim=1)
    losses = -_log_share_of_label(log_shares, target)
    if smoothing:
        spread = smoothing * (target.codes < target.classes)
        losses = losses - spread * (log_shares.mean(dim=1) + losses)
    return weighted_mean(losses, _by_label(target, class_weights))


def focal(logits: Tensor, target: Target, *, gamma: float = 2.0) -> Tensor:
    """Mean of -(1-p)^gamma log p, p the probability of the label (Lin et al. 2017), summed over a partial label.

    Args:
        logits: (n, classes, height, width).
        target: what is known of each pixel.
        gamma: 0 or more; 0 gives the cross-entropy.
    """
    log_shares = _log_share_of_label(logits.log_softmax(dim=1), target)
    # 1-p never gets to 0, where a power below 1 has no finite slope.
    doubts = (-torch.expm1(log_shares)).clamp_min(torch.finfo(logits.dtype).tiny)
    return weighted_mean(-(doubts**gamma) * log_shares, target.weights)


@torch.no_grad()
def hard_weights(logits: Tensor, target: Target, *, threshold: float = 0.7, least: float = 0.0625) -> Tensor:
    """Weights that leave only the hard pixels (online hard example mining, Shrivastava et al. 2016).

    Args:
        logits: (n, classes, height, width).
        target: what is known of each pixel.
        threshold: a pixel is hard where its label's probability is lower, 0 to 1.
        least: share of the known pixels that are kept at least, those of the lowest probability; with them go all
            that are as hard as the easiest of these.

    Returns:
        (n, height, width), those of the target, 0 where a pixel is not hard; without gradients.
    """
    shares = _log_share_of_label(logits.log_softmax(dim=1), target).exp()
    hard = shares < threshold
    known = shares[target.weights > 0]
    if count := math.ceil(least * len(known)):
        hard |= shares <= known.kthvalue(count).values
    return target.weights * hard


def _log_share_of_label(log_shares: Tensor, target: Target) -> Tensor:
    """Log of the summed probability of the classes that each pixel's label leaves open, (n, height, width)."""
    single = target.codes.clamp_max(target.classes - 1)
    found = log_shares.gather(1, single[:, None])[:, 0]
    if not target.partial:
        return found
    codes = target.codes.flatten(1)
    chip, pixel = (codes >= target.classes).nonzero(as_tuple=True)
    closed = ~target.members[codes[chip, pixel]]
    summed = log_shares.flatten(2)[chip, :, pixel].masked_fill(closed, -torch.inf).logsumexp(dim=1)
    return found.flatten(1).index_put((chip, pixel), summed).view_as(found)


def _by_label(target: Target, class_weights: Tensor | None) -> Tensor:
    """Weights of the pixels times the factors of their labels."""
    if class_weights is None:
        return target.weights
    members = target.members.to(class_weights.dtype)
    return target.weights * (members @ class_weights / members.sum(dim=1))[target.codes]
