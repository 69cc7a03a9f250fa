"""Map a whole archive: python -m pipelines.predict_archive SCENES... -o DIR.

Every scene gets a folder of its own in DIR. A scene that fails is recorded and the others go on. Run again, the
job takes up where it stopped: scenes that are finished are left as they are.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from geoseg.cli.messages import reported, show_error
from geoseg.cli.options import settings_options
from geoseg.cli.predict import Failure, result_as_json
from geoseg.cli.progress import progress_shown
from geoseg.config.predict import PredictSettings, Progress
from geoseg.errors import ConfigError, GeosegError, OutputError
from geoseg.predict.scene import predict_with
from geoseg.schedule import run_blocks

SCENE_ENDINGS = (".tif", ".tiff", ".vrt", ".jp2", ".img")
"""What is taken for a scene in a folder."""

REPORT = "report.json"
"""Name of the report in the output folder."""

DONE = "done.json"
_HOW_ONLY = {"overwrite", "workers", "scheduler", "cluster", "block_rows", "batch_size", "restart", "keep_blocks"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveJob:
    """One scene and where its map goes."""

    scene: str
    """The scene."""

    folder: Path
    """A folder that no other scene of the archive has."""


def find_scenes(sources: Sequence[str]) -> list[str]:
    """Scenes named by files, patterns and folders, each once, in the order of their paths.

    A folder stands for the rasters in it and below it.

    Raises:
        ConfigError: if a pattern or a folder holds no scene.
    """
    found: dict[str, None] = {}
    for source in sources:
        scenes = list(_scenes_of(source))
        if not scenes:
            raise ConfigError(f"{source}: holds no scene: expected files ending in {', '.join(SCENE_ENDINGS)}")
        found |= dict.fromkeys(scenes)
    return sorted(found)


def plan_archive(scenes: Sequence[str], output: Path) -> list[ArchiveJob]:
    """Give every scene its folder: its name, and a mark of its path where two scenes have one name."""
    shared = Counter(Path(scene).stem for scene in scenes)
    return [
        ArchiveJob(
            scene=scene,
            folder=output
            / (Path(scene).stem if shared[Path(scene).stem] == 1 else f"{Path(scene).stem}-{_mark(scene)}"),
        )
        for scene in scenes
    ]


def run_archive(jobs: Sequence[ArchiveJob], output: Path, settings: PredictSettings) -> list[dict[str, object]]:
    """Map every scene that is not finished; the report is written after each.

    Where there are workers and scenes enough for them, each worker maps whole scenes; otherwise the scenes come
    one after the other, and the workers share the blocks of each.

    Returns:
        The report: for every scene what was made, or its error.

    Raises:
        OutputError: if the report cannot be written.
        ConfigError: if the cluster cannot be reached.
    """
    report: list[dict[str, object]] = []

    def keep() -> None:
        _write_json(output / REPORT, {"scenes": report, "remaining": len(jobs) - len(report)})

    def record(entry: dict[str, object]) -> None:
        report.append(entry)
        click.echo(f"{len(report)}/{len(jobs)} {entry['status']}: {entry['scene']}", err=True)
        keep()

    keep()
    if settings.computes_here or len(jobs) < settings.workers:
        for job in jobs:
            with progress_shown(Path(job.scene).name) as progress:
                entry = process_scene(job, settings, progress=progress)
            record(entry)
        return report
    alone = settings.model_copy(update={"workers": 1, "scheduler": None, "cluster": None})
    run_blocks(
        partial(process_scene, settings=alone),
        record,
        jobs,
        workers=settings.workers,
        scheduler=settings.scheduler,
        cluster=settings.cluster,
    )
    return report


def process_scene(job: ArchiveJob, settings: PredictSettings, *, progress: Progress | None = None) -> dict[str, object]:
    """Map one scene unless it is finished; never fails for what is wrong with the scene.

    Returns:
        Its entry in the report: `status` is mapped, skipped or failed.
    """
    return _finished(job, settings) or _mapped(job, settings, progress)


@click.command("predict_archive")
@click.argument("sources", nargs=-1, required=True, metavar="SCENES...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for the maps, one folder for each scene, and report.json.",
)
@settings_options(PredictSettings)
@click.option("--json", "as_json", is_flag=True, help="Write the report to stdout as well.")
def command(settings: PredictSettings, sources: tuple[str, ...], output: Path, *, as_json: bool) -> int:
    """Map a whole archive of scenes.

    SCENES are files, patterns such as 'archive/*.tif', and folders. The exit code is 1 if a scene failed.
    """
    report = run_archive(plan_archive(find_scenes(sources), output), output, settings)
    counts = Counter(str(entry["status"]) for entry in report)
    if as_json:
        click.echo(json.dumps({"scenes": report, "remaining": 0}, indent=2))
    else:
        click.echo(", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
    return 1 if counts["failed"] else 0


def _scenes_of(source: str) -> Iterator[str]:
    if Path(source).is_dir():
        for folder, below, names in os.walk(source):
            below.sort()
            yield from (str(Path(folder) / name) for name in sorted(names) if name.lower().endswith(SCENE_ENDINGS))
    elif glob.has_magic(source) and not Path(source).exists():
        yield from sorted(glob.glob(source, recursive=True))  # noqa: PTH207 - absolute patterns too
    else:
        yield source


def _mark(scene: str) -> str:
    return hashlib.sha256(str(Path(scene).absolute()).encode()).hexdigest()[:8]


def _mapped(job: ArchiveJob, settings: PredictSettings, progress: Progress | None) -> dict[str, object]:
    try:
        prediction = predict_with(job.scene, job.folder, _may_replace(job, settings), progress=progress)
        result = result_as_json(prediction)
        _write_json(job.folder / DONE, {"fingerprint": _fingerprint(job.scene, settings), "result": result})
    except GeosegError as error:
        show_error(error, about=job.scene)
        return {"status": "failed", **result_as_json(Failure(job.scene, error))}
    return {"status": "mapped", **result}


def _may_replace(job: ArchiveJob, settings: PredictSettings) -> PredictSettings:
    """A folder with the mark of this job holds this job's older outputs: they may be replaced."""
    stale = (job.folder / DONE).exists()
    return settings.model_copy(update={"overwrite": True}) if stale else settings


def _finished(job: ArchiveJob, settings: PredictSettings) -> dict[str, object] | None:
    """What an earlier run made of the same scene with the same settings, if all of it is still there."""
    if settings.overwrite:
        return None
    try:
        done = json.loads((job.folder / DONE).read_text(encoding="utf-8"))
        outputs: Mapping[str, str] = done["result"]["outputs"]
        whole = done["fingerprint"] == _fingerprint(job.scene, settings)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not whole or not all(Path(path).exists() for path in outputs.values()):
        return None
    return {"status": "skipped", **done["result"]}


def _fingerprint(scene: str, settings: PredictSettings) -> str:
    """Changes with the scene's file and with every setting that changes a map."""
    try:
        facts = os.stat(scene)  # noqa: PTH116 - /vsi paths are strings
        file: tuple[object, ...] = (facts.st_size, facts.st_mtime_ns)
    except OSError:
        file = ()
    wanted = settings.model_dump(mode="json", exclude=_HOW_ONLY)
    return hashlib.sha256(json.dumps([scene, file, wanted], sort_keys=True).encode()).hexdigest()


def _write_json(path: Path, values: Mapping[str, object]) -> None:
    partial = path.with_name(f".geoseg-{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(values, indent=2), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(reported(command, prog_name="python -m pipelines.predict_archive"))
