"""Jobs in processes of their own, a few at a time, in order; what is done already is skipped. Knows no job."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_WAIT = 0.2  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command and what it leaves behind."""

    name: str
    """For the log."""

    command: tuple[str, ...]
    """To run."""

    done: tuple[Path, ...]
    """Exist when the job is done."""

    needs: tuple[Path, ...] = ()
    """Exist before it can start."""

    @property
    def is_done(self) -> bool:
        """Whether all that it leaves behind is there."""
        return all(path.exists() for path in self.done)


def run_queue(
    jobs: Sequence[Job], *, workers: int, logs: Path, start: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen
) -> tuple[str, ...]:
    """Run the jobs that are not done, each with one thread.

    A job whose needs are missing waits for those that run, and is given up when none is left that could help.

    Args:
        jobs: in the order in which they are wanted.
        workers: how many run at a time.
        logs: folder for what they print, a file each.
        start: starts a process.

    Returns:
        Names of the jobs that failed or could not start.
    """
    logs.mkdir(parents=True, exist_ok=True)
    waiting = [job for job in jobs if not job.is_done]
    running: list[tuple[Job, subprocess.Popen[bytes], float]] = []
    failed: list[str] = []
    while waiting or running:
        running, ended = _still_running(running)
        failed += [name for name, fine in ended if not fine]
        ready = next((job for job in waiting if all(need.exists() for need in job.needs)), None)
        if ready is not None and len(running) < workers:
            waiting.remove(ready)
            with (logs / f"{ready.name}.log").open("wb") as output:
                process = start(ready.command, stdout=output, stderr=subprocess.STDOUT, env=_one_thread())
            running.append((ready, process, time.monotonic()))
        elif running:
            time.sleep(_WAIT)
        elif ready is None:
            failed += [job.name for job in waiting]
            break
    return tuple(failed)


def _still_running(
    running: Sequence[tuple[Job, subprocess.Popen[bytes], float]],
) -> tuple[list[tuple[Job, subprocess.Popen[bytes], float]], list[tuple[str, bool]]]:
    left, ended = [], []
    for job, process, started in running:
        code = process.poll()
        if code is None:
            left.append((job, process, started))
            continue
        fine = code == 0 and job.is_done
        log.info("%s: %s after %.0f s", job.name, "done" if fine else f"FAILED ({code})", time.monotonic() - started)
        ended.append((job.name, fine))
    return left, ended


def _one_thread() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
