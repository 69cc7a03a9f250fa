"""Map the scenes of an archive: small ones whole, each by one worker; large ones one by one, by all workers."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasterio.errors import RasterioError

from geoseg.cli.messages import show_error
from geoseg.cli.predict import Failure, result_as_json
from geoseg.cli.progress import progress_shown
from geoseg.config.cluster import load_cluster
from geoseg.config.predict import PredictSettings, Progress
from geoseg.errors import ConfigError, GeosegError, SceneError
from geoseg.predict.scene import predict_with
from geoseg.raster.scene import Access, describe_scene
from geoseg.schedule import run_blocks
from geoseg.schedule.clusters import open_cluster
from pipelines.archive.collection import join_collection
from pipelines.archive.done import (
    MOST_ATTEMPTS,
    attempts,
    begin,
    digest_of_options,
    ended,
    finished,
    input_states,
    is_own,
    mark_done,
)
from pipelines.archive.jobs import ArchiveJob
from pipelines.archive.report import FAILED, MAPPED, SKIPPED, ArchiveReport, Entry

LARGE = 25_000_000
"""Pixels from which on all workers share the blocks of a scene."""

_HEADERS_AT_ONCE = 8
_UNEXPECTED = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    MemoryError,
    RasterioError,
)
"""What only a defect of geoseg or of a library raises: an archive goes on without the scene that met it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapScene:
    """How any scene of an archive is mapped; picklable."""

    settings: PredictSettings
    """For all scenes."""

    options: str
    """Digest of them."""

    run: str
    """Tells this run from others."""

    output: Path
    """Folder of the archive."""

    collection: str = ""
    """Id of the collection that the items join; none where empty."""

    def __call__(self, job: ArchiveJob, progress: Progress | None = None) -> tuple[ArchiveJob, Entry]:
        """Map one scene; never fails for what is wrong with it.

        Returns:
            The job, and what became of it: `status` is mapped or failed.
        """
        warnings: list[str] = []
        try:
            begin(job, self.run)
            with _warnings_kept(warnings):
                entry: dict[str, Any] = {"status": MAPPED, **self._mapped(job, progress)}
        except GeosegError as error:
            entry = {"status": FAILED, **result_as_json(Failure(job.scene, error))}
        except _UNEXPECTED as error:
            entry = {"status": FAILED, "scene": job.scene, "error": f"{type(error).__name__}: {error} (a defect)"}
        ended(job)
        return job, {**entry, "warnings": warnings} if warnings else entry

    def _mapped(self, job: ArchiveJob, progress: Progress | None) -> dict[str, Any]:
        if job.refusal:
            raise SceneError(job.refusal)
        changes: dict[str, Any] = {"allow": (*self.settings.allow, *job.allow)}
        if is_own(job):
            changes["overwrite"] = True
        inputs = input_states(job.scene, changes["allow"])
        prediction = predict_with(job.scene, job.folder, self.settings.model_copy(update=changes), progress=progress)
        if self.collection:
            join_collection(prediction.stac_item, name=job.name, output=self.output, collection=self.collection)
        result = result_as_json(prediction)
        mark_done(job, self.options, result, inputs)
        return result


def run_archive(
    jobs: Sequence[ArchiveJob], output: Path, settings: PredictSettings, *, collection: str = ""
) -> list[Entry]:
    """Map every scene that is not made; the report on disk follows.

    Small scenes are spread over the workers as a whole, so that each loads the model once; large ones come one after
    the other, and the workers share their blocks.

    Args:
        jobs: the scenes.
        output: folder of the report.
        settings: for all scenes.
        collection: id of the STAC collection that the items join; none where empty.

    Returns:
        The report: for every scene what was made, or its error.

    Raises:
        OutputError: if the report cannot be written.
        ModelError: if the model is unknown or damaged.
        ConfigError: if the cluster cannot be reached, or is lost.
    """
    options = digest_of_options(settings)
    task = MapScene(settings=settings, options=options, run=secrets.token_hex(8), output=output, collection=collection)
    report = ArchiveReport(jobs, output)
    try:
        if not settings.overwrite and not settings.restart:
            for job in jobs:
                if result := finished(job, options):
                    report.add(job, {"status": SKIPPED, **result})
        _map_all([job for job in jobs if not report.has(job)], task, report)
    finally:
        report.write()
    return report.entries


