"""The process of one arm: it imports, maps a small scene, then maps what it is told, line by line.

    python -m benchmarks.peers.process JOB        a `Job` as JSON

A command is a line of JSON on stdin, {"scene": path, "out": path}; the answer a line on stdout that begins with `@`.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path

from benchmarks.peers.job import Begin, Job
from benchmarks.peers.memory import forget_peak, limit_growth, status_mb

MARK = "@"
"""Begins the lines of stdout that are answers: libraries print what they like."""

_NO_MEMORY = ("can't allocate memory", "Cannot allocate memory", "bad_alloc", "Unable to allocate", "out of memory")


def main() -> None:
    job = Job.from_json(sys.argv[1])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job.threads])
    begin, opening = _prepared(job)
    _answer(opening)
    for line in sys.stdin:
        asked = json.loads(line)
        _answer(measured(begin, Path(asked["scene"]), Path(asked["out"])))


def _prepared(job: Job) -> tuple[Begin, dict[str, object]]:
    """An arm that has mapped a small scene, and what it holds."""
    import torch

    torch.set_num_threads(job.threads)
    begin = job.prepare()
    imports = status_mb("VmRSS")
    begin(Path(job.small), Path(job.folder) / "small.tif")()
    held = {"imports_mb": imports, "warm_mb": status_mb("VmRSS")}
    if job.limit_gb is not None:
        limit_growth(job.limit_gb)
    return begin, held


def measured(begin: Begin, scene: Path, out: Path) -> dict[str, object]:
    """Seconds, processor seconds and the most memory held while an arm maps a scene."""
    try:
        work = begin(scene, out)
        reset = forget_peak()
        started, worked = time.perf_counter(), time.process_time()
        labels = work()
        seconds, processor = time.perf_counter() - started, time.process_time() - worked
    except (MemoryError, RuntimeError, OSError) as error:
        short = isinstance(error, MemoryError) or any(text in str(error) for text in _NO_MEMORY)
        traceback.print_exc()
        return {"failed": "killed" if short else f"{type(error).__name__}: {error}".splitlines()[0]}
    return {
        "seconds": seconds,
        "processor_seconds": processor,
        "peak_mb": status_mb("VmHWM"),
        "peak_of_run": reset,
        "labels": None if labels is None else str(labels),
    }


def _answer(found: dict[str, object]) -> None:
    sys.stdout.write(f"{MARK}{json.dumps(found)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
