"""Parts of an image hidden, so that a network learns to tell them from what is around (MIC: Hoyer et al. 2023)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def hidden_blocks(shape: tuple[int, int, int], *, ratio: float, block: int, rng: np.random.Generator) -> Tensor:
    """(n, height, width) bool, True in the blocks that are hidden: of each image exactly the same number of blocks.

    Args:
        shape: n, height, width.
        ratio: share of the blocks, 0 to 1, rounded to whole blocks.
        block: side, px; those at the lower and right rim may be smaller.
        rng: where the numbers come from.
    """
    n, height, width = shape
    rows, columns = -(-height // block), -(-width // block)
    places = np.stack([rng.permutation(rows * columns) for _ in range(n)])
    hidden = torch.from_numpy(places < round(ratio * rows * columns)).view(n, rows, columns)
    grown = hidden.repeat_interleave(block, dim=1).repeat_interleave(block, dim=2)
    return grown[:, :height, :width]


def masked(images: Tensor, hidden: Tensor) -> Tensor:
    """Normalised images (n, bands, height, width) that are 0, the mean of training, where hidden."""
    return images.masked_fill(hidden[:, None], 0.0)
