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
    for row in range(out.shape[0]):
        upper, lower, line = pixels[2 * row], _below(pixels, row), out[row]
        whole = len(upper) // 2
        for col in range(whole):
            a, b, c, d = upper[2 * col], upper[2 * col + 1], lower[2 * col], lower[2 * col + 1]
            line[col] = a if a == b and c == d and a == c else _most_frequent(a, b, c, d)
        for col in range(whole, len(line)):  # beyond the last column is nodata
            line[col] = _most_frequent(upper[2 * col], np.uint8(_NODATA), lower[2 * col], np.uint8(_NODATA))


@compiled
def _mean(pixels: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    for row in range(out.shape[0]):
        upper, lower, line = pixels[2 * row], _below(pixels, row), out[row]
        whole = len(upper) // 2
        for col in range(whole):
            line[col] = _mean_of(upper[2 * col], upper[2 * col + 1], lower[2 * col], lower[2 * col + 1])
        for col in range(whole, len(line)):
            line[col] = _mean_of(upper[2 * col], np.uint8(_NODATA), lower[2 * col], np.uint8(_NODATA))


@compiled
def _below(pixels: NDArray[np.uint8], row: int) -> NDArray[np.uint8]:
    """The lower of the two rows that become one; nodata where there is none."""
    if 2 * row + 1 < pixels.shape[0]:
        line: NDArray[np.uint8] = pixels[2 * row + 1]
        return line
    beyond: NDArray[np.uint8] = np.full(pixels.shape[1], np.uint8(_NODATA))
    return beyond


@compiled
def _most_frequent(a: np.uint8, b: np.uint8, c: np.uint8, d: np.uint8) -> np.uint8:
    best, most = np.uint8(_NODATA), 0
    for value in (a, b, c, d):
        count = int(value == a) + int(value == b) + int(value == c) + int(value == d)
        if value != _NODATA and count > most:
            best, most = value, count
    return best


@compiled
def _mean_of(a: np.uint8, b: np.uint8, c: np.uint8, d: np.uint8) -> np.uint8:
    """Rounded half up."""
    if _NODATA not in (a, b, c, d):
        return np.uint8((np.int32(a) + np.int32(b) + np.int32(c) + np.int32(d) + 2) >> 2)
    total, count = 0, 0
    for value in (a, b, c, d):
        if value != _NODATA:
            total, count = total + int(value), count + 1
    return np.uint8((2 * total + count) // (2 * count)) if count > 0 else np.uint8(_NODATA)
