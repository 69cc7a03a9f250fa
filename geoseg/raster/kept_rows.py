"""Rows that are read once although windows overlap a little or end inside a storage block."""

from __future__ import annotations

import numpy as np

from geoseg.raster.patch import Patch
from geoseg.raster.pixel_source import PixelReader, WindowReader
from geoseg.window import Window

_MOST_BYTES = 256 * 2**20
_MOST_PIXELS = 2**26
_REPEATED = 2  # rows that the next window may share with this one


class KeptRows:
    """A reader that asks the one below for whole rows of storage blocks and keeps the last of them.

    It helps windows that go down the raster with the same columns; others pass as they are.
    """

    def __init__(self, reader: WindowReader, *, storage_rows: int, height: int) -> None:
        """Read through a reader.

        Args:
            reader: of the pixels.
            storage_rows: rows of a storage block, px.
            height: of the raster, px.
        """
        self._reader, self._step, self._height = reader, storage_rows, height
        self._kept: Patch | None = None

    def read(self, window: Window) -> Patch:
        """The pixels of a window inside the grid."""
        if self._step * window.width > _MOST_PIXELS:
            return self._reader.read(window)
        top, bottom = window.row - window.row % self._step, window.bottom + -window.bottom % self._step
        bottom = min(bottom, self._height)
        kept = self._kept
        continues = kept is not None and _columns(kept.window) == _columns(window) and _meets(kept.window, window)
        if continues and kept is not None:
            below = max(kept.window.bottom, window.row)
            fresh = self._rows(below, bottom, window) if bottom > below else None
            whole = kept if fresh is None else _stacked(kept, fresh)
        else:
            whole = self._rows(top, bottom, window)
        self._kept = self._worth_keeping(whole, window)
        return part_of(whole, window)

    def _rows(self, top: int, bottom: int, window: Window) -> Patch:
        return self._reader.read(Window.between(top, bottom, window.col, window.right))

    def _worth_keeping(self, whole: Patch, window: Window) -> Patch | None:
        """The last rows, copied so that the others can go."""
        start = window.bottom - _REPEATED
        start = max(start - start % self._step, whole.window.row)
        last = Window.between(start, whole.window.bottom, window.col, window.right)
        if window.bottom == self._height or last.height * last.width * whole.image.itemsize > _MOST_BYTES:
            return None
        tail = part_of(whole, last)
        return Patch(image=tail.image.copy(), valid=tail.valid.copy(), window=last)


class KeptFileRows(KeptRows):
    """The same of open files, which it closes."""

    def __init__(self, reader: PixelReader, *, storage_rows: int, height: int) -> None:
        super().__init__(reader, storage_rows=storage_rows, height=height)
        self._files = reader

    def close(self) -> None:
        """Close the files; closing twice is fine."""
        self._files.close()


def part_of(patch: Patch, window: Window) -> Patch:
    """The pixels of a window inside a patch, without copying."""
    here = window.slices_in(patch.window)
    return Patch(image=patch.image[:, *here], valid=patch.valid[here], window=window)


def _columns(window: Window) -> tuple[int, int]:
    return window.col, window.right


def _meets(kept: Window, window: Window) -> bool:
    return kept.row <= window.row <= kept.bottom


def _stacked(upper: Patch, lower: Patch) -> Patch:
    window = Window.between(upper.window.row, lower.window.bottom, upper.window.col, upper.window.right)
    image = np.concatenate([upper.image, lower.image], axis=1)
    return Patch(image=image, valid=np.concatenate([upper.valid, lower.valid]), window=window)
