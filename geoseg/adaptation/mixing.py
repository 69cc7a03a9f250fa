"""Some classes of one image cut out and laid on another (ClassMix: Olsson et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from geoseg.data.chips import IGNORED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Labelled:
    """Images with labels that count more or less."""

    images: Tensor
    """(n, bands, height, width), normalised."""

    labels: Tensor
    """(n, height, width) uint8, label code; 255 = unknown."""

    weights: Tensor
    """(n, height, width) float32, 0 where not learnt from."""


def drawn_labels(labels: Tensor, rng: np.random.Generator) -> Tensor:
    """(n, height, width) bool, True on the pixels of a random half of the labels that each image has.

    Of an odd number the larger half is drawn; an image of one label gives nothing, as it would cover what it is laid
    on. Labels are told apart by where they first come, so that the numbers of the classes do not matter.

    Args:
        labels: (n, height, width) uint8, 255 = unknown, which is never drawn.
        rng: where the numbers come from.
    """
    return torch.stack([torch.isin(one, _half(one, rng)) for one in labels])


def mixed(laid: Labelled, ground: Labelled, where: Tensor) -> Labelled:
    """Pixels, labels and weights of one set of images laid on another.

    Args:
        laid: what is laid on top.
        ground: what it is laid on; as many images of one size.
        where: (n, height, width) bool, True where the first is seen.
    """
    return Labelled(
        images=torch.where(where[:, None], laid.images, ground.images),
        labels=torch.where(where, laid.labels, ground.labels),
        weights=torch.where(where, laid.weights, ground.weights),
    )


def _half(labels: Tensor, rng: np.random.Generator) -> Tensor:
    present, first = np.unique(labels.cpu().numpy(), return_index=True)
    in_order = present[np.argsort(first)]
    in_order = in_order[in_order != IGNORED]
    count = (len(in_order) + 1) // 2 if len(in_order) > 1 else 0
    return torch.from_numpy(rng.permutation(in_order)[:count]).to(labels.device)
