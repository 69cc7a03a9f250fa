"""What the shift report says of the source's model on the score scenes, beside what their hidden labels say.

The expected mean IoU is that over the classes that the legend of the labels knows, as the score is.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from benchmarks.shift.cases import CASES, Labels
from benchmarks.shift.measures import auroc
from benchmarks.shift.places import Places
from benchmarks.shift.product import shift_report
from benchmarks.shift.scorer import Truth, maps_of, open_truth
from benchmarks.shift.training import window_side
from geoseg.data.chips import IGNORED

_NODATA = 255


def measure_report(places: Places, case: str, seed: int) -> None:
    """Write the expected mean IoU of the source's model and how well its competence map tells errors."""
    model = places.source_run(CASES[case].source, seed) / "best"
    truth = open_truth(places, case, seed)
    started = time.perf_counter()
    targets = [scene for scene, _ in truth.scenes]
    side = window_side(places.tier, CASES[case].source)
    told = shift_report(model, targets, side=side)
    seconds = time.perf_counter() - started
    expected = _over_classes(told, CASES[case].labels)
    line = {
        "case": case,
        "seed": seed,
        "arm": "shift",
        "label": "source",
        "verdict": told.get("verdict"),
        "suited": told.get("suited"),
        "distances": told.get("distances"),
        **expected,
        "auroc": _competence_auroc(model, truth, side),
        "seconds": round(seconds, 1),
    }
    result = places.result(case, seed, "shift")
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(line) + "\n", encoding="utf-8")


def _over_classes(told: Mapping[str, Any], labels: Labels) -> dict[str, float | None]:
    """Expected mean IoU over the classes that a label value names alone, with its interval, points."""
    overall = told.get("expected")
    if overall is None:
        return {"expected": None, "low": None, "high": None}
    known = {names[0] for names in labels.values() if names and len(names) == 1}
    iou = [entry["expected_iou"] or 0.0 for entry in told["classes"] if entry["class_name"] in known]
    middle = 100 * sum(iou) / len(iou)
    half = 100 * overall["half_width"]
    return {"expected": middle, "low": max(middle - half, 0.0), "high": min(middle + half, 100.0)}


def _competence_auroc(model: Path, truth: Truth, side: int) -> float | None:
    """How well competence tells right pixels from wrong ones on the score scenes."""
    scores, hits = [], []
    for (scene, _), (predicted, codes) in zip(truth.scenes, maps_of(str(model), truth), strict=True):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "competence.tif"
            shift_report(model, [scene], side=side, competence=file)
            with rasterio.open(file) as competence:
                values = _resized(competence.read(1), codes.shape)
        known = (codes != IGNORED) & (values != _NODATA)
        scores.append(values[known])
        hits.append(truth.sets.members[codes[known], predicted[known]])
    return auroc(np.concatenate(scores), np.concatenate(hits))


def _resized(values: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The nearest pixel of a raster on another grid of the same ground."""
    rows, cols = (
        ((np.arange(wanted) + 0.5) * given / wanted).astype(np.intp)
        for wanted, given in zip(shape, values.shape, strict=True)
    )
    return values[np.ix_(rows, cols)]
