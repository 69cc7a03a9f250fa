"""Compares maps of the score scenes with their labels: the one part that opens these.

    python -m benchmarks.shift.scorer CASE SEED MODEL... --root runs/shift

prints a JSON line for each model. The score is the mean IoU, in points, over what the labels of the score scenes hold;
a class that only the map has counts through the confusion of the others, and a class in the set that a label leaves
open is right.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import rasterio
import torch
from numpy.typing import NDArray

from benchmarks.shift.cases import CASES
from benchmarks.shift.places import Places
from benchmarks.shift.training import score_settings, source_settings
from geoseg.data.chips import IGNORED
from geoseg.data.label_sets import LabelSets
from geoseg.data.labels import open_labels
from geoseg.models.zoo import find_model
from geoseg.predict import predict_scene
from geoseg.raster.scene import describe_scene
from geoseg.training.regions import label_source
from geoseg.training.scoring import SourceCounter
from geoseg.window import Window

_POINTS = 100


@dataclass(frozen=True, slots=True)
class Truth:
    """The score scenes of a case with the codes of their labels."""

    sets: LabelSets
    """What the codes mean."""

    legend: tuple[int, ...]
    """Codes that the labels may have."""

    indices: NDArray[np.intp]
    """(256,) class index of each class id."""

    scenes: tuple[tuple[Path, NDArray[np.uint8]], ...]
    """Scenes with their codes (height, width), 255 where unknown."""


def open_truth(places: Places, case: str, seed: int) -> Truth:
    """Read the labels of the score scenes."""
    classes = source_settings(places, CASES[case].source, seed).class_map
    given = score_settings(places, case, seed)
    sets = LabelSets.of(classes, (source.label_sets for source in given))
    scenes = []
    for source in given:
        scene_names = Path(source.scene)
        for scene in sorted(scene_names.parent.glob(scene_names.name)):
            labels = Path(source.labels).parent / scene.name.replace("_scene", "_labels")
            named = label_source(source, labels, sets, classes)
            georef = describe_scene(scene).georef
            reader = open_labels(named, georef)
            scenes.append((scene, reader.read(Window.between(0, georef.height, 0, georef.width))))
            reader.close()
    legend = sorted({sets.code_of(classes, names) for source in given for names in source.label_sets})
    return Truth(sets, tuple(legend), classes.indices_of_ids(), tuple(scenes))


def maps_of(model: str, truth: Truth) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint8]]]:
    """Class indices of each score scene, and its codes, unknown where it is not mapped."""
    for scene, codes in truth.scenes:
        with tempfile.TemporaryDirectory() as folder:
            made = predict_scene(scene, folder, model=str(find_model(model)), vector=False, grid="scene")
            with rasterio.open(made.class_raster) as classes:
                indices = truth.indices[classes.read(1)]
        there = indices < truth.sets.classes
        yield np.where(there, indices, 0), np.where(there, codes, np.uint8(IGNORED))


def score(model: str, truth: Truth) -> dict[str, object]:
    """Scores of one model as plain JSON values."""
    counter = SourceCounter("target", truth.legend, truth.sets)
    for predicted, codes in maps_of(model, truth):
        counter.add(predicted, codes)
    found = counter.score()
    confusion = found.confusion
    held = confusion.counts.sum(axis=1)
    return {
        "miou": round(_POINTS * confusion.mean_iou_of_reference, 3),
        "accuracy": round(_POINTS * confusion.pixel_accuracy, 3),
        "iou": {
            name: round(_POINTS * value, 2)
            for name, value, pixels in zip(found.names, confusion.iou.tolist(), held.tolist(), strict=True)
            if pixels
        },
        "pixels": {name: pixels for name, pixels in zip(found.names, held.tolist(), strict=True) if pixels},
    }


@click.command()
@click.argument("case", type=click.Choice([*CASES]))
@click.argument("seed", type=int)
@click.argument("models", nargs=-1, required=True)
@click.option("--root", type=click.Path(path_type=Path), default=Path("runs/shift"))
@click.option("--tier", default="cpu")
def main(case: str, seed: int, models: Sequence[str], root: Path, tier: str) -> None:
    torch.set_num_threads(1)
    truth = open_truth(Places(root, tier), case, seed)
    for model in models:
        click.echo(json.dumps({"case": case, "seed": seed, "model": model, **score(model, truth)}))


if __name__ == "__main__":
    main()
