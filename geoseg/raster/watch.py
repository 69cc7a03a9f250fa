"""What was read of a scene, as digests: by them a later run knows which blocks it would compute in the same way."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from geoseg.georef import GeoRef
from geoseg.raster.patch import Patch, SceneReader
from geoseg.raster.scene import SceneSource
from geoseg.window import Window

_ROW_BYTES = 16
_BESIDE = (".aux.xml", ".msk", ".ovr", ".MSK", ".OVR")
_QUIET_SECONDS = 3.0  # longer than the clock of any file system ticks
_PIXELS_AT_ONCE = 2**22


class Watch:
    """What was read: a digest of every row of pixels, and what could not be read."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int, int], bytes] = {}
        self._lost: set[Window] = set()

    def saw(self, patch: Patch) -> None:
        """Remember the rows of a patch."""
        left, right = patch.window.col, patch.window.right
        for number in range(patch.window.height):
            digest = hashlib.blake2b(np.ascontiguousarray(patch.image[:, number]).data, digest_size=_ROW_BYTES)
            digest.update(np.ascontiguousarray(patch.valid[number]).data)
            self._rows[patch.window.row + number, left, right] = digest.digest()

    def lost(self, window: Window) -> None:
        """Remember pixels that could not be read."""
        self._lost.add(window)

    def digest_of(self, windows: Iterable[Window]) -> str:
        """Digest of all pixels of windows whose rows were read with just these columns.

        Raises:
            KeyError: if a row of them was not.
        """
        whole = hashlib.blake2b(digest_size=_ROW_BYTES)
        for window in windows:
            for row in range(window.row, window.bottom):
                whole.update(self._rows[row, window.col, window.right])
        return whole.hexdigest()

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
    return hashlib.blake2b(repr(facts).encode(), digest_size=_ROW_BYTES).hexdigest()


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
