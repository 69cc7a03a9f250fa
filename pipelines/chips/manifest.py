"""What stands on top of the chips: a table with a row for each, and a config that `geoseg train` reads."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from geoseg.config.train import TrainSettings, load_train_settings
from geoseg.data.splits import SPLITS
from pipelines.chips.cutting import Row, SceneJob
from pipelines.chips.writing import IMAGE, LABELS
from pipelines.written import write_text

MANIFEST = "manifest.csv"
"""The table."""

CONFIG = "train.yaml"
"""The config."""

_DECIMALS = 6
_PLACE = ("chip", "image", "labels", "source", "split", "scene", "row", "col", "height", "width", "crs", "transform")
_UNUSED = {"root", "variables", "sources", "allow", "blocks"}


def write_manifest(output: Path, rows: Sequence[Row], ids: Sequence[int]) -> Path:
    """Write the table.

    Args:
        output: folder of the chips.
        rows: of all chips, in order.
        ids: values of the labels, each of which gets a column with its share of the pixels.

    Raises:
        OutputError: if it cannot be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    shares = [f"share_{number}" for number in ids]
    writer.writerow([*_PLACE, "nodata_share", "unlabelled_share", *shares, "image_sha256", "labels_sha256"])
    for row in rows:
        place = [row["chip"], row["chip"] + IMAGE, row["chip"] + LABELS, *(row[key] for key in _PLACE[3:-1])]
        found = [row["nodata_share"], row["unlabelled_share"], *(row["shares"].get(str(number), 0) for number in ids)]
        digests = [row["image_sha256"], row["labels_sha256"]]
        transform = " ".join(map(repr, row["transform"]))
        writer.writerow([*place, transform, *(f"{share:.{_DECIMALS}f}" for share in found), *digests])
    write_text(output / MANIFEST, text.getvalue())
    return output / MANIFEST


def write_config(output: Path, settings: TrainSettings, jobs: Sequence[SceneJob], rows: Sequence[Row]) -> Path:
    """Write a config that learns from the chips as the given one does from the scenes, and read it again.

    Args:
        output: folder of the chips.
        settings: of the training on scenes.
        jobs: its scenes.
        rows: of all chips.

    Raises:
        OutputError: if it cannot be written.
        ConfigError: if there are no chips to learn from or to validate on.
    """
    values: dict[str, Any] = settings.model_dump(mode="json", exclude=_UNUSED, exclude_unset=True)
    if isinstance(settings.start, Path):
        values["network"]["start"] = _from(output, settings.start)
    if settings.provenance_files:
        values["provenance_files"] = [_from(output, settings.expand(file)) for file in settings.provenance_files]
    values["sources"] = _sources(jobs, rows)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
    write_text(output / CONFIG, text)
    load_train_settings(output / CONFIG)
    return output / CONFIG


def _sources(jobs: Sequence[SceneJob], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A source for each split of each source that has chips."""
    folders = {str(Path(row["chip"]).parent.as_posix()) for row in rows}
    by_folder = {job.folder: job for job in jobs}
    return [
        _source(job, split) for folder, job in by_folder.items() for split in SPLITS if f"{folder}/{split}" in folders
    ]


def _source(job: SceneJob, split: str) -> dict[str, Any]:
    source, numbers = job.source, iter(range(1, len(job.bands) + 1))
    asked = source.bands or job.settings.bands
    meaning = {number: names[0] if len(names) == 1 else list(names) for number, names in _meaning(job).items()}
    return {
        "name": source.name,
        "scene": f"{job.folder}/{split}/*{IMAGE}",
        "labels": f"{job.folder}/{split}/*{LABELS}",
        "label_map": meaning,
        "bands": [None if band is None else next(numbers) for band in asked],
        **({"gsd": source.gsd} if source.gsd is not None else {}),
        **({"scale": source.scale} if source.scale is not None else {}),
        **({"offset": source.offset} if source.offset else {}),
        "split": split,
        "weight": source.weight,
    }


def _meaning(job: SceneJob) -> dict[int, tuple[str, ...]]:
    """What the ids mean that the source uses: others would join its legend, by which it is scored."""
    used = {frozenset(names) for names in job.source.label_sets}
    return {number: names for number, names in job.ids.meaning.items() if frozenset(names) in used}


def _from(folder: Path, path: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
