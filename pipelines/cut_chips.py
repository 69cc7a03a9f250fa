"""Cut scenes with labels to an archive of chips: python -m pipelines.cut_chips CONFIG -o DIR.

CONFIG is one of `geoseg train`; its scenes, labels, splits and bands are taken as training would take them. DIR gets
pairs of GeoTIFFs where there are labels, manifest.csv with a row for each, and train.yaml, with which `geoseg train`
learns from the chips. Chips keep to the ground of their split. The same scenes and options give the same bytes. Run
again, the job cuts the scenes that are not cut or have changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import click

import geoseg
from geoseg.cli.messages import reported
from geoseg.config.train import load_train_settings
from geoseg.errors import ConfigError, OutputError
from pipelines.chips.cutting import Row, SceneJob, cut_scene, jobs_of
from pipelines.chips.manifest import CONFIG, MANIFEST, write_config, write_manifest
from pipelines.chips.windows import ChipPlan
from pipelines.chips.writing import IMAGE, LABELS
from pipelines.file_states import is_same, states_of
from pipelines.written import read_json, write_json

_CUT = ".cut"
_USUAL = ChipPlan()
_BESIDE = (".aux.xml", ".msk")


@dataclass(frozen=True, slots=True, kw_only=True)
class CutResult:
    """What was cut."""

    chips: int
    """All there are."""

    scenes: int
    """All that were asked for."""

    skipped: int
    """Scenes that were cut before."""


def cut_chips(config: Path, output: Path, plan: ChipPlan) -> CutResult:
    """Cut the scenes of a training config.

    Args:
        config: YAML file of `geoseg train`.
        output: folder of the archive.
        plan: how chips lie.

    Raises:
        GeosegError: if a scene, its labels or the config cannot be used, or the folder holds something else.
    """
    settings = load_train_settings(config)
    jobs = jobs_of(settings)
    _require_own(output)
    rows, skipped = [], 0
    _forget_others(output, jobs)
    for number, job in enumerate(jobs, start=1):
        found = _cut_before(job, plan, output)
        skipped += found is not None
        rows += _cut_now(job, plan, output) if found is None else found
        said = "as it was" if found is not None else f"{len(rows)} chips so far"
        click.echo(f"{number}/{len(jobs)} {job.scene}: {said}", err=True)
    if not rows:
        raise ConfigError(f"{config}: no scene has a chip with labels: check label_map, --size and --least-labelled")
    ids = sorted({number for job in jobs for number in job.ids.meaning})
    write_manifest(output, rows, ids)
    write_config(output, settings, jobs, rows)
    return CutResult(chips=len(rows), scenes=len(jobs), skipped=skipped)


class _Plan(TypedDict):
    size: int
    overlap: int
    least_labelled: float


@click.command("cut_chips")
@click.argument("config", type=click.Path(path_type=Path), metavar="CONFIG")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Folder of the archive."
)
@click.option("--size", default=_USUAL.size, show_default=True, help="Side of a chip, px of its scene.")
@click.option("--overlap", default=_USUAL.overlap, show_default=True, help="Pixels that neighbours share.")
@click.option(
    "--least-labelled",
    default=_USUAL.least_labelled,
    show_default=True,
    help="Share of pixels with a label below which a chip is left out; one without any always is.",
)
@click.option("--json", "as_json", is_flag=True, help="Write what was cut as JSON.")
def command(config: Path, output: Path, *, as_json: bool, **plan: Unpack[_Plan]) -> int:
    """Cut the scenes of a training CONFIG to an archive of chips that `geoseg train DIR/train.yaml` learns from."""
    result = cut_chips(config, output, ChipPlan(**plan))
    if as_json:
        click.echo(json.dumps({**asdict(result), "manifest": str(output / MANIFEST), "config": str(output / CONFIG)}))
    else:
        click.echo(f"{result.chips} chips of {result.scenes} scenes, {result.skipped} of them as they were")
        click.echo(str(output / CONFIG))
    return 0


def _require_own(output: Path) -> None:
    """Refuse a folder with something else in it."""
    try:
        held = os.listdir(output) if output.is_dir() else []  # noqa: PTH208 - names are enough
        if held and _CUT not in held:
            raise OutputError(f"{output}: holds something else than chips: choose another folder")
        (output / _CUT).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot be written: {error.strerror}") from error


def _cut_before(job: SceneJob, plan: ChipPlan, output: Path) -> list[Row] | None:
    """Rows of a scene that an earlier run cut in the same way, if it and its chips are what they were."""
    mark = read_json(_mark_of(job, output))
    if mark.get("options") != _digest(job, plan):
        return None
    try:
        rows: list[Row] = mark["rows"]
        whole = all(path.stat().st_size == size for row in rows for path, size in _files(row, output))
        same = whole and all(is_same(Path(path), state) for path, state in mark["inputs"].items())
    except (OSError, KeyError, TypeError, ValueError):
        return None
    return rows if same else None


def _cut_now(job: SceneJob, plan: ChipPlan, output: Path) -> list[Row]:
    mark = _mark_of(job, output)
    before = read_json(mark).get("rows", [])
    inputs = states_of(path.with_name(path.name + end) for path in (job.scene, job.labels) for end in ("", *_BESIDE))
    rows = cut_scene(job, plan, output)
    kept = {row["chip"] for row in rows}
    _remove((row for row in before if row["chip"] not in kept), output)
    write_json(mark, {"options": _digest(job, plan), "inputs": inputs, "rows": rows})
    return rows


def _forget_others(output: Path, jobs: Sequence[SceneJob]) -> None:
    """Remove the chips of scenes that the config names no more."""
    wanted = {_mark_of(job, output) for job in jobs}
    for mark in sorted((output / _CUT).glob("*.json")):
        if mark not in wanted:
            _remove(read_json(mark).get("rows", []), output)
            mark.unlink()


def _remove(rows: Iterable[Row], output: Path) -> None:
    for row in rows:
        for path, _ in _files(row, output):
            path.unlink(missing_ok=True)
            with suppress(OSError):
                path.parent.rmdir()


def _files(row: Row, output: Path) -> list[tuple[Path, int]]:
    """Both files of a chip with their sizes, bytes; none of a row that leads out of the folder."""
    paths = [output / f"{row['chip']}{ending}" for ending in (IMAGE, LABELS)]
    inside = all(path.resolve().is_relative_to(output.resolve()) for path in paths)
    return list(zip(paths, row["bytes"], strict=True)) if inside else []


def _mark_of(job: SceneJob, output: Path) -> Path:
    return output / _CUT / f"{job.folder}.{job.stem}.json"


def _digest(job: SceneJob, plan: ChipPlan) -> str:
    """Changes with all that decides about the chips of a scene besides its files."""
    kept = {"classes", "bands", "optional_bands", "blocks", "seed", "gsd", "scales"}
    source = job.source.model_dump(mode="json", exclude={"weight", "scene", "labels"})
    parts = (geoseg.__version__, asdict(plan), source, job.settings.model_dump(mode="json", include=kept))
    return hashlib.sha256(json.dumps([*parts, job.folder], sort_keys=True).encode()).hexdigest()


if __name__ == "__main__":
    sys.exit(reported(command, prog_name="python -m pipelines.cut_chips"))
