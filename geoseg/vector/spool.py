"""Rows that wait on disk until another layer is written. Knows Arrow's file format."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from geoseg.errors import OutputError


class Spool:
    """A scratch file of rows: first they are all written, then they are read once. A context manager.

    A file takes one layer after the other, but lines come about together with polygons.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Name the file and the columns; touches nothing on disk yet."""
        self._path = path
        self._schema = schema

    def __enter__(self) -> Self:
        """Make the file.

        Raises:
            OutputError: if it cannot be made.
        """
        try:
            self._sink = pa.OSFile(str(self._path), "wb")
        except OSError as error:
            raise self._failure(error) from error
        self._writer = pa.ipc.new_stream(self._sink, self._schema)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove it."""
        self._sink.close()
        self._path.unlink(missing_ok=True)

    def write(self, batch: pa.RecordBatch) -> None:
        """Keep rows.

        Raises:
            OutputError: if the disk is full.
        """
        try:
            self._writer.write_batch(batch)
        except OSError as error:
            raise self._failure(error) from error

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows, in the order in which they were written; ends the writing when it is first asked.

        Raises:
            OutputError: if the disk is full.
        """
        try:
            self._writer.close()
            self._sink.close()
        except OSError as error:
            raise self._failure(error) from error
        with pa.OSFile(str(self._path)) as source, pa.ipc.open_stream(source) as reader:
            yield from reader

    def _failure(self, error: OSError) -> OutputError:
        cause = os.strerror(error.errno) if error.errno else str(error)
        return OutputError(f"{self._path.parent}: no room for a scratch file: {cause}; free some space there")
