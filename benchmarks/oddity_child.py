"""In the process of one odd raster: runs `geoseg` under limits and notes how each command ended."""

from __future__ import annotations

import functools
import json
import os
import re
import resource
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

from benchmarks import oddity_checks
from benchmarks.oddity_run import MEMORY_BYTES, SECONDS, Found
from geoseg.cli.app import run
from geoseg.models import catalogue
from geoseg.models.zoo import find_model

_MODEL = "demo-landscape"
_MODEL_BANDS = 4
_TILE, _OVERLAP = 128, 32
_OWN_LINE = re.compile(r"^geoseg: (?!warning: |interrupted)")
_PROGRESS = re.compile(r"^(\x1b|.*\d+ %|geoseg: warning: |geoseg: |\s*$)")

catalogue.smp()  # it takes seconds, which the processes to come save


class _TooLongError(BaseException):
    """Raised by the alarm; no handler of the package may catch it."""


def noted(path: Path, folder: Path, commands: list[str]) -> None:
    """Run commands on a file and note in the folder how each ended."""
    with (folder / "stderr").open("wb") as file:
        os.dup2(file.fileno(), 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.signal(signal.SIGALRM, _alarm)
    about = oddity_checks.about(path)
    for command in commands:
        found = ended(command, path, folder)
        found.about = about
        with (folder / "notes.jsonl").open("a") as notes:
            notes.write(json.dumps({"command": command} | vars(found)) + "\n")


def ended(command: str, path: Path, folder: Path) -> Found:
    """Run a command and judge what it did."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    arguments, check = _RUNS[command](path, folder)
    started = time.monotonic()
    code, shown, errors = _ran(arguments, folder)
    found = _judged(code, shown, errors, out, check)
    found.seconds = time.monotonic() - started
    return found


def _alarm(*_: object) -> None:
    raise _TooLongError


def _ran(arguments: list[str], folder: Path) -> tuple[int | str, str, str]:
    """Exit code or what was raised, stdout, stderr with what libraries write past Python."""
    log = folder / "log"
    shown, before = StringIO(), os.dup(2)
    with log.open("w", buffering=1, encoding="utf-8", errors="replace") as file:
        os.dup2(file.fileno(), 2)
        signal.alarm(SECONDS)
        try:
            with redirect_stdout(shown), redirect_stderr(file):
                code: int | str = run(arguments)
        except _TooLongError:
            code = "HANG"
        except BaseException as error:  # noqa: BLE001 - to tell of any
            kind = "MEMORY" if isinstance(error, MemoryError) or "allocate memory" in str(error) else "TRACEBACK"
            code = f"{kind} {type(error).__name__}: {error} at {_place(error)}"
        finally:
            signal.alarm(0)
            os.dup2(before, 2)
            os.close(before)
    return code, shown.getvalue(), log.read_text(errors="replace")


def _place(error: BaseException) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        place = f"{Path(name).name}:{trace.tb_lineno}" if "geoseg/" in name else place
        trace = trace.tb_next
    return place


def _judged(code: int | str, shown: str, errors: str, out: Path, check: Callable[[str], str]) -> Found:
    if isinstance(code, str):
        return Found(verdict=code.split()[0], said=" ".join(code.split()[1:])[:300])
    lines = [line for line in errors.splitlines() if _OWN_LINE.match(line)]
    strange = [line for line in errors.splitlines() if not _PROGRESS.match(line)]
    left = [path.name for path in out.rglob("*")] if out.exists() else []
    if code == 1 and left:
        return Found(verdict="PARTIAL", said=f"left {', '.join(left)[:200]}")
    if code == 1 and lines and not strange:
        return Found(verdict="refused", said=_short(lines[-1]))  # before it, what was measured
    if code == 0 and not strange:
        wrong = check(shown)
        return Found(verdict="WRONG", said=wrong) if wrong else Found(verdict="right")
    if strange:
        return Found(verdict="NOISE", said=f"exit {code}; {strange[0][:250]}")
    return Found(verdict="TRACEBACK", said=f"exit {code}; {len(lines)} lines; {errors[-250:]}")


def _short(line: str) -> str:
    """Without the path of the file in front."""
    return re.sub(r"(/[^\s:]*/)([^\s:/]+)", r"\2", line.removeprefix("geoseg: "))[:300]


def _predict(path: Path, folder: Path) -> tuple[list[str], Callable[[str], str]]:
    out = folder / "out"
    return (
        ["predict", str(path), "--model", _MODEL, "-o", str(out)],
        lambda _: oddity_checks.map_is_right(path, out, same_grid=False),
    )


def _fitted(path: Path, folder: Path) -> tuple[list[str], Callable[[str], str]]:
    out = folder / "out"
    arguments = ["predict", str(path), "--model", str(_fitting_model(path, folder)), "--bands", _bands(path)]
    check = functools.partial(oddity_checks.map_is_right, path, out, same_grid=True)
    return [*arguments, "-o", str(out), "--engine", "torch"], lambda _: check()


def _shift(path: Path, folder: Path) -> tuple[list[str], Callable[[str], str]]:
    model = str(_fitting_model(path, folder))
    arguments = ["shift", str(path), "--model", model, "--bands", _bands(path), "--windows", "4", "--json"]
    return arguments, lambda shown: "" if json.loads(shown) else "says nothing"


def _vectorize(path: Path, folder: Path) -> tuple[list[str], Callable[[str], str]]:
    target = folder / "out" / "polygons.gpkg"
    return (
        ["vectorize", str(path), "-o", str(target), "--workers", "1"],
        lambda _: oddity_checks.polygons_are_right(path, target),
    )


def _evaluate(path: Path, folder: Path) -> tuple[list[str], Callable[[str], str]]:
    del folder
    return ["evaluate", str(path), str(path), "--json"], oddity_checks.agreement_is_whole


_RUNS = {
    "predict": _predict,
    "predict, made to fit": _fitted,
    "shift": _shift,
    "vectorize": _vectorize,
    "evaluate": _evaluate,
}


def _bands(path: Path) -> str:
    """Four of its bands, by number; some several times where there are fewer."""
    count = oddity_checks.count_of_bands(path)
    return ",".join(str(1 + number % max(count, 1)) for number in range(_MODEL_BANDS))


def _fitting_model(path: Path, folder: Path) -> Path:
    """demo-landscape with small tiles, a scale for every dtype, and a GSD that is that of the file."""
    target = folder / "fitting"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(find_model(_MODEL), target)
    card = json.loads((target / "model.json").read_text())
    part = card["properties"]["geoseg:prediction"]
    part["scales"] = {"uint8": 1 / 255, "uint16": 1 / 65535, "int16": 1 / 32767, "float32": 1 / 255}
    part["tile"], part["overlap"] = _TILE, _OVERLAP
    part["gsd"] = oddity_checks.gsd_of(path) or part["gsd"]
    (target / "model.json").write_text(json.dumps(card))
    return target
