"""Trains a model once for each area of a config, without that area, and scores it there.

    python -m pipelines.leave_one_out configs/buildings_rgb.yaml -o runs/leave_one_out \
      --areas banepa,zanzibar,nairobi,massachusetts --iterations 200 --start runs/landcover_rgb_ohio/best

An area is a name of sources in the config. All ground of the area held out is only scored; of the others, what the
config learns from is learnt from, and what it validates on or holds out chooses the weights. `OUTPUT/table.md` and
`OUTPUT/scores.json` hold the scores of each area; a run that is there already is resumed or taken as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import click

from geoseg.config.train import SourceSettings, TrainSettings, load_train_settings
from geoseg.errors import ConfigError, GeosegError
from geoseg.training.train import train_model

_SCORES = "scores.json"


class _Options(TypedDict):
    config: Path
    output: Path
    areas: str
    iterations: int
    start: str | None


def without_area(settings: TrainSettings, area: str, others: Sequence[str], *, iterations: int) -> TrainSettings:
    """The settings of the run that never sees an area.

    Args:
        settings: of the run with all areas.
        area: name of the sources to hold out.
        others: names of the areas that stay; sources of no area are learnt from as they were, and not scored.
        iterations: steps of the run.

    Raises:
        ConfigError: if no source has the name of the area, or nothing is left to choose the weights by.
    """
    sources = [_moved(source, area, others) for source in settings.sources]
    kept = [source for source in sources if source is not None]
    if not any(source.name == area for source in kept):
        names = ", ".join(sorted({source.name for source in settings.sources}))
        raise ConfigError(f"no source is called {area!r}: the config has {names}")
    if not any(source.split == "val" for source in kept):
        raise ConfigError(f"without {area!r} no source is left to choose the weights by: give another one split val")
    changes = {"sources": tuple(kept), "iterations": iterations, "validate_every": iterations}
    return settings.model_copy(update=changes)


def _moved(source: SourceSettings, area: str, others: Sequence[str]) -> SourceSettings | None:
    if source.name == area:
        return source.model_copy(update={"split": "test"})
    if source.split == "train":
        return source
    return source.model_copy(update={"split": "val"}) if source.name in others else None


def leave_one_out(settings: TrainSettings, areas: Sequence[str], output: Path, *, iterations: int) -> dict[str, object]:
    """Train and score once for each area; gives the scores by area.

    Raises:
        GeosegError: if the settings do not fit, or a run fails.
    """
    found: dict[str, object] = {}
    for area in areas:
        run = output / area
        done = run / _SCORES
        if not done.exists():
            others = [other for other in areas if other != area]
            held_out = without_area(settings, area, others, iterations=iterations)
            result = train_model(held_out, run, resume=(run / "last" / "state.pt").exists())
            if result.test is None:
                raise ConfigError(f"{area}: nothing was scored: its labels have no known pixel")
            source = result.test.sources[0]
            iou = dict(zip(source.names, source.confusion.iou.tolist(), strict=True))
            done.write_text(json.dumps({"mean_iou": source.mean_iou, "iou": iou}, indent=1) + "\n", encoding="utf-8")
        found[area] = json.loads(done.read_text(encoding="utf-8"))
    return found


def table_of(scores: Mapping[str, object]) -> str:
    """The scores as a table in Markdown."""
    rows = []
    for area, score in scores.items():
        if isinstance(score, dict):
            cells = [f"{score['mean_iou']:.3f}", *(f"{value:.3f}" for value in score["iou"].values())]
            rows.append(f"| {area} | {' | '.join(cells)} |")
            names = list(score["iou"])
    head = f"| area held out | mean IoU | {' | '.join(names)} |"
    return "\n".join([head, "|" + "---|" * (len(names) + 2), *rows]) + "\n"


@click.command(help="Train without each area in turn, and score there.")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="For the runs.")
@click.option("--areas", required=True, help="Names of sources, with commas.")
@click.option("--iterations", default=200, show_default=True, help="Steps of each run.")
@click.option("--start", default=None, help="Model package to start from; that of the config where not given.")
def main(**given: Unpack[_Options]) -> None:
    """Write the runs and the table of scores."""
    try:
        settings = load_train_settings(given["config"])
        if given["start"] is not None:
            start = {"start": str(Path(given["start"]).resolve())}
            settings = settings.model_copy(update={"network": settings.network.model_copy(update=start)})
        output = given["output"]
        output.mkdir(parents=True, exist_ok=True)
        scores = leave_one_out(settings, given["areas"].split(","), output, iterations=given["iterations"])
        (output / _SCORES).write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
        table = table_of(scores)
        (output / "table.md").write_text(table, encoding="utf-8")
        click.echo(table)
    except (GeosegError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
