"""The processes of the arms, seen from outside: started once, told in turns what to map, so imports are not timed."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from benchmarks.peers.decoded import tracing
from benchmarks.peers.job import Arm, Job, missing
from benchmarks.peers.process import MARK

Found = dict[str, Any]
"""The answer of an arm: figures, or `failed` and why."""

_PATIENCE = 600.0
_FAREWELL = 20.0


class Worker:
    """The process of one arm. A context manager: leaving it ends the process."""

    def __init__(self, job: Job, *, patience: float = _PATIENCE) -> None:
        """Name the job; the process starts on entering.

        Args:
            job: what the arm is to do.
            patience: seconds after which an answer no longer counts.
        """
        self._job, self._patience = job, patience
        self._process: subprocess.Popen[str] | None = None
        self._opening: Found | None = None

    def __enter__(self) -> Self:
        folder = Path(self._job.folder)
        folder.mkdir(parents=True, exist_ok=True)
        threads = str(self._job.threads)
        environment = os.environ | {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "OMP_WAIT_POLICY": "PASSIVE",
            "OPENVINO_TELEMETRY_DISABLE": "1",
        }
        if self._job.cache_mb is not None:
            environment["GDAL_CACHEMAX"] = str(self._job.cache_mb)
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.peers.process", self._job.to_json()]
        if self._job.counted is not None:
            command = [*tracing(Path(self._job.counted), folder / "reads.log"), *command]
        with (folder / "stderr.txt").open("w") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def ready(self) -> Found:
        """What the process holds after its imports and a small scene; waits until it is ready."""
        if self._opening is None:
            self._opening = self._answer()
        return self._opening

    def map(self, scene: Path, name: str = "labels.tif") -> Found:
        """Map a scene; figures, or `failed`: killed, timeout or the error."""
        process = self._process
        if "failed" in self.ready():
            return self.ready()
        if process is None or process.stdin is None or process.poll() is not None:
            return self._ended()
        process.stdin.write(json.dumps({"scene": str(scene), "out": str(Path(self._job.folder) / name)}) + "\n")
        process.stdin.flush()
        return self._answer()

    def _answer(self) -> Found:
        process = self._process
        if process is None or process.stdout is None:
            return self._ended()
        late = threading.Event()
        timer = threading.Timer(self._patience, lambda: (late.set(), process.kill()))
        timer.start()
        try:
            for line in process.stdout:
                if line.startswith(MARK):
                    return dict(json.loads(line[len(MARK) :]))
        finally:
            timer.cancel()
        process.wait()
        return {"failed": f"no answer in {self._patience:.0f} s"} if late.is_set() else self._ended()

    def _ended(self) -> Found:
        lines = (Path(self._job.folder) / "stderr.txt").read_text().strip().splitlines()
        killed = self._job.limit_gb is not None or (self._process is not None and self._process.returncode == -9)
        return {"failed": "killed" if killed or not lines else lines[-1][:200]}


def in_turns(jobs: dict[str, Job], scene: Path, *, repeats: int, patience: float = _PATIENCE) -> dict[str, list[Found]]:
    """Each arm maps the scene `repeats` times, in turns, in its own process; by label the answers."""
    answers: dict[str, list[Found]] = {label: [] for label in jobs}
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for label, job in jobs.items():
            click.echo(f"  starting {label}", err=True)
            if len(workers) > 1:  # two start at a time
                list(workers.values())[-2].ready()
            workers[label] = stack.enter_context(Worker(job, patience=patience))
        for worker in workers.values():
            worker.ready()
        for turn in range(repeats):
            for label, worker in workers.items():
                if answers[label] and "failed" in answers[label][-1]:
                    continue
                found = worker.ready() | worker.map(scene)
                answers[label].append(found)
                click.echo(f"  {turn + 1}/{repeats} {label}: {told(found)}", err=True)
    return answers


def told(found: Found) -> str:
    """An answer in a few words."""
    if "failed" in found:
        return str(found["failed"])
    return f"{found['seconds']:.2f} s, {found['peak_mb']:.0f} MB" if "seconds" in found else json.dumps(found)


def jobs_of(arms: list[Arm], template: Job, *, only: tuple[str, ...] = ()) -> dict[str, Job]:
    """A job for each arm that can run here and is asked for, by label; says which are left out.

    Args:
        arms: rows of the table.
        template: everything but the arm and its folder.
        only: names (`monai`) or labels of the arms wanted; empty = all.
    """
    jobs = {}
    for arm in arms:
        if only and not {arm.by, arm.label} & set(only):
            continue
        reason = missing(arm.by)
        if reason:
            click.echo(reason)
            continue
        jobs[arm.label] = replace(template, arm=arm, folder=str(Path(template.folder) / arm.label.replace(" ", "_")))
    return jobs
