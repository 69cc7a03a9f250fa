"""What a process holds in memory, by the kernel's own figures."""

from __future__ import annotations

import resource
from pathlib import Path

MB = 2**20
GB = 2**30


def status_mb(key: str) -> float:
    """A figure of /proc/self/status, MB: VmRSS (held now), VmHWM (most held) or VmSize (address space)."""
    words = Path("/proc/self/status").read_text().split()
    return int(words[words.index(f"{key}:") + 1]) / 1024


def forget_peak() -> bool:
    """Let VmHWM begin anew from what is held now; False where the kernel refuses: it is of the whole life then."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def limit_growth(gigabytes: float) -> None:
    """Let the process hold at most this much.

    Address space that libraries reserved and never touched does not count: the limit is on what it may grow to, were
    all of the growth touched.
    """
    allowed = int(gigabytes * GB + (status_mb("VmSize") - status_mb("VmRSS")) * MB)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
