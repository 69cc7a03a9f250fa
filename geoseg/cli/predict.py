"""`geoseg predict SCENE...`: scenes to class rasters and GeoPackages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

from geoseg.cli.events import events_written
from geoseg.cli.messages import show_error
from geoseg.cli.options import settings_options
from geoseg.cli.progress import progress_shown
from geoseg.cli.tables import show_table
from geoseg.config.predict import PredictSettings
from geoseg.errors import ConfigError, GeosegError
from geoseg.events import Told

if TYPE_CHECKING:
    from geoseg.predict.scene import Prediction

UNREADABLE = 4
"""The exit code where maps were made of scenes that could not be read everywhere."""


@click.command("predict")
@click.argument("scenes", nargs=-1, required=True, metavar="SCENE...")
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the outputs; <scene>_geoseg beside each scene where not given.",
)
@settings_options(PredictSettings)
@click.option("--json", "as_json", is_flag=True, help="Write what was made as JSON, at the end.")
@click.option(
    "--events",
    "as_events",
    is_flag=True,
    help="Write what happens as it happens, as lines of JSON; the last one holds what --json writes.",
)
def command(settings: PredictSettings, scenes: tuple[str, ...], folder: Path | None, **how: Unpack[_Shown]) -> int:
    """Map the land cover of scenes.

    SCENE is any raster GDAL opens, a STAC item, or a folder, a glob in quotes or a list (.txt) of files: one per band,
    or the tiles of a mosaic. Each gives a class raster, its confidence and a GeoPackage of polygons that opens
    coloured in QGIS. A scene that fails is reported and the others go on; the exit code is then 1. A run that was
    stopped goes on where it was when it is started again.
    """
    require_distinct(scenes, folder)
    with events_written() if how["as_events"] else nullcontext():
        results = [_mapped(scene, folder, settings) for scene in scenes]
        _write(results, **how)
    if any(isinstance(result, Failure) for result in results):
        return 1
    return UNREADABLE if any(not isinstance(result, Failure) and result.unreadable for result in results) else 0


class _Shown(TypedDict):
    """How results are written."""

    as_json: bool
    as_events: bool


class Failure:
    """A scene that could not be mapped, and why."""

    def __init__(self, scene: str, error: GeosegError) -> None:
        self.scene = scene
        self.error = error


def require_distinct(scenes: Sequence[str], folder: Path | None) -> None:
    """Refuse scenes whose outputs would have the same names.

    Raises:
        ConfigError: naming two of them.
    """
    seen: dict[tuple[Path, str], str] = {}
    for scene in scenes:
        key = (Path(scene).parent if folder is None else folder, Path(scene).stem)
        if key in seen:
            raise ConfigError(
                f"{seen[key]} and {scene} would both be written as {key[1]}.*: map them apart, each with its own -o"
            )
        seen[key] = scene


def result_as_json(result: Prediction | Failure) -> dict[str, object]:
    """What was made of a scene, or why nothing was, as plain values."""
    if isinstance(result, Failure):
        return {"scene": result.scene, "error": " ".join(str(result.error).split())}
    grid = result.grid
    return {
        "scene": result.scene,
        "model": result.model,
        "outputs": result.outputs,
        "height": grid.height,
        "width": grid.width,
        "gsd": grid.gsd,
        "classes": [asdict(total) for total in result.classes],
        "seconds": round(result.seconds, 3),
        "unreadable": result.unreadable,
    }


def _write(results: Sequence[Prediction | Failure], *, as_json: bool, as_events: bool) -> None:
    """What was made, for programs or for people."""
    plain = [result_as_json(result) for result in results]
    if as_events:
        Told()("result", scenes=plain)
    elif as_json:
        click.echo(json.dumps({"scenes": plain}, indent=2))
    else:
        for result in results:
            _show(result, with_classes=len(results) == 1)


def _mapped(scene: str, folder: Path | None, settings: PredictSettings) -> Prediction | Failure:
    from geoseg.predict.scene import predict_with  # noqa: PLC0415 - torch only where it runs, not for --help

    try:
        with progress_shown(Path(scene).name) as progress:
            return predict_with(scene, folder, settings, progress=progress)
    except GeosegError as error:
        show_error(error, about=scene)
        return Failure(scene, error)


def _show(result: Prediction | Failure, *, with_classes: bool) -> None:
    if isinstance(result, Failure):
        return
    for path in result.outputs.values():
        click.echo(path)
    if not with_classes:
        return
    mapped = sum(total.pixels for total in result.classes) or 1
    click.echo()
    show_table(
        ("class", "share", "area", "mean confidence"),
        [
            (
                total.class_name,
                f"{total.pixels / mapped:.1%}",
                f"{total.pixels:,} px" if total.area_m2 is None else f"{total.area_m2 / 1e4:,.2f} ha",
                "-" if total.confidence is None else f"{total.confidence:.0%}",
            )
            for total in result.classes
        ],
    )
    click.echo(f"\nmapped with {result.model} in {result.seconds:.1f} s")
