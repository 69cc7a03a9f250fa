"""The network that tells which domain a map of classes comes from, and whether it tells too well."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_STAGES = 5
_SLOPE = 0.2
_KERNEL = 4
_CHANCE = math.log(2)
_DECAY = 0.9

SOURCE, TARGET = 0, 1
"""Domains as a discriminator tells them."""


def build_discriminator(channels: int, *, outputs: int, width: int, side: int) -> nn.Sequential:
    """The patch discriminator of AdaptSegNet (Tsai et al. 2018): convolutions that halve, leaky between, no norm.

    Args:
        channels: of the maps it is shown, one a class.
        outputs: 1, or twice the classes where it tells domains class by class.
        width: channels after the first convolution; 64 in the paper, twice as many after each of the next three.
        side: of the maps, px; below 64 it has fewer stages than 5, so that at least 2 x 2 patches are left.

    Returns:
        From maps (n, channels, side, side) to logits (n, outputs, patches, patches), above 0 for the target.
    """
    stages = max(1, min(_STAGES, int(math.log2(side)) - 1))
    widths = [channels, *(width * 2**stage for stage in range(stages - 1)), outputs]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Conv2d(before, after, _KERNEL, stride=2, padding=1), nn.LeakyReLU(_SLOPE)]
    return nn.Sequential(*layers[:-1])


def domain_loss(logits: Tensor, valid: Tensor, *, domain: int, classes: Tensor | None = None) -> Tensor:
    """How wrong it is that patches are of a domain; 0 where no pixel is valid.

    With one output this is binary cross-entropy. With two a class it is the cross-entropy of domain and class together,
    each patch with the shares of its classes (FADA, Wang et al. 2020).

    Args:
        logits: (n, 1 or 2 x classes, patches, patches); of two a class, all of the source come first.
        valid: (n, height, width) bool; a patch counts by the share of its pixels that are valid.
        domain: `SOURCE` or `TARGET`.
        classes: (n, classes, height, width) probabilities, needed with two outputs a class.
    """
    logits = logits.float()
    size = (logits.shape[-2], logits.shape[-1])
    shares = functional.adaptive_avg_pool2d(valid.unsqueeze(1).to(logits.dtype), size).squeeze(1)
    if classes is None:
        truth = torch.full_like(logits, float(domain))
        losses = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").squeeze(1)
    else:
        there = functional.adaptive_avg_pool2d(classes.detach().float() * valid.unsqueeze(1), size)
        there = there / there.sum(dim=1, keepdim=True).clamp(min=1e-6)
        losses = -(there * torch.log_softmax(logits, dim=1).chunk(2, dim=1)[domain]).sum(dim=1)
    return (losses * shares).sum() / shares.sum().clamp(min=1e-6)


def told_apart(logits: Tensor) -> Tensor:
    """Logits of the target domain alone (n, 1, patches, patches), whatever the classes."""
    if logits.shape[1] == 1:
        return logits
    source, target = logits.float().chunk(2, dim=1)
    return target.logsumexp(dim=1, keepdim=True) - source.logsumexp(dim=1, keepdim=True)


class Health:
    """Whether a discriminator is still unsure: one that has won gives no direction any more.

    What is watched is the moving mean of its binary cross-entropy, ln 2 where it guesses, near 0 where it has won.
    """

    def __init__(self, *, least: float) -> None:
        """Begin with a discriminator that guesses.

        Args:
            least: cross-entropy below which it has won.
        """
        self._least = least
        self.loss = _CHANCE
        """The moving mean."""

    @property
    def healthy(self) -> bool:
        """Whether it has not won."""
        return self.loss >= self._least

    def see(self, loss: float) -> None:
        """Take the loss of one more step in."""
        self.loss = _DECAY * self.loss + (1 - _DECAY) * loss
