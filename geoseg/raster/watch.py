"""What was read of a scene, as digests: by them a later run knows which blocks it would compute in the same way."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoseg.compiled import compiled
from geoseg.georef import GeoRef
from geoseg.raster.patch import Patch, SceneReader
from geoseg.raster.scene import SceneSource
from geoseg.window import Window

_DIGEST_BYTES = 16
_BESIDE = (".aux.xml", ".msk", ".ovr", ".MSK", ".OVR")
_QUIET_SECONDS = 3.0  # longer than the clock of any file system ticks
_PIXELS_AT_ONCE = 2**22


class Watch:
    """What was read: a digest of every row of pixels, and what could not be read."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int, int], int] = {}
        self._lost: set[Window] = set()

    def saw(self, patch: Patch) -> None:
        """Remember the rows of a patch."""
        window = patch.window
        for row, digest in enumerate(_digests(patch.image, patch.valid).tolist(), start=window.row):
            self._rows[row, window.col, window.right] = digest

    def lost(self, window: Window) -> None:
        """Remember pixels that could not be read."""
        self._lost.add(window)

    def digest_of(self, windows: Iterable[Window]) -> str:
        """Digest of all pixels of windows whose rows were read with just these columns.

        Raises:
            KeyError: if a row of them was not.
        """
        keys = [(row, part.col, part.right) for part in windows for row in range(part.row, part.bottom)]
        rows = np.array([self._rows[key] for key in keys], dtype=np.uint64)
        return hashlib.blake2b(rows.data, digest_size=_DIGEST_BYTES).hexdigest()

    def lost_in(self, windows: Iterable[Window]) -> tuple[Window, ...]:
        """What could not be read of windows, in order."""
        parts = list(windows)
        return tuple(sorted(lost for lost in self._lost if any(lost.intersect(part) for part in parts)))

    def first_unseen(self, window: Window) -> int:
        """The first row of a window that was not read with its columns; the one below it if all were."""
        rows = range(window.row, window.bottom)
        return next((row for row in rows if (row, window.col, window.right) not in self._rows), window.bottom)

    def forget(self, above: int) -> None:
        """Rows above are not asked for any more."""
        for key in [key for key in list(self._rows) if key[0] < above]:  # a thread may be adding
            del self._rows[key]


class WatchedScene:
    """A scene whose reads are watched."""

    def __init__(self, scene: SceneReader, watch: Watch) -> None:
        self._scene, self._watch = scene, watch

    @property
    def georef(self) -> GeoRef:
        """That of the scene below."""
        return self._scene.georef

    @property
    def bands(self) -> tuple[str, ...]:
        """Those of the scene below."""
        return self._scene.bands

    @property
    def dtype(self) -> str:
        """That of the scene below."""
        return self._scene.dtype

    @property
    def storage_rows(self) -> int:
        """Those of the scene below."""
        return self._scene.storage_rows

    def read(self, window: Window) -> Patch:
        """The pixels of a window of the scene below."""
        patch = self._scene.read(window)
        self._watch.saw(patch)
        return patch


def watch_again(scene: SceneReader, windows: Iterable[Window], watch: Watch) -> str:
    """The digest of windows as they are now, from which rows that were watched before are not read again.

    Raises:
        SceneError: if they cannot be read.
    """
    parts, watched = list(windows), WatchedScene(scene, watch)
    for window in parts:
        step = max(1, _PIXELS_AT_ONCE // window.width)
        step += -step % scene.storage_rows
        row = watch.first_unseen(window)
        while row < window.bottom:
            bottom = min(row - row % step + step, window.bottom)
            watched.read(Window.between(row, bottom, window.col, window.right))
            row = bottom
    return watch.digest_of(parts)


def state_of(source: SceneSource) -> str | None:
    """What the file system says of the files of a scene and of those beside them; None where it says nothing.

    It is of size, place and times: where the digest is the same and the files were quiet, so are the pixels.
    """
    facts: list[object] = [repr(source)]
    for path in _files_of(source):
        state = path.stat()
        times = (state.st_mtime_ns, state.st_ctime_ns)
        facts.append((path.name, state.st_dev, state.st_ino, state.st_size, *times))
    if len(facts) == 1:
        return None
    return hashlib.blake2b(repr(facts).encode(), digest_size=_DIGEST_BYTES).hexdigest()


def is_quiet(source: SceneSource) -> bool:
    """True where no file was changed just now or, by its clock, in the future: the next change will show in its times.

    Where the clock ticks slowly or was set back a file may change and keep its times.
    """
    limit = time.time() - _QUIET_SECONDS
    states = [path.stat() for path in _files_of(source)]
    return all(max(state.st_mtime, state.st_ctime) < limit for state in states)


def _files_of(source: SceneSource) -> list[Path]:
    """Those of a scene with those beside them; none where one of them is not an ordinary local file."""
    files = [Path(name) for name in source.files]
    if not all(map(_is_file, files)):
        return []
    beside = [Path(f"{file}{ending}") for file in files for ending in _BESIDE]
    return [*files, *(path for path in beside if path.exists())]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # the text of a VRT is no name
        return False


def _digests(image: NDArray[np.generic], valid: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Of every row of a patch: sums of its numbers, each times an odd number of its place, modulo 2^64.

    Any one change shows; many at once escape with a chance of 2^-48 or less. Some ten times faster than a cryptographic
    digest, which would be what limits a GPU.

    Args:
        image: (bands, rows, columns).
        valid: (rows, columns).
    """
    numbers = image.view(f"u{image.dtype.itemsize}")
    bands, rows, cols = numbers.shape
    found = np.zeros(rows, dtype=np.uint64)
    weights = _weights((bands + 1) * cols).reshape(bands + 1, cols)
    _add_rows(numbers, weights[:-1], found)
    _add_rows(valid.view("u1")[np.newaxis], weights[-1:], found)
    return found


@functools.lru_cache(maxsize=4)
def _weights(count: int) -> NDArray[np.uint64]:
    """Odd numbers without order (SplitMix64, Steele et al. 2014)."""
    mixed = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed | np.uint64(1)


@compiled
def _add_rows(numbers: NDArray[np.generic], weights: NDArray[np.uint64], found: NDArray[np.uint64]) -> None:
    for band in range(numbers.shape[0]):
        for row in range(numbers.shape[1]):
            total = found[row]
            for col in range(numbers.shape[2]):
                total += np.uint64(numbers[band, row, col]) * weights[band, col]
            found[row] = total
