"""Losses that compare, class by class, the pixels found with those wanted.

A partial label says of the classes outside its set that they are not there, and of those in it nothing. So its pixels
are known negatives for the former, where any probability is a false positive, and are left out for the latter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from geoseg.training.losses.pixel_labels import PixelLabels, weighted_mean


def soft_dice(logits: Tensor, given: PixelLabels) -> Tensor:
    """1 - Dice of the softmax, pooled over the batch, averaged over the classes present (Milletari et al. 2016).

    A class is present where a pixel has it as its single label. A pixel with a partial label counts, for a class
    outside its set, as a known negative: its probability there is a false positive. For a class in its set the pixel
    is left out, of what is found and of what is wanted.

    Args:
        logits: (n, classes, height, width).
        given: what is known of each pixel.
    """
    wanted, found = _share_by_code(logits.softmax(dim=1), given)
    wanted = wanted[: given.classes]
    overlap = found.diagonal()
    counted = torch.eye(*given.members.shape, dtype=torch.bool, device=logits.device) | ~given.members
    dice = 2 * overlap / ((found * counted).sum(dim=0) + wanted).clamp_min(1e-6)
    return weighted_mean(1 - dice, (wanted > 0).to(dice.dtype))


def lovasz_softmax(logits: Tensor, given: PixelLabels) -> Tensor:
    """Lovász extension of 1 - IoU, pooled over the batch, averaged over the classes present (Berman et al. 2018).

    All pixels whose weight is above 0 count alike. A class is present, and pixels with a partial label count, as in
    `soft_dice`.

    Args:
        logits: (n, classes, height, width).
        given: what is known of each pixel.
    """
    known = given.weights > 0
    codes = given.codes[known]
    shares = logits.softmax(dim=1).movedim(1, 0)[:, known]
    pixels = codes.bincount(minlength=given.classes)[: given.classes]
    losses = []
    for index in pixels.nonzero()[:, 0].tolist():
        wanted = codes == index
        losses.append(_lovasz(shares[index], wanted, given.members[:, index][codes] & ~wanted))
    return torch.stack(losses).mean() if losses else 0 * shares.sum()


def _share_by_code(shares: Tensor, given: PixelLabels) -> tuple[Tensor, Tensor]:
    """Weight of the pixels with each code, (codes,), and the probability of each class there, (codes, classes)."""
    n, _, height, width = shares.shape
    by_code = shares.new_zeros(n, len(given.members), height, width)
    by_code.scatter_(1, given.codes[:, None], given.weights[:, None].to(shares.dtype))
    found = by_code.flatten(2) @ shares.flatten(2).transpose(1, 2)
    return by_code.sum(dim=(0, 2, 3)), found.sum(dim=0)


def _lovasz(shares: Tensor, wanted: Tensor, left_out: Tensor) -> Tensor:
    """The loss of one class.

    A pixel that is left out gets error 0: it then adds nothing, and as it comes last in the order it changes no other.

    Args:
        shares: (pixels,) probability of the class.
        wanted: (pixels,) bool, True where the class is the label; at least once.
        left_out: (pixels,) bool, True where the label leaves this class and others open.
    """
    errors = torch.where(wanted, 1 - shares, shares).masked_fill(left_out, 0)
    return errors @ _jaccard_slopes(errors.detach(), wanted)


def _jaccard_slopes(errors: Tensor, wanted: Tensor) -> Tensor:
    """What each pixel adds to 1 - IoU when pixels become wrong one after the other, the largest error first.

    1 - IoU is 1 - (wanted and still right) / (wanted or found). The differences are written out, as those of
    neighbouring quotients would lose their digits.

    Args:
        errors: (pixels,).
        wanted: (pixels,) bool, at least one True.
    """
    order = errors.argsort(descending=True)
    hits = wanted[order]
    right = hits.sum() - hits.cumsum(0)
    union = hits.sum() + (~hits).cumsum(0)
    missed = 1 / union.to(errors.dtype)
    added = right.to(errors.dtype) / (union * (union - 1)).clamp_min(1)
    return torch.empty_like(errors).scatter_(0, order, torch.where(hits, missed, added))
