"""Rows of a scene that tiles are cut from: each storage block is decoded once, and nothing is copied to keep it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from geoseg.raster.patch import Patch, SceneReader
from geoseg.window import Window

_MIN_ROWS = 64


@dataclass(frozen=True, slots=True)
class Rows:
    """Pixels as they were read, piece below piece; the pieces are shared with the rows before and after."""

    pieces: tuple[Patch, ...]
    """From top to bottom, all of the same columns."""

    @property
    def window(self) -> Window:
        """What they cover together."""
        first, last = self.pieces[0].window, self.pieces[-1].window
        return Window.between(first.row, last.bottom, first.col, first.right)

    def part(self, window: Window) -> Patch:
        """The pixels of a window inside; a view where one piece holds them."""
        holding = next((piece for piece in self.pieces if piece.window.intersect(window) == window), None)
        return self.copied(window) if holding is None else _part(holding, window)

    def copied(self, window: Window) -> Patch:
        """The pixels of a window inside, which keep no rows in memory."""
        parts = [_part(piece, common) for piece in self.pieces if (common := piece.window.intersect(window))]
        image = np.concatenate([part.image for part in parts], axis=1)
        return Patch(image=image, valid=np.concatenate([part.valid for part in parts]), window=window)


class RollingRows:
    """Rows of a column range of the scene; those already read are kept until a request starts below them."""

    def __init__(self, scene: SceneReader, left: int, right: int) -> None:
        """Read columns left..right-1 of a scene, in whole storage-block rows."""
        self._scene, self._left, self._right = scene, left, right
        self._step = scene.storage_rows * -(-_MIN_ROWS // scene.storage_rows)
        self._kept: tuple[Patch, ...] = ()

    def rows(self, top: int, bottom: int) -> Rows:
        """Rows top..bottom-1, inside the scene, and perhaps a few more on either side."""
        kept = tuple(piece for piece in self._kept if piece.window.bottom > top)
        if not kept or kept[0].window.row > top:
            kept = (self._read(top - top % self._step, bottom),)
        elif bottom > kept[-1].window.bottom:
            kept = (*kept, self._read(kept[-1].window.bottom, bottom))
        self._kept = kept
        return Rows(kept)

    def _read(self, top: int, bottom: int) -> Patch:
        bottom = min(bottom + -bottom % self._step, self._scene.georef.height)
        return self._scene.read(Window.between(top, bottom, self._left, self._right))


def _part(patch: Patch, window: Window) -> Patch:
    here = window.slices_in(patch.window)
    return Patch(image=patch.image[:, *here], valid=patch.valid[here], window=window)
