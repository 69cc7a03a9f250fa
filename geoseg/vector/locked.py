"""Whether another program holds a file that is to be replaced. Knows SQLite's locks."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from geoseg.errors import OutputError

_PATIENCE_SECONDS = 1.0
_HELD = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}


def refuse_locked(path: Path) -> None:
    """Refuse a GeoPackage that another program is reading or writing at the moment; anything else may be replaced.

    Raises:
        OutputError: if it is held.
    """
    if path.suffix.lower() != ".gpkg" or not path.is_file():
        return
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE_SECONDS)) as database:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")  # with a write-ahead log, readers count only so
            database.execute("BEGIN EXCLUSIVE")
            database.rollback()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) in _HELD:
            raise OutputError(f"{path}: another program is using it: close it there or choose another file") from error
