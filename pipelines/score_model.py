"""Scores a model package on the ground that its training config holds out, mapped as `geoseg predict` does.

    python -m pipelines.score_model runs/landcover_rgb/best configs/landcover_rgb.yaml --record

Every scene of the split is mapped on its own grid at the model's settings, and the pixels of each source are pooled. A
class in the set of classes that a label leaves open is right. The expected calibration error is that of the confidence
layer (Guo et al. 2017, 15 bins). With `--record` the scores go into the package and its card.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

import click
import numpy as np
import rasterio
from numpy.typing import NDArray

from geoseg.config.train import SourceSettings, TrainSettings, load_train_settings
from geoseg.data.chips import IGNORED
from geoseg.data.label_sets import LabelSets
from geoseg.data.labels import open_labels
from geoseg.errors import GeosegError, LabelError
from geoseg.models.package import save_package
from geoseg.models.zoo import find_model, load_model
from geoseg.predict import predict_scene
from geoseg.raster.scene import describe_scene
from geoseg.training.regions import label_sets, label_source
from geoseg.training.scoring import SourceCounter, SplitScore, summarize
from geoseg.window import Window

Split = Literal["test", "val"]
"""Ground that is only scored, or that weights were chosen by."""

_BINS = 15
_ROWS = 512
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class _Mapped:
    """Rows of a map with their labels."""

    predicted: NDArray[np.intp]  # (rows, width), class index
    labels: NDArray[np.uint8]  # (rows, width), label code
    percent: NDArray[np.uint8]  # (rows, width), confidence


class Reliability:
    """How often pixels of each confidence are right."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, _PERCENT + 1), dtype=np.int64)

    def add(self, percent: NDArray[np.uint8], right: NDArray[np.bool_]) -> None:
        """Count pixels, both (n,), confidence in per cent."""
        for row, chosen in enumerate((~right, right)):
            self._counts[row] += np.bincount(percent[chosen], minlength=_PERCENT + 1)[: _PERCENT + 1]

    @property
    def expected_calibration_error(self) -> float:
        """Mean gap between confidence and share right over 15 bins, weighted by pixels, 0 to 1; NaN without pixels."""
        percents = np.arange(_PERCENT + 1)
        bins = np.minimum(percents * _BINS // _PERCENT, _BINS - 1)
        pixels = np.bincount(bins, self._counts.sum(axis=0), _BINS)
        right = np.bincount(bins, self._counts[1], _BINS)
        confidence = np.bincount(bins, self._counts.sum(axis=0) * percents / _PERCENT, _BINS)
        return float(np.abs(right - confidence).sum() / pixels.sum()) if pixels.sum() else float("nan")


def score_model(model: str, settings: TrainSettings, split: Split) -> dict[str, object]:
    """Map the scenes of a split with a model and compare them with their labels.

    Args:
        model: a packaged name, a folder or a zip.
        settings: of the training; names the scenes of the split.
        split: which ground.

    Returns:
        Scores as plain JSON values, with `ece` for the confidence layer.

    Raises:
        GeosegError: if the model, a scene or its labels cannot be used, or the split has no pixel with a class.
    """
    sets, counters, reliability = label_sets(settings), dict[str, SourceCounter](), Reliability()
    for source in settings.sources:
        if source.split != split:
            continue
        for scene, labels in settings.files_of(source):
            legend = tuple(sorted({sets.code_of(settings.class_map, names) for names in source.label_sets}))
            name = source.name or scene.parent.name
            counter = counters.setdefault(name, SourceCounter(name, legend, sets))
            for rows in _mapped(model, settings, source, scene, labels):
                counter.add(rows.predicted, rows.labels)
                known = rows.labels != IGNORED
                right = sets.members[rows.labels[known], rows.predicted[known]]
                reliability.add(rows.percent[known], right)
    scores = [counter.score() for counter in counters.values()]
    kept = tuple(score for score in scores if score.confusion.pixels)
    if not kept:
        raise LabelError(f"no scene of the split {split} has a pixel with a class: add sources with split {split}")
    return {**summarize(SplitScore(kept)), "ece": round(reliability.expected_calibration_error, 4)}


def _mapped(
    model: str, settings: TrainSettings, source: SourceSettings, scene: Path, labels: Path
) -> Iterator[_Mapped]:
    """The map of a scene with its labels, by rows; pixels that are not mapped are left out of the labels."""
    sets: LabelSets = label_sets(settings)
    bands = source.bands or settings.bands
    wanted = [band for band in bands if band is not None]
    named = label_source(source, labels, sets, settings.class_map)
    reader = open_labels(named, describe_scene(scene, bands=wanted).georef)
    indices = settings.class_map.indices_of_ids()
    with tempfile.TemporaryDirectory() as folder:
        made = predict_scene(scene, folder, model=str(find_model(model)), bands=wanted, vector=False, grid="scene")
        with rasterio.open(made.class_raster) as classes, rasterio.open(made.confidence) as confidence:
            for top in range(0, classes.height, _ROWS):
                window = Window.between(top, min(top + _ROWS, classes.height), 0, classes.width)
                ids = classes.read(1, window=((window.row, window.bottom), (0, classes.width)))
                percent = confidence.read(1, window=((window.row, window.bottom), (0, classes.width)))
                there = indices[ids] < len(settings.classes)
                yield _Mapped(
                    predicted=np.where(there, indices[ids], 0),
                    labels=np.where(there, reader.read(window), np.uint8(IGNORED)),
                    percent=percent,
                )
    reader.close()


def record_scores(path: Path, scores: Mapping[str, object], split: Split) -> None:
    """Replace the scores on one split in a package; those on the other stay.

    Raises:
        ModelError: if there is no package.
    """
    package = load_model(path)
    old = package.provenance.get("scores")
    known = dict(old) if isinstance(old, Mapping) else {}
    validation = known.pop("validation", {})
    kept = {"validation": scores, **known} if split == "val" else {"validation": validation, **scores}
    save_package(replace(package, provenance={**package.provenance, "scores": kept}), path, overwrite=True)


@click.command(help="Score a model package (name, folder or zip) on the ground that its config holds out.")
@click.argument("model")
@click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--split", type=click.Choice(get_args(Split)), default="test", show_default=True, help="Which ground.")
@click.option("--record", is_flag=True, help="Write the scores into the package, as those on that ground.")
def main(model: str, config: Path, split: Split, *, record: bool) -> None:
    """Print the scores as JSON."""
    try:
        scores = score_model(model, load_train_settings(config), split)
        click.echo(json.dumps(scores, indent=1))
        if record:
            record_scores(find_model(model), scores, split)
    except GeosegError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
