"""Coarser levels of a raster of bytes, made while its rows are written. Four pixels become one; 255 is nodata."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.compiled import compiled

Kind = Literal["mode", "average"]
"""`mode` for class ids, `average` for quantities."""

_NODATA = NODATA_ID


class Overviews:
    """The coarser levels of a raster that arrives from top to bottom."""

    def __init__(self, kind: Kind, *, levels: int) -> None:
        """Make none yet.

        Args:
            kind: how four pixels become one.
            levels: how many; each is half as high and wide as the one before, rounded up.
        """
        self._kind = kind
        self._odd: list[NDArray[np.uint8] | None] = [None] * levels

    def add(self, rows: NDArray[np.uint8], *, last: bool) -> list[NDArray[np.uint8]]:
        """Take the next rows.

        Args:
            rows: (bands, n, width) below those before.
            last: True where nothing follows.

        Returns:
            For each level the rows that are complete now, (bands, m, width of the level); m may be 0.
        """
        found = []
        for level, odd in enumerate(self._odd):
            whole = rows if odd is None else np.concatenate([odd, rows], axis=1)
            even = whole.shape[1] if last else whole.shape[1] // 2 * 2
            self._odd[level] = None if even == whole.shape[1] else whole[:, even:].copy()
            rows = halved(np.ascontiguousarray(whole[:, :even]), self._kind)
            found.append(rows)
        return found


def levels_of(height: int, width: int, *, smallest: int) -> int:
    """How many levels until a raster fits a square of `smallest` px."""
    levels = 0
    while max(height, width) > smallest:
        height, width, levels = -(-height // 2), -(-width // 2), levels + 1
    return levels


def halved(pixels: NDArray[np.uint8], kind: Kind) -> NDArray[np.uint8]:
    """Half as high and wide, rounded up: what lies beyond the last row or column is nodata.

    Args:
        pixels: (bands, height, width).
        kind: the most frequent value, of equals the one of the upper left (then right, then lower) pixel; or the mean,
            rounded half up. Nodata counts only where all four are.
    """
    bands, height, width = pixels.shape
    out = np.empty((bands, -(-height // 2), -(-width // 2)), dtype=np.uint8)
    for band in range(bands):
        if kind == "mode":
            _mode(pixels[band], out[band])
        else:
            _mean(pixels[band], out[band])
    return out


@compiled
def _mode(pixels: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    height, width = pixels.shape
    for row in range(out.shape[0]):
        upper, lower = pixels[2 * row], pixels[min(2 * row + 1, height - 1)]
        below = 2 * row + 1 < height
        for col in range(out.shape[1]):
            right = 2 * col + 1 < width
            a = upper[2 * col]
            b = upper[2 * col + 1] if right else np.uint8(_NODATA)
            c = lower[2 * col] if below else np.uint8(_NODATA)
            d = lower[2 * col + 1] if below and right else np.uint8(_NODATA)
            if a == b == c == d:
                out[row, col] = a
            else:
                out[row, col] = _most_frequent(a, b, c, d)


@compiled
def _most_frequent(a: np.uint8, b: np.uint8, c: np.uint8, d: np.uint8) -> np.uint8:
    best, most = np.uint8(_NODATA), 0
    for value in (a, b, c, d):
        count = int(value == a) + int(value == b) + int(value == c) + int(value == d)
        if value != _NODATA and count > most:
            best, most = value, count
    return best


@compiled
def _mean(pixels: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    height, width = pixels.shape
    for row in range(out.shape[0]):
        for col in range(out.shape[1]):
            total, count = 0, 0
            for line in range(2 * row, min(2 * row + 2, height)):
                for place in range(2 * col, min(2 * col + 2, width)):
                    value = pixels[line, place]
                    total += int(value) if value != _NODATA else 0
                    count += int(value != _NODATA)
            out[row, col] = np.uint8((2 * total + count) // (2 * count)) if count > 0 else np.uint8(_NODATA)
