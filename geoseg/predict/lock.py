"""A folder that one process at a time may work in. The lock ends with the process, however that ends."""

from __future__ import annotations

import errno
import importlib
import json
import os
import socket
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import IO

from geoseg.errors import OutputError

fcntl: ModuleType | None = importlib.import_module("fcntl") if os.name == "posix" else None

_NAME = "lock"
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}


class FolderLock:
    """The right to work in a folder."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; the folder is made if it is missing.

        Raises:
            OutputError: if another process holds it, or the folder cannot be written.
        """
        self._path = folder / _NAME
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                self._file = self._path.open("a+")
            except FileNotFoundError:  # another process ended just now and took its folder with it
                continue
            with ExitStack() as undo:
                undo.callback(self._file.close)
                self._take()
                undo.pop_all()
            if _is_at(self._file, self._path):
                break
            self._file.close()
        self._sign()

    def release(self) -> None:
        """Give the lock back; its file goes."""
        with suppress(OSError):
            self._path.unlink()
        self._file.close()

    def _take(self) -> None:
        holder = _holder(self._path)
        if fcntl is None:
            held = _is_alive(holder)
        else:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = False
            except OSError as error:  # some network file systems know no locks
                held = error.errno in _HELD or _is_alive(holder)
        if held:
            raise OutputError(f"{self._path.parent}: {_told(holder)}: wait for it or stop it")

    def _sign(self) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        facts = {"pid": os.getpid(), "host": socket.gethostname(), "begun": _begun(os.getpid()), "since": now}
        self._file.truncate(0)
        self._file.write(json.dumps(facts))
        self._file.flush()


def _is_at(file: IO[str], path: Path) -> bool:
    """True where an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _holder(path: Path) -> dict[str, object]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _told(holder: dict[str, object]) -> str:
    if not holder:
        return "another process is making this map"
    return f"process {holder.get('pid')} on {holder.get('host')} is making this map since {holder.get('since')}"


def _is_alive(holder: dict[str, object]) -> bool:
    """True where the process that signed may still run; of another machine nothing is known."""
    pid = holder.get("pid")
    if not isinstance(pid, int) or holder.get("host") != socket.gethostname():
        return bool(holder)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return _begun(pid) == holder.get("begun")


def _begun(pid: int) -> str:
    """When a process began, in ticks of the kernel: numbers of processes are used again. Empty where unknown."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
