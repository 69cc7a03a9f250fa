"""Scores a model package on held-out scenes: each is mapped as `geoseg predict` does, and all pixels are pooled.

python -m pipelines.score_model MODEL --scene "runs/ohio/test_*_image.tif" --labels "runs/ohio/test_*_labels.tif"
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import click
import numpy as np

from geoseg.data.confusion import ConfusionMatrix
from geoseg.errors import GeosegError, LabelError
from geoseg.evaluation.compare import evaluate
from geoseg.models.package import save_package
from geoseg.models.zoo import find_model, load_model
from geoseg.predict import predict_scene
from geoseg.training.train import summarize

Ground = Literal["held-out", "validation"]
"""Ground that is only scored, or that weights were chosen by."""

GROUNDS = get_args(Ground)


def pairs_of(scene: str, labels: str) -> list[tuple[Path, Path]]:
    """Scenes that match a pattern with one * in the file name, each with its labels.

    Raises:
        LabelError: if no scene matches.
    """
    pattern = Path(scene)
    before, _, after = pattern.name.partition("*")
    scenes = sorted(pattern.parent.glob(pattern.name))
    if not scenes:
        raise LabelError(f"{scene}: no such scene")
    stars = [path.name[len(before) : len(path.name) - len(after)] for path in scenes]
    return [(path, Path(labels.replace("*", star))) for path, star in zip(scenes, stars, strict=True)]


def score_model(model: str, pairs: Sequence[tuple[Path, Path]], bands: str | None = None) -> ConfusionMatrix:
    """Map scenes with a model and compare all of them with their labels.

    Args:
        model: a packaged name, a folder or a zip.
        pairs: scenes with labels, whose values are the class ids of the model.
        bands: bands of the scenes in the model's order; None where they have its names.

    Returns:
        Confusion over the model's classes, pooled over all pixels.

    Raises:
        GeosegError: if the model, a scene or its labels cannot be used.
    """
    indices = load_model(model).classes.indices_of_ids()
    classes = int((indices != indices[-1]).sum())
    counts = np.zeros((classes, classes), dtype=np.int64)
    for scene, labels in pairs:
        with tempfile.TemporaryDirectory() as folder:
            made = predict_scene(scene, folder, model=str(find_model(model)), bands=bands, vector=False)
            found = evaluate(made.class_raster, labels)
        here = indices[list(found.class_ids)]
        counts[np.ix_(here, here)] += found.confusion.counts
    return ConfusionMatrix(counts)


def record_scores(path: Path, scores: Mapping[str, object], ground: Ground) -> None:
    """Replace the scores on one ground in a package; those on the other stay.

    Raises:
        ModelError: if there is no package.
    """
    package = load_model(path)
    old = package.provenance.get("scores")
    known = dict(old) if isinstance(old, Mapping) else {}
    validation = known.pop("validation", {})
    kept = {"validation": scores, **known} if ground == "validation" else {"validation": validation, **scores}
    save_package(replace(package, provenance={**package.provenance, "scores": kept}), path, overwrite=True)


@click.command(help="Score a model package (name, folder or zip) on held-out scenes, pooled over all pixels.")
@click.argument("model")
@click.option("--scene", required=True, help="Path of a scene, or a pattern with one * in the file name.")
@click.option("--labels", required=True, help="Path of its labels; a * stands for what the one in --scene stands for.")
@click.option("--bands", default=None, help="The scenes' bands in the model's order, by name or number.")
@click.option(
    "--record", type=click.Choice(GROUNDS), help="Write the scores into the package, as those on that ground."
)
def main(model: str, scene: str, labels: str, bands: str | None, record: Ground | None) -> None:
    """Print the scores as JSON."""
    try:
        matrix = score_model(model, pairs_of(scene, labels), bands)
        scores = summarize(matrix, load_model(model).classes)
        click.echo(json.dumps(scores, indent=1))
        if record is not None:
            record_scores(find_model(model), scores, record)
    except GeosegError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
