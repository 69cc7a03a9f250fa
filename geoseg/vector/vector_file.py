"""A file of layers, whole or not at all: it grows in a hidden folder and takes its name at the end.

The format follows from the ending of the name. Knows formats, nothing of how features come about.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from geoseg.errors import ConfigError, OutputError
from geoseg.vector.flatgeobuf import write_flatgeobuf
from geoseg.vector.geopackage import write_geopackage
from geoseg.vector.geoparquet import write_geoparquet
from geoseg.vector.layers import Layer, Table
from geoseg.vector.locked import refuse_locked

SUFFIXES = (".gpkg", ".parquet", ".fgb")
"""GeoPackage with all layers and tables; GeoParquet and FlatGeobuf with the first layer alone."""

_SQLITE_SIDECARS = ("-wal", "-shm", "-journal")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FULL_WORDS = ("disk is full", "No space left", "File too large")
_SPARE_BYTES = 1 << 20


def refuse_suffix(path: Path) -> None:
    """Refuse a name whose ending says no format.

    Raises:
        ConfigError: if it has none of `SUFFIXES`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: ends in {path.suffix or 'nothing'!r}: vector files end in {', '.join(SUFFIXES)}")


def holds_one_layer(path: Path) -> bool:
    """True where the format of a file takes the first layer alone."""
    return path.suffix.lower() != SUFFIXES[0]


def write_vector(
    path: Path,
    layers: Sequence[Layer],
    *,
    crs: str | None,
    tables: Callable[[], Sequence[Table]] = tuple,
) -> None:
    """Write a file of layers in place of the one that is there, or leave that as it is.

    Args:
        path: a GeoPackage (.gpkg) gets all layers with their styles and the tables; GeoParquet (.parquet) the first
            layer, with the tables as JSON in its metadata; FlatGeobuf (.fgb) the first layer.
        layers: at least one. Their rows are asked for one layer after the other, never twice.
        crs: well-known text, or None.
        tables: is asked for the tables when the layers are written.

    Raises:
        ConfigError: if the ending of the name says no format.
        OutputError: if the file cannot be written, or another program is using the one that is there.
    """
    refuse_suffix(path)
    refuse_locked(path)
    source = _Source()
    with hidden_folder(path) as folder:
        staged = folder / f"layers{path.suffix.lower()}"  # pyogrio takes ; ! and line breaks for parts of a URL
        try:
            guarded = [replace(layer, batches=source.over(layer.batches)) for layer in layers]
            _write(staged, guarded, crs, lambda: source.ask(tables))
        except (RuntimeError, OSError, sqlite3.Error, pa.ArrowException) as error:
            if source.failure is None:
                raise _unwritable(path, error, folder) from error
        if source.failure is not None:
            raise source.failure
        refuse_locked(path)
        _replace(staged, path)


def _write(path: Path, layers: Sequence[Layer], crs: str | None, tables: Callable[[], Sequence[Table]]) -> None:
    match path.suffix.lower():
        case ".gpkg":
            write_geopackage(path, layers, crs=crs, tables=tables)
        case ".parquet":
            write_geoparquet(path, layers[0], crs=crs, tables=tables)
        case _:
            write_flatgeobuf(path, layers[0], crs=crs)


class _Source:
    """Keeps the error of whoever makes the features, which GDAL would turn into one of its own."""

    failure: BaseException | None = None

    def over(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with self:
            yield from batches

    def ask(self, tables: Callable[[], Sequence[Table]]) -> Sequence[Table]:
        with self:
            return tables()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, GeneratorExit):
            self.failure = self.failure or error


@contextlib.contextmanager
def hidden_folder(path: Path) -> Iterator[Path]:
    """A hidden folder beside a file to be; it goes with all that is in it.

    Raises:
        OutputError: if it cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=".geoseg-", dir=path.parent))
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; choose another output folder") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(staged: Path, path: Path) -> None:
    """Give a file its final name; what SQLite kept beside the one that stood there goes with that."""
    try:
        for ending in _SQLITE_SIDECARS:
            path.with_name(path.name + ending).unlink(missing_ok=True)
        staged.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be replaced: {error.strerror}") from error


def _unwritable(path: Path, error: Exception, folder: Path) -> OutputError:
    text = " ".join(str(error).split()).replace(f"{folder}/", "")
    full = isinstance(error, OSError) and error.errno in _FULL
    full = full or any(word in text for word in _FULL_WORDS) or shutil.disk_usage(folder).free < _SPARE_BYTES
    if full:
        size = sum(file.stat().st_size for file in folder.iterdir())
        return OutputError(
            f"{path}: the disk is full after {size / 1e6:.1f} MB: free some space or choose another folder"
        )
    return OutputError(f"{path}: cannot be written: {text}")
