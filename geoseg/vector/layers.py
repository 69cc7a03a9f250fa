"""What goes into a vector file: layers and tables. Knows no file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

LANDCOVER_LAYER = "landcover"
BOUNDARIES_LAYER = "boundaries"
REVIEW_LAYER = "review"
FOOTPRINTS_LAYER = "footprints"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """Features of one kind."""

    name: str
    """What it is called, without a dot."""

    description: str
    """For people."""

    schema: pa.Schema
    """Its columns; the last holds the geometries as well-known binary."""

    geometry: Literal["Point", "LineString", "Polygon"]
    """Type of all geometries."""

    batches: Iterable[pa.RecordBatch]
    """Its rows; read once, after those of the layers before it."""

    style: str | None
    """The QGIS style (QML) that it opens with, or None."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Rows without geometries."""

    name: str
    """What it is called, without a dot."""

    description: str
    """For people."""

    columns: tuple[tuple[str, str], ...]
    """Name and SQL type of each."""

    rows: Sequence[Sequence[object]]
    """Its rows: numbers, texts, None."""


class IncompleteError(RuntimeError):
    """A file that holds fewer features than were written to it."""


class Counted:
    """Batches on their way, and how many rows they had."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self.rows = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch
