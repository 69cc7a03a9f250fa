"""The table that says how a file was made. Knows keys and values, no layers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import geoseg
from geoseg.georef import GeoRef
from geoseg.vector.columns import Provenance
from geoseg.vector.layers import Table

_ID_DIGITS = 16
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """How a map was made."""

    provenance: Provenance
    """As in its rows."""

    options: Mapping[str, object] = field(default_factory=dict)
    """Settings by name, as JSON takes them."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file it was made from, by what that is to it: class_raster, confidence, probabilities, model."""

    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When."""


def run_table(record: RunRecord, grid: GeoRef | None = None) -> Table:
    """The table `run`: keys and values, of which those that are unknown are NULL.

    Args:
        record: how the map was made.
        grid: of the raster that the polygons were made of, so that they can be burnt on it again; None where unknown.
    """
    provenance = record.provenance
    pairs: dict[str, str | None] = {
        "run_id": provenance.run_id,
        "created": record.created.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "geoseg": geoseg.__version__,
        "scene": provenance.scene,
        "acquired": None if provenance.acquired is None else provenance.acquired.isoformat(),
        "model": provenance.model,
        "options": json.dumps(record.options, sort_keys=True),
        "grid": None if grid is None else _grid(grid),
        **{f"sha256 of {what}": digest for what, digest in record.inputs.items()},
    }
    return Table(
        name="run",
        description="How this file was made",
        columns=(("key", "TEXT NOT NULL UNIQUE"), ("value", "TEXT")),
        rows=list(pairs.items()),
    )


def _grid(grid: GeoRef) -> str:
    return json.dumps({"transform": list(grid.transform)[:6], "height": grid.height, "width": grid.width})


def run_id_of(options: Mapping[str, object], inputs: Mapping[str, str]) -> str:
    """A name (16 hexadecimal digits) for a run: the same for the same options, inputs and version of geoseg."""
    facts = json.dumps([geoseg.__version__, dict(options), dict(inputs)], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:_ID_DIGITS]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
