"""Memory of this process, and what the C library does with what was given back. Knows nothing of scenes."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from pathlib import Path

_ARENA_MAX = -8  # of mallopt, see malloc.h of glibc
_FORGET_PEAK = "5"
_STATUS = Path("/proc/self/status")


def peak_bytes() -> int:
    """Most memory that this process had at a time, bytes."""
    if _STATUS.exists():
        return _of_status("VmHWM")
    import resource  # noqa: PLC0415 - not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def resident_bytes() -> int:
    """Memory that it has now, bytes; the most where the system does not tell."""
    return _of_status("VmRSS") if _STATUS.exists() else peak_bytes()


def forget_peak() -> None:
    """Let `peak_bytes` begin anew, where the system allows it (Linux)."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_FORGET_PEAK, encoding="ascii")


def one_heap() -> None:
    """Let all threads allocate from one heap: pieces that one gives back serve the others.

    glibc makes a heap for each thread, and each grows to what that thread once needed. Does nothing elsewhere.
    """
    if library := _glibc():
        library.mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Return unused memory to the system, where the C library can."""
    if library := _glibc():
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None


def _of_status(name: str) -> int:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} tells nothing of {name}")
