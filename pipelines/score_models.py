"""Scores packaged models on the ground that their configs hold out, as tables in Markdown.

    python -m pipelines.score_models configs/landcover_rgb.yaml configs/buildings_rgb.yaml -o runs/scores

The name in a config is that of the packaged model. Each is scored as `pipelines.score_model` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import click

from geoseg.config.train import load_train_settings
from geoseg.errors import GeosegError
from geoseg.models.zoo import find_model
from pipelines.score_model import score_model


def table_of(scores: Mapping[str, object]) -> str:
    """The scores of a model as a table, a row for each class of each source."""
    parts = cast("Mapping[str, Any]", scores.get("sources", {"held out": scores}))
    lines = ["| source | class | IoU |", "|---|---|---|"]
    for source, part in parts.items():
        lines += [f"| {source} | {name.replace('|', ' or ')} | {iou:.3f} |" for name, iou in part["iou"].items()]
        lines.append(f"| {source} | **mean** ({part['pixels'] / 1e6:.2f} Mpx) | **{part['mean_iou']:.3f}** |")
    return "\n".join([*lines, "", f"Expected calibration error {scores['ece']:.3f}."]) + "\n"


@click.command(help="Score packaged models on the ground that their configs hold out.")
@click.argument("configs", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="For the tables.")
def main(configs: tuple[Path, ...], output: Path) -> None:
    """Write scores.json and table.md."""
    try:
        found = {}
        for config in configs:
            settings = load_train_settings(config)
            found[settings.name] = score_model(str(find_model(settings.name)), settings, "test")
        output.mkdir(parents=True, exist_ok=True)
        (output / "scores.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        text = "\n".join(f"## {name}\n\n{table_of(scores)}" for name, scores in found.items())
        (output / "table.md").write_text(text, encoding="utf-8")
        click.echo(text)
    except (GeosegError, OSError) as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
