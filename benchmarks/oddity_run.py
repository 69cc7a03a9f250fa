"""One odd raster through the commands, in a process with limits; what came of each."""

from __future__ import annotations

import json
import multiprocessing
import re
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

COMMANDS = ("predict", "predict, made to fit", "shift", "vectorize", "evaluate")
SECONDS = 300
MEMORY_BYTES = 4 * 2**30

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["benchmarks.oddity_child"])


@dataclass(kw_only=True)
class Found:
    """How a command ended on a file."""

    verdict: str
    """right, refused, or what is wrong: WRONG, TRACEBACK, HANG, MEMORY, PARTIAL, NOISE."""

    said: str = ""
    """The line that refused it, or what is wrong."""

    about: str = ""
    """What GDAL says of the file."""

    seconds: float = 0.0
    """Of the command."""

    def cell(self, name: str) -> str:
        """For the table, in the row of a file."""
        said = self.said.replace(f"{Path(name).name}: ", "").replace(Path(name).name, "it")
        said = re.sub(r"([|<>*_`\\[\]])", r"\\\1", said)
        return self.verdict if self.verdict == "right" else f"{self.verdict}: {said}"


def commands_of(path: Path) -> dict[str, Found]:
    """Run all commands on a file; a process that dies is followed by another one for the commands that are left."""
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory(prefix="geoseg-oddity-") as name:
        folder = Path(name)
        while missing := [command for command in COMMANDS if command not in found]:
            found |= _one_process(path, folder, missing)
    return {command: found[command] for command in COMMANDS}


def _one_process(path: Path, folder: Path, commands: list[str]) -> dict[str, Found]:
    notes = folder / "notes.jsonl"
    notes.unlink(missing_ok=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    process = _FORKED.Process(target=_child, args=(path, folder, commands))
    process.start()
    started, seen = time.monotonic(), 0
    while process.is_alive():
        done = _lines(notes)
        if len(done) != seen:
            started, seen = time.monotonic(), len(done)
        if time.monotonic() - started > SECONDS + 30:  # an alarm inside ends a command after SECONDS
            process.kill()
        process.join(0.05)
    found = {each.pop("command"): Found(**each) for each in map(json.loads, _lines(notes))}
    if len(found) < len(commands):
        died = next(command for command in commands if command not in found)
        found[died] = _death(process.exitcode or 0, (folder / "stderr").read_text(errors="replace"))
    return found


def _child(path: Path, folder: Path, commands: list[str]) -> None:
    from benchmarks.oddity_child import noted  # has been imported where this process was forked

    noted(path, folder, commands)


def _death(code: int, errors: str) -> Found:
    last = " ".join(errors.split())[-300:]
    if code == -9:
        return Found(verdict="HANG", said=f"killed after {SECONDS + 30} s; {last}")
    return Found(verdict="TRACEBACK", said=f"exit {code}; {last}")


def _lines(notes: Path) -> list[str]:
    text = notes.read_text() if notes.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()