def _map_all(jobs: Sequence[ArchiveJob], task: MapScene, report: ArchiveReport) -> None:
    settings = task.settings
    if settings.computes_here or len(jobs) <= 1:
        _one_by_one(jobs, task, report)
        return
    with _one_cluster(settings) as shared:
        pixels = dict(zip(jobs, _sizes(jobs, settings), strict=True))
        whole = [job for job in jobs if pixels[job] < LARGE]
        _spread(whole, task, shared, report)
        apart = [job for job in jobs if pixels[job] >= LARGE]
        _one_by_one(apart, _with(task, shared), report)


@contextmanager
def _one_cluster(settings: PredictSettings) -> Iterator[PredictSettings]:
    """Settings for all scenes: a cluster that is made for the run is made once."""
    if settings.cluster is None:
        yield settings
        return
    with open_cluster(load_cluster(settings.cluster)) as client:
        yield settings.model_copy(update={"cluster": None, "scheduler": client.scheduler_info()["address"]})


def _one_by_one(jobs: Sequence[ArchiveJob], task: MapScene, report: ArchiveReport) -> None:
    for job in jobs:
        if len(jobs) == 1 or _pixels_of(job, task.settings) >= LARGE:
            with progress_shown(Path(job.scene).name) as progress:
                report.add(*task(job, progress))
        else:
            report.add(*task(job))


def _spread(jobs: Sequence[ArchiveJob], task: MapScene, settings: PredictSettings, report: ArchiveReport) -> None:
    """Scenes as a whole to workers. One that ends worker after worker is given up, and the others go on."""
    alone = _with(task, settings.model_copy(update={"workers": 1, "scheduler": None, "cluster": None}))
    waiting = list(jobs)
    while waiting:
        try:
            run_blocks(alone, _taken_by(report), waiting, workers=settings.workers, scheduler=settings.scheduler)
        except ConfigError as error:
            culprits = [job for job in waiting if not report.has(job) and attempts(job, task.run) >= MOST_ATTEMPTS]
            if not culprits:
                raise
            show_error(error)
            for job in culprits:
                ended(job)
                report.add(job, _given_up(job))
        waiting = [job for job in waiting if not report.has(job)]


def _taken_by(report: ArchiveReport) -> Callable[[tuple[ArchiveJob, Entry]], None]:
    """Records what workers give, and shows what they would have warned of."""

    def take(result: tuple[ArchiveJob, Entry]) -> None:
        job, entry = result
        for text in entry.get("warnings", ()):
            logging.getLogger("geoseg").warning("%s", text)
        report.add(job, entry)

    return take


def _given_up(job: ArchiveJob) -> Entry:
    reason = (
        f"ended {MOST_ATTEMPTS} or more processes that mapped it, probably for want of memory: map it alone, with a "
        "smaller --tile or --max-memory"
    )
    return {"status": FAILED, "scene": job.scene, "error": reason}


def _with(task: MapScene, settings: PredictSettings) -> MapScene:
    return MapScene(
        settings=settings, options=task.options, run=task.run, output=task.output, collection=task.collection
    )


def _sizes(jobs: Sequence[ArchiveJob], settings: PredictSettings) -> list[int]:
    with ThreadPoolExecutor(_HEADERS_AT_ONCE, thread_name_prefix="geoseg-headers") as pool:
        return list(pool.map(lambda job: _pixels_of(job, settings), jobs))


def _pixels_of(job: ArchiveJob, settings: PredictSettings) -> int:
    """Of a scene by its header; 0 where it cannot be read, which is soon found out."""
    if job.refusal:
        return 0
    try:
        access = Access(allow=(*settings.allow, *job.allow))
        grid = describe_scene(job.scene, bands=settings.bands, access=access).georef
    except (GeosegError, *_UNEXPECTED):
        return 0
    return grid.height * grid.width


class _Kept(logging.Handler):
    def __init__(self, texts: list[str]) -> None:
        super().__init__(level=logging.WARNING)
        self._texts = texts

    def emit(self, record: logging.LogRecord) -> None:
        self._texts.append(record.getMessage())


@contextmanager
def _warnings_kept(texts: list[str]) -> Iterator[None]:
    """What geoseg warns of meanwhile is added to texts."""
    handler, logger = _Kept(texts), logging.getLogger("geoseg")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
