"""Views of windows that show the same ground: turned, mirrored, moved by some pixels, in slightly other light."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_BAND_ANGLE = math.pi * (3 - math.sqrt(5))


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One way to look at square windows again. Invertible but for a rim of `moved` pixels."""

    turns: int = 0
    """Quarter turns counter-clockwise."""

    mirrored: bool = False
    """True where it is mirrored left to right before it is turned."""

    moved: tuple[int, int] = (0, 0)
    """Pixels down and to the right, before anything else."""

    light: float = 0.0
    """Greatest change of a band: as a share of its numbers, and as much added in standard deviations."""

    def images(self, images: Tensor) -> Tensor:
        """What is seen of normalised images (n, bands, side, side). Zeros, which mean no data, stay zeros."""
        return self.laid(self._lit(_moved(images, self.moved)))

    def laid(self, maps: Tensor) -> Tensor:
        """Maps (..., side, side) mirrored and turned, not moved."""
        mirrored = maps.flip(-1) if self.mirrored else maps
        return torch.rot90(mirrored, self.turns, dims=(-2, -1)).contiguous()

    def undone(self, maps: Tensor) -> Tensor:
        """Maps (..., side, side) of what is seen, laid back on the pixels of the windows."""
        back = torch.rot90(maps, -self.turns, dims=(-2, -1))
        back = back.flip(-1) if self.mirrored else back
        return _moved(back, (-self.moved[0], -self.moved[1]))

    def kept(self, side: int) -> Tensor:
        """(side, side) bool, True where a pixel of the window is seen and comes back to its place."""
        down, right = (slice(max(-by, 0), side - max(by, 0)) for by in self.moved)
        kept = torch.zeros(side, side, dtype=torch.bool)
        kept[down, right] = True
        return kept

    def _lit(self, images: Tensor) -> Tensor:
        if self.light == 0:
            return images
        angles = _BAND_ANGLE * torch.arange(1, images.shape[1] + 1, device=images.device) + self.turns
        gains, offsets = (self.light * wave.to(images).view(1, -1, 1, 1) for wave in (angles.sin(), angles.cos()))
        return torch.where(images == 0, images, images * (1 + gains) + offsets)


SYMMETRIES = tuple(View(turns=turns, mirrored=mirrored) for mirrored in (False, True) for turns in range(4))
"""The eight ways to lay a square onto itself (Cohen and Welling 2016, Group Equivariant Convolutional Networks, name
the group), the first of which changes nothing."""

CHANGED = (
    View(turns=1, moved=(3, -5), light=0.05),
    View(turns=2, mirrored=True, moved=(-6, 2), light=0.05),
    View(turns=3, moved=(5, 7), light=0.05),
    View(turns=0, mirrored=True, moved=(-7, -3), light=0.05),
    View(turns=2, moved=(1, 9), light=0.05),
    View(turns=1, mirrored=True, moved=(-2, -9), light=0.05),
)
"""Views that a map should not depend on, the most telling first."""


def _moved(maps: Tensor, by: tuple[int, int]) -> Tensor:
    """Maps (..., side, side) moved down and right; what comes in repeats the outermost pixels."""
    for dimension, pixels in ((-2, by[0]), (-1, by[1])):
        if pixels:
            side = maps.shape[dimension]
            places = torch.arange(side, device=maps.device) - pixels
            maps = maps.index_select(dimension, places.clamp(0, side - 1))
    return maps
