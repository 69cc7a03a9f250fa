"""What self-training makes small on ground without labels."""

from __future__ import annotations

import torch
from torch import Tensor

from geoseg.adaptation.mixing import Labelled
from geoseg.data.chips import IGNORED
from geoseg.training.losses import PixelLabels, cross_entropy


def pseudo_loss(logits: Tensor, given: Labelled, members: Tensor) -> Tensor:
    """Weighted cross-entropy over all pixels: those without weight count as right ones, so doubt makes steps small.

    Args:
        logits: (n, classes, height, width) float32.
        given: what to learn.
        members: (codes, classes) bool, True where a class is one of a label code's.

    Returns:
        A scalar; 0 with zero gradients where no pixel has a weight.
    """
    codes = torch.where(given.labels == IGNORED, 0, given.labels).long()
    weights = torch.where(given.labels == IGNORED, 0.0, given.weights)
    mean = cross_entropy(logits, PixelLabels(codes=codes, weights=weights, members=members))
    return mean * weights.sum().clamp_min(1) / weights.numel()


def anchor_loss(logits: Tensor, wanted: Tensor, valid: Tensor, *, limit: float) -> Tensor:
    """Divergence from what a frozen model says (Kullback-Leibler), over its confident pixels, a mean over all.

    Args:
        logits: (n, classes, height, width) float32.
        wanted: (n, classes, height, width) probabilities.
        valid: (n, height, width) bool, True = usable.
        limit: probability above which a pixel counts, 0 to 1.
    """
    confident = valid & (wanted.amax(dim=1) >= limit)
    terms = torch.xlogy(wanted, wanted) - wanted * logits.log_softmax(dim=1)
    return (terms.sum(dim=1) * confident).sum() / confident.numel()
