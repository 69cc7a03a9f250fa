"""Fit a model to a region without labels: python -m pipelines.adapt_region --model M --region SCENE... -o DIR.

DIR gets the adapted model (model/), a page about how it came about (report.html), maps of every scene by the model as
it was (before/) and by the adapted one (after/), and which class became which (changes.csv, changes.json). A scene
that fails is recorded and the others go on. Run again, the job takes up where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click

from geoseg.adaptation.adapt import adapt_model
from geoseg.adaptation.result import ACCOUNT
from geoseg.cli.adapt import UNUSABLE
from geoseg.cli.messages import reported
from geoseg.cli.options import settings_options
from geoseg.cli.progress import progress_shown
from geoseg.config.adapt import AdaptSettings
from geoseg.config.predict import PredictSettings
from geoseg.config.settings import load_settings
from geoseg.config.train import load_train_settings
from geoseg.errors import SceneError
from geoseg.models.zoo import find_model, read_card
from pipelines.archive.done import DONE
from pipelines.archive.jobs import ArchiveJob
from pipelines.archive.report import FAILED
from pipelines.archive.run import run_archive
from pipelines.archive.scenes import find_files
from pipelines.region_report import AFTER, BEFORE, MODEL, Region, RegionResult, changes_of, write_result
from pipelines.written import read_json, write_json

_MARK = "model.done.json"
_SOURCE = "source"
_HOW_ONLY = {"overwrite", "strict"}


def adapt_region(region: Region) -> RegionResult:
    """Map the scenes, fit the model to those that could be mapped, map them again, and write what changed.

    Raises:
        GeosegError: if no scene can be mapped, or the model cannot be adapted, or something cannot be written.
    """
    before = run_archive(region.jobs(BEFORE), region.output / BEFORE, _maps(region, region.settings.model))
    mapped = {str(entry["scene"]) for entry in before if entry["status"] != FAILED}
    learnt = [scene for scene in region.scenes if scene in mapped]
    if not learnt:
        raise SceneError(f"none of the {len(region.scenes)} scenes of the region could be mapped: nothing to adapt to")
    account = _adapted(region, learnt)
    result = RegionResult(account=account, before=before)
    if account["chosen"] != _SOURCE:
        jobs = [job for job in region.jobs(AFTER) if job.scene in mapped]
        after = run_archive(jobs, region.output / AFTER, _maps(region, str(region.output / MODEL)))
        changes = changes_of(region, before, after)
        result = RegionResult(account=account, before=before, after=after, changes=changes)
    write_result(region, result)
    return result


class _Rest(TypedDict):
    """Options that are no settings."""

    source: Path | None
    maps: Path | None
    output: Path
    as_json: bool


@click.command("adapt_region")
@click.argument("more", nargs=-1, metavar="[SCENE]...")
@click.option(
    "--region",
    "regions",
    multiple=True,
    required=True,
    metavar="SCENE",
    help="Scenes to adapt to and to map: a file, a pattern or a folder; more may follow it or be given each with "
    "--region.",
)
@click.option(
    "--holdout", multiple=True, metavar="SCENE", help="Scenes to map but not to learn from; may be given repeatedly."
)
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    metavar="CONFIG",
    help="Training config with the labelled scenes that the model was trained on, where they are at hand.",
)
@click.option(
    "--maps", type=click.Path(path_type=Path), metavar="CONFIG", help="YAML file with settings of `geoseg predict`."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for the model, the report and the maps.",
)
@settings_options(AdaptSettings)
@click.option("--json", "as_json", is_flag=True, help="Write what was made as JSON.")
def command(
    settings: AdaptSettings,
    regions: tuple[str, ...],
    holdout: tuple[str, ...],
    more: tuple[str, ...],
    **rest: Unpack[_Rest],
) -> int:
    """Fit a model to a region without labels and map its scenes before and after.

    The exit code is 1 if a scene failed, and 3 with --strict where the region is too different for the model.
    """
    held_out = [each.scene for each in find_files(holdout)]
    scenes = [each.scene for each in find_files((*regions, *more)) if each.scene not in held_out]
    region = Region(
        scenes=tuple(scenes),
        held_out=tuple(held_out),
        settings=settings,
        maps=PredictSettings() if rest["maps"] is None else load_settings(PredictSettings, rest["maps"]),
        output=rest["output"],
        source=rest["source"],
    )
    result = adapt_region(region)
    if rest["as_json"]:
        click.echo(json.dumps(result.as_json(), indent=2))
    else:
        _show(region, result)
    if result.failed:
        return 1
    return UNUSABLE if settings.strict and result.account["outcome"] == "unusable" else 0


def _show(region: Region, result: RegionResult) -> None:
    click.echo(f"{result.account['outcome']}: {result.account['reason']}")
    if result.account["chosen"] == _SOURCE:
        click.echo(f"the model was kept: {region.output / BEFORE} holds its maps, there are none after")
    elif result.overall is not None:
        click.echo(f"{result.overall.changed_share:.1%} of the mapped ground changed its class")
    click.echo(region.output / "report.html")


def _maps(region: Region, model: str) -> PredictSettings:
    """How scenes are mapped by a model."""
    settings = region.settings
    changes: dict[str, object] = {"model": model, "device": settings.device, "precision": settings.precision}
    changes["overwrite"] = settings.overwrite or region.maps.overwrite
    if settings.bands is not None:
        changes["bands"] = settings.bands
    return region.maps.model_copy(update=changes)


def _adapted(region: Region, scenes: Sequence[str]) -> Mapping[str, Any]:
    """Adapt the model, unless an earlier run did; gives the account of it."""
    mark, settings, folder = region.output / _MARK, region.settings, region.output / MODEL
    wanted = _fingerprint(region, scenes)
    if (
        not settings.overwrite
        and read_json(mark).get("fingerprint") == wanted
        and (done := read_json(folder / ACCOUNT))
    ):
        click.echo(f"adapted before: {folder}", err=True)
        return done
    if mark.exists():  # the folder holds an older model of this job
        settings = settings.model_copy(update={"overwrite": True})
    source = None if region.source is None else load_train_settings(region.source)
    with progress_shown(MODEL) as progress:
        result = adapt_model(settings, scenes, folder, source=source, progress=progress)
    for job in region.jobs(AFTER):
        _forget(job)
    write_json(mark, {"fingerprint": wanted})
    return result.as_json()


def _forget(job: ArchiveJob) -> None:
    """A map by an older model is to be made again, in the place where it is."""
    if (job.folder / DONE).exists():
        write_json(job.folder / DONE, {})


def _fingerprint(region: Region, scenes: Sequence[str]) -> str:
    """Changes with the model, the scenes' files and every setting that changes the adapted model."""
    files = [*scenes, *([] if region.source is None else [str(region.source)])]
    parts = (
        read_card(find_model(region.settings.model)).weights_sha256,
        [(file, *_facts(file)) for file in files],
        region.settings.model_dump(mode="json", exclude=_HOW_ONLY),
    )
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _facts(file: str) -> tuple[int, ...]:
    try:
        facts = os.stat(file)  # noqa: PTH116 - /vsi paths are strings
    except OSError:
        return ()
    return facts.st_size, facts.st_mtime_ns


if __name__ == "__main__":
    sys.exit(reported(command, prog_name="python -m pipelines.adapt_region"))
