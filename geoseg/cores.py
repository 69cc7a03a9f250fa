"""How many cores this process may use: what decodes, computes and compresses is sized to them together."""

from __future__ import annotations

import os


def cores() -> int:
    """Those the system gives to this process, or OMP_NUM_THREADS where it is fewer; at least 1."""
    given = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return max(1, min(given, int(asked))) if asked.isdecimal() and int(asked) else given
