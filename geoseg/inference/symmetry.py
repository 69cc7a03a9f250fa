"""Averages an engine over the eight symmetries of the square: a map that does not depend on how the scene lies."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from geoseg.inference.engine import Engine

Pixel = TypeVar("Pixel", bound=np.generic)


class Symmetry(NamedTuple):
    """One way to lay a square onto itself."""

    turns: int
    """Quarter turns counter-clockwise."""

    mirrored: bool
    """True where it is mirrored left to right before it is turned."""


SYMMETRIES = tuple(Symmetry(turns, mirrored) for mirrored in (False, True) for turns in range(4))
"""All eight."""


class D4Engine:
    """Another engine, asked for each tile in its eight turned and mirrored forms (test-time augmentation).

    What it gives is the mean of the eight answers, each turned back. Turning or mirroring a tile turns or mirrors the
    result, up to rounding (Cohen and Welling 2016, Group Equivariant Convolutional Networks, name the group). It
    takes eight times as long.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def classes(self) -> int:
        """How many classes."""
        return self._engine.classes

    @property
    def device(self) -> torch.device:
        """Where the probabilities lie."""
        return self._engine.device

    @property
    def threads(self) -> int:
        """As many as the other's."""
        return self._engine.threads

    def probabilities(self, images: NDArray[np.generic], usable: NDArray[np.bool_]) -> torch.Tensor:
        """As in `Engine`."""
        first, *others = SYMMETRIES
        total = self._seen(images, usable, first)
        for symmetry in others:
            total = total + self._seen(images, usable, symmetry)
        return total / len(SYMMETRIES)

    def _seen(self, images: NDArray[np.generic], usable: NDArray[np.bool_], symmetry: Symmetry) -> torch.Tensor:
        found = self._engine.probabilities(_laid(images, symmetry), _laid(usable, symmetry))
        back = torch.rot90(found, -symmetry.turns, dims=(-2, -1))
        return back.flip(-1) if symmetry.mirrored else back


def _laid(pixels: NDArray[Pixel], symmetry: Symmetry) -> NDArray[Pixel]:
    mirrored = pixels[..., ::-1] if symmetry.mirrored else pixels
    return np.ascontiguousarray(np.rot90(mirrored, symmetry.turns, axes=(-2, -1)))
