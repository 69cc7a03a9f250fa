"""How far the edge of a tile reaches into what a network says of it. Plain numbers, no torch.

`geoseg.models.edge_effects` measures it, a package keeps it, and the overlap of tiles is chosen by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError
from geoseg.tiling.grid import NETWORK_STRIDE
from geoseg.tiling.weights import Ramp, flat_top_cosine

BIN = 16
"""Pixels of distance from the edge of a tile that are counted together."""

_LARGEST = 2**16
_SMALLEST = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What of a network's output the edges of a tile change, against one pass over a whole image.

    Its curves are measured on pseudo-random pixels, whose classes are less sure than those of imagery.
    """

    radius: int | None
    """Pixels as far from every edge of a tile as this, or farther, are exactly (up to rounding) those of a pass over a
    whole image; None where there is no such distance: each pixel sees the whole tile, or the tile's place matters."""

    divisor: int
    """Sides of tiles are multiples of it, px."""

    tile: int
    """Side of the tiles measured, px."""

    labels: tuple[float, ...]
    """Share of the labels that differ, 0 to 1, by distance from the nearest edge: 0 to 15 px, 16 to 31 px, ..."""

    probabilities: tuple[float, ...]
    """The same for half of the sum over the classes of the differences of their probabilities, 0 to 1."""

    def __post_init__(self) -> None:
        if self.radius is not None and not 0 <= self.radius <= _LARGEST:
            raise ModelError(f"the radius of a network must be from 0 to {_LARGEST} px, got {self.radius}")
        for name, pixels in (("divisor", self.divisor), ("tile", self.tile)):
            if not 0 < pixels <= _LARGEST:
                raise ModelError(f"the {name} of a context must be from 1 to {_LARGEST} px, got {pixels}")
        bins = -(-self.tile // (2 * BIN))
        for curve in (self.labels, self.probabilities):
            if len(curve) != bins:
                raise ModelError(f"the context of tiles of {self.tile} px needs {bins} shares, got {len(curve)}")
            if not all(math.isfinite(share) and 0 <= share <= 1 for share in curve):
                raise ModelError("the shares of a context must lie between 0 and 1")

    @property
    def summary(self) -> str:
        """One line for people."""
        reach = "everywhere in it" if self.radius is None else f"up to {self.radius} px away"
        return (
            f"the edges of a tile of {self.tile} px are felt {reach}; labels that differ from those of a larger image: "
            f"{self.labels[0]:.1%} within {BIN} px of an edge, {self.labels[-1]:.1%} in the middle (measured on noise)"
        )

    @property
    def edge_step(self) -> int:
        """Sides of tiles that were tried, px: multiples of it are known to work."""
        step = math.lcm(self.divisor, NETWORK_STRIDE)
        return -(-_SMALLEST // step) * step

    def difference(self, *, tile: int, overlap: int, margin: int = 0) -> float:
        """Share of the labels of a scene that may differ from one pass over it, 0 to 1.

        Each pixel of a tile counts with the weight by which it is blended, and as much as labels or probabilities
        differ at its distance from the edge, whichever differ more: noise may get one class everywhere, and its labels
        then say little. Where tiles are blended others often outvote the one that differs, so it is rather less.

        Args:
            tile: side of a tile, px.
            overlap: pixels that neighbours share.
            margin: outermost pixels of a tile that count nothing.
        """
        weight = flat_top_cosine(tile, Ramp(overlap, margin), first=False, last=False).astype(np.float64)
        nearest = np.minimum(np.arange(tile), np.arange(tile)[::-1])
        by_distance = np.bincount(nearest, weights=weight)
        beyond = np.cumsum(by_distance[::-1])[::-1] ** 2  # what lies at least so far from all four edges
        frames = beyond - np.append(beyond[1:], 0)
        return float(frames @ self._by_pixel(len(frames)) / (tile - overlap) ** 2)

    def is_exact(self, *, margin: int) -> bool:
        """True where tiles that count nothing over such a margin make the map of one pass over the scene."""
        return self.radius is not None and margin >= self.radius

    def _by_pixel(self, length: int) -> NDArray[np.float64]:
        """Share that differs at each distance, px; past the curve its last value."""
        places = np.minimum(np.arange(length) // BIN, len(self.labels) - 1)
        shares = np.maximum(self.labels, self.probabilities)[places]
        if self.radius is not None:
            shares[self.radius :] = 0
        return shares
