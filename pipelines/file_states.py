"""Whether files are what they were: by size and time, or where the time differs by their contents."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

State = list[Any]
"""Size and time of change (ns) of a file, and its SHA-256."""

_PIECE = 2**20


def states_of(paths: Iterable[Path]) -> dict[str, State]:
    """State of every file that is there, by its full path."""
    states = {}
    for path in paths:
        with suppress(OSError):
            if path.is_file():
                states[str(path.absolute())] = [*_size_and_time(path), sha256_of(path)]
    return states


def is_same(path: Path, state: State) -> bool:
    """Whether a file has the contents that it had.

    Raises:
        OSError: if it cannot be read.
        ValueError: if the state is none.
    """
    *measured, digest = state
    return _size_and_time(path) == measured or (path.stat().st_size == measured[0] and sha256_of(path) == digest)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: if it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _size_and_time(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]
