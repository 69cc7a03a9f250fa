"""All outputs of a command or none: files grow in a hidden folder and get their names together, at the end.

Knows nothing of what is in the files.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from geoseg.errors import OutputError

_SIDECARS = (".aux.xml", ".ovr", ".msk", "-wal", "-shm", "-journal")
"""Endings of the files that GDAL or SQLite keep beside a file, and that belong to its old contents."""

_FULL = {errno.ENOSPC, errno.EDQUOT}


class Staging:
    """Outputs of one command in one folder, all or nothing.

    Inside the `with` block write to `path(name)`; `commit()` gives every file its final name. Without a
    commit, whatever ends the block, nothing stands under a final name that did not stand there before.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, overwrite: bool, hidden_in: Path | None = None) -> None:
        """Name the outputs; touches nothing on disk yet.

        Args:
            folder: where the files end up; made if it is missing.
            names: file names, without a folder.
            overwrite: whether files of these names may be replaced.
            hidden_in: existing folder on the same file system in which the files grow; None = `folder`.
        """
        self._folder = folder
        self._names = tuple(names)
        self._overwrite = overwrite
        self._hidden_in = hidden_in or folder
        self._made: list[Path] = []
        self._hidden: Path | None = None

    def __enter__(self) -> Self:
        """Make the hidden folder.

        Raises:
            OutputError: if the folder cannot be made or written, or a file is there that may not be replaced.
        """
        if not self._overwrite:
            refuse_existing(self._folder, self._names)
        self._refuse_folders()
        try:
            self._made = make_folders(self._folder)
            self._hidden = Path(tempfile.mkdtemp(prefix=".geoseg-", dir=self._hidden_in))
        except OSError as error:
            remove_empty(self._made)
            raise OutputError(
                f"{self._folder}: cannot be written: {error.strerror}; choose another output folder"
            ) from error
        return self

    def path(self, name: str) -> Path:
        """Where to write the file that will be called `name`."""
        if name not in self._names:
            raise ValueError(f"{name!r} is not among the staged outputs {self._names}")
        return self._hidden_folder() / name

    def scratch(self) -> Path:
        """A folder for files that nobody keeps."""
        folder = self._hidden_folder() / "scratch"
        folder.mkdir(exist_ok=True)
        return folder

    def commit(self) -> None:
        """Give every staged file its final name, with the sidecars that were written beside it.

        Sidecars of a replaced file go with it. If one file cannot be moved, all are put back as they were.

        Raises:
            OutputError: if a file cannot be moved to its final name.
        """
        hidden = self._hidden_folder()
        old = Path(tempfile.mkdtemp(prefix="old-", dir=hidden))
        staged = sorted(file.name for file in hidden.iterdir() if file.is_file())
        outdated = {name + ending for name in staged for ending in _SIDECARS} - set(staged)
        moves = [(self._folder / name, old / name) for name in (*sorted(outdated), *staged)]
        moves = [(source, target) for source, target in moves if source.is_file()]
        moves += [(hidden / name, self._folder / name) for name in staged]
        with ExitStack() as undo:
            undo.callback(_move_back, moves)
            try:
                for source, target in moves:
                    source.replace(target)
            except OSError as error:
                raise OutputError(f"{self._folder}: cannot be written: {error.strerror}") from error
            undo.pop_all()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the hidden folder, and the output folder if it was made here and is empty.

        Raises:
            OutputError: if the block ended because the disk is full.
        """
        hidden = self._hidden_folder()
        staged = sum(file.stat().st_size for file in hidden.rglob("*") if file.is_file())
        shutil.rmtree(hidden, ignore_errors=True)
        self._hidden = None
        remove_empty(self._made)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise OutputError(
                f"{self._folder}: the disk is full after {staged / 1e6:.0f} MB of output: "
                "free some space or choose another output folder"
            ) from error

    def _refuse_folders(self) -> None:
        for name in self._names:
            if (self._folder / name).is_dir():
                raise OutputError(f"{self._folder / name}: is a folder: move it away or choose another output folder")

    def _hidden_folder(self) -> Path:
        if self._hidden is None:
            raise RuntimeError("outputs are staged only inside a `with` block")
        return self._hidden


def refuse_existing(folder: Path, names: Sequence[str]) -> None:
    """Refuse to replace what is there.

    Raises:
        OutputError: if a file of one of the names is in the folder.
    """
    for name in names:
        final = folder / name
        if os.path.lexists(final) and not final.is_dir():
            raise OutputError(f"{final}: exists already: pass --overwrite to replace it")


def make_folders(folder: Path) -> list[Path]:
    """Make a folder and its parents; gives those that were missing, outermost first."""
    missing = [each for each in (*reversed(folder.parents), folder) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def remove_empty(folders: Sequence[Path]) -> None:
    """Remove folders, the last one first, up to one that holds something or is not there."""
    for folder in reversed(folders):
        try:
            folder.rmdir()
        except OSError:
            return


def _move_back(moves: Sequence[tuple[Path, Path]]) -> None:
    for source, target in reversed(moves):
        if os.path.lexists(target) and not os.path.lexists(source):
            target.replace(source)
