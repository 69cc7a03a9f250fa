"""The chips of one scene: read, written, and a row of the manifest for each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj

from geoseg.config.train import SourceSettings, TrainSettings
from geoseg.data.chips import IGNORED, Chip
from geoseg.data.sampling import Region
from geoseg.data.splits import SPLITS, Split
from geoseg.errors import OutputError
from geoseg.georef import GeoRef
from geoseg.training.regions import close_regions, label_sets, open_regions
from geoseg.window import Window
from pipelines.archive.scenes import safe_name
from pipelines.chips.windows import ChipPlan
from pipelines.chips.writing import IMAGE, LABELS, LabelIds, write_pair
from pipelines.file_states import sha256_of

Row = dict[str, Any]
"""What the manifest says of a chip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneJob:
    """A scene with its labels, and where its chips go."""

    settings: TrainSettings
    """Those of the training, with this scene as the only one."""

    folder: str
    """Of the source, in the output."""

    stem: str
    """What the names of its chips begin with; no other scene of the source has it."""

    scene: Path
    """The scene."""

    labels: Path
    """Its labels."""

    @property
    def source(self) -> SourceSettings:
        """Its source."""
        return self.settings.sources[0]

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the model's bands that the scene has, in their order."""
        asked = self.source.bands or self.settings.bands
        return tuple(name for name, band in zip(self.settings.bands, asked, strict=True) if band is not None)

    @property
    def ids(self) -> LabelIds:
        """What its label codes are called in files."""
        return LabelIds.of(self.settings.class_map, label_sets(self.settings).sets)


def jobs_of(settings: TrainSettings) -> list[SceneJob]:
    """All scenes of a training.

    Raises:
        ConfigError: if a scene or its labels are missing.
    """
    return [job for number, source in enumerate(settings.sources) for job in _jobs_of(settings, number, source)]


def cut_scene(job: SceneJob, plan: ChipPlan, output: Path) -> list[Row]:
    """Write the chips of a scene; those that are there are replaced.

    Returns:
        The rows of the manifest, in the order of splits and windows.

    Raises:
        GeosegError: if the scene or its labels cannot be read, or a chip not be written.
    """
    regions = open_regions(job.settings, cache_mb=job.settings.cache_mb)
    try:
        return list(_cut(job, plan, output, regions))
    finally:
        close_regions(regions)


def _jobs_of(settings: TrainSettings, number: int, source: SourceSettings) -> Iterator[SceneJob]:
    files = settings.files_of(source)
    stems = [scene.stem for scene, _ in files]
    for scene, labels in files:
        name = source.name or scene.parent.name
        alone = source.model_copy(update={"name": name, "scene": str(scene), "labels": str(labels)})
        yield SceneJob(
            settings=settings.model_copy(update={"sources": (alone,)}),
            folder=f"{number:02}_{safe_name(name)}",
            stem=safe_name(scene.stem if stems.count(scene.stem) == 1 else scene.name),
            scene=scene,
            labels=labels,
        )


def _cut(job: SceneJob, plan: ChipPlan, output: Path, regions: Mapping[Split, tuple[Region, ...]]) -> Iterator[Row]:
    ids = job.ids
    for split in SPLITS:
        folder = output / job.folder / split
        for region in regions[split]:
            for window in plan.windows(region.window):
                chip = region.scene.read(window, within=region.window)
                labelled = float((chip.labels != IGNORED).mean())
                if labelled > 0 and labelled >= plan.least_labelled:
                    _make(folder)
                    stem = folder / f"{job.stem}_r{window.row:06}_c{window.col:06}"
                    grid = region.scene.georef.of_window(window)
                    yield _facts(job, stem, split, window) | _written(job, ids, stem, chip, grid)


def _written(job: SceneJob, ids: LabelIds, stem: Path, chip: Chip, grid: GeoRef) -> Row:
    write_pair(stem, chip, grid, job.bands, ids, job.settings.class_map)
    values, counts = np.unique(ids.table[chip.labels], return_counts=True)
    shares = dict(zip(values.tolist(), (counts / chip.labels.size).tolist(), strict=True))
    image, labels = Path(f"{stem}{IMAGE}"), Path(f"{stem}{LABELS}")
    return {
        "crs": _name_of(grid.crs),
        "transform": list(grid.transform)[:6],
        "nodata_share": 1 - chip.valid_share,
        "unlabelled_share": shares.pop(IGNORED, 0.0),
        "shares": {str(number): share for number, share in shares.items()},
        "image_sha256": sha256_of(image),
        "labels_sha256": sha256_of(labels),
        "bytes": [image.stat().st_size, labels.stat().st_size],
    }


def _facts(job: SceneJob, stem: Path, split: Split, window: Window) -> Row:
    path = f"{job.folder}/{split}/{stem.name}"
    return {
        "chip": path,
        "source": job.source.name,
        "scene": Path(os.path.relpath(job.scene, job.settings.root)).as_posix(),
        "split": split,
        "row": window.row,
        "col": window.col,
        "height": window.height,
        "width": window.width,
    }


def _name_of(crs: str | None) -> str:
    """EPSG:n where there is one, else the text; empty without a CRS."""
    if crs is None:
        return ""
    authority = pyproj.CRS.from_wkt(crs).to_authority(min_confidence=100)
    return crs if authority is None else ":".join(authority)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
