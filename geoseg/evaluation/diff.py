"""Two maps compared: what is told, and what is written. The composition of `geoseg diff`."""

from __future__ import annotations

from pathlib import Path

from geoseg.config.diff import DiffSettings
from geoseg.errors import ConfigError
from geoseg.evaluation.change import ChangeMatrix, Progress, count_changes
from geoseg.evaluation.change_layer import matrix_csv, write_changes
from geoseg.evaluation.map_pair import open_map_pair
from geoseg.raster.staging import Staging
from geoseg.vector.columns import Provenance
from geoseg.vector.locked import refuse_locked
from geoseg.vector.run_table import RunRecord, run_id_of, sha256_of

_SUFFIX = ".gpkg"


def diff(
    before: Path, after: Path, out: Path | None, settings: DiffSettings, *, progress: Progress | None = None
) -> ChangeMatrix:
    """Say what became of each class between two maps.

    Args:
        before: a class raster, or polygons of geoseg.
        after: another one of the same place.
        out: a GeoPackage for the ground whose class changed; the matrix is written beside it, as CSV. None writes
            nothing.
        settings: checked before.
        progress: is told rows done and rows to do.

    Raises:
        ConfigError: if `out` is no GeoPackage.
        LabelError: if a map is not what it should be, or the two have no class or no pixel in common.
        SceneError: if a map cannot be read to its end.
        OutputError: if an output exists already and may not be replaced, is in use, or cannot be written.
    """
    if out is not None and out.suffix.lower() != _SUFFIX:
        raise ConfigError(
            f"{out}: ends in {out.suffix or 'nothing'!r}: changes are written to a GeoPackage, *{_SUFFIX}"
        )
    if out is None:
        with open_map_pair(before, after, allow=settings.allow) as pair:
            return count_changes(pair, progress)
    refuse_locked(out)
    names = (out.name, out.with_suffix(".csv").name)
    with (
        Staging(out.parent, names, overwrite=settings.overwrite) as staging,
        open_map_pair(before, after, allow=settings.allow) as pair,
    ):
        matrix = count_changes(pair, progress)
        inputs = {"before": sha256_of(before), "after": sha256_of(after)}
        record = RunRecord(provenance=Provenance(run_id=run_id_of({}, inputs)), inputs=inputs)
        write_changes(staging.path(names[0]), pair, matrix, record, workers=settings.workers, progress=progress)
        staging.path(names[1]).write_text(matrix_csv(matrix), encoding="utf-8")
        refuse_locked(out)
        staging.commit()
    return matrix
