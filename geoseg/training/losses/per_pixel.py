"""Losses that are a mean over pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from geoseg.training.losses.pixel_labels import PixelLabels, weighted_mean


def cross_entropy(
    logits: Tensor, given: PixelLabels, *, smoothing: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Surprise per pixel at its label, averaged by weight.

    The surprise at a partial label is -log of the summed probability of the classes it leaves open (the marginal
    loss of Shi et al. 2021), so a label that leaves all open costs 0. With labels of one class this is the usual
    cross-entropy.

    Args:
        logits: (n, classes, height, width).
        given: what is known of each pixel.
        smoothing: share of a single class's label spread evenly over the classes; partial labels are not smoothed.
        class_weights: (classes,) factors on the weight of a pixel, by its label; the mean of its classes' where it
            is partial. As they are weights, the mean is over pixels x factors.
    """
    log_shares = logits.log_softmax(dim=1)
    losses = -_log_share_of_label(log_shares, given)
    if smoothing:
        spread = smoothing * (given.codes < given.classes)
        losses = losses - spread * (log_shares.mean(dim=1) + losses)
    return weighted_mean(losses, _by_label(given, class_weights))


def focal(logits: Tensor, given: PixelLabels, *, gamma: float = 2.0) -> Tensor:
    """Mean of -(1-p)^gamma log p, p the probability of the label (Lin et al. 2017), summed over a partial label.

    Args:
        logits: (n, classes, height, width).
        given: what is known of each pixel.
        gamma: 0 or more; 0 gives the cross-entropy.
    """
    log_shares = _log_share_of_label(logits.log_softmax(dim=1), given)
    # 1-p never gets to 0, where a power below 1 has no finite slope.
    doubts = (-torch.expm1(log_shares)).clamp_min(torch.finfo(logits.dtype).tiny)
    return weighted_mean(-(doubts**gamma) * log_shares, given.weights)


@torch.no_grad()
def hard_weights(logits: Tensor, given: PixelLabels, *, threshold: float = 0.7, least: float = 0.0625) -> Tensor:
    """Weights that leave only the hard pixels (online hard example mining, Shrivastava et al. 2016).

    Args:
        logits: (n, classes, height, width).
        given: what is known of each pixel.
        threshold: a pixel is hard where its label's probability is lower, 0 to 1.
        least: share of the known pixels that are kept at least, those of the lowest probability; with them go all
            that are as hard as the easiest of these.

    Returns:
        (n, height, width), those of the given, 0 where a pixel is not hard; without gradients.
    """
    shares = _log_share_of_label(logits.log_softmax(dim=1), given).exp()
    hard = shares < threshold
    known = shares[given.weights > 0]
    if count := math.ceil(least * len(known)):
        hard |= shares <= known.kthvalue(count).values
    return given.weights * hard


def _log_share_of_label(log_shares: Tensor, given: PixelLabels) -> Tensor:
    """Log of the summed probability of the classes that each pixel's label leaves open, (n, height, width)."""
    single = given.codes.clamp_max(given.classes - 1)
    found = log_shares.gather(1, single[:, None])[:, 0]
    if not given.partial:
        return found
    codes = given.codes.flatten(1)
    chip, pixel = (codes >= given.classes).nonzero(as_tuple=True)
    closed = ~given.members[codes[chip, pixel]]
    summed = log_shares.flatten(2)[chip, :, pixel].masked_fill(closed, -torch.inf).logsumexp(dim=1)
    return found.flatten(1).index_put((chip, pixel), summed).view_as(found)


def _by_label(given: PixelLabels, class_weights: Tensor | None) -> Tensor:
    """Weights of the pixels times the factors of their labels."""
    if class_weights is None:
        return given.weights
    members = given.members.to(class_weights.dtype)
    return given.weights * (members @ class_weights / members.sum(dim=1))[given.codes]
