"""What the shift report says of the source's model, beside what hidden labels say."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from benchmarks.shift.cases import CASES
from benchmarks.shift.measures import auroc
from benchmarks.shift.places import Places
from benchmarks.shift.product import shift_report
from benchmarks.shift.scorer import Truth, maps_of, open_truth
from geoseg.data.chips import IGNORED


def measure_report(places: Places, case: str, seed: int) -> None:
    """Write the expected mean IoU of the source's model and how well its competence map tells errors."""
    model = places.source_run(CASES[case].source, seed) / "best"
    truth = open_truth(places, case, seed)
    started = time.perf_counter()
    told: dict[str, Any] = shift_report(model, sorted(places.target_data(case, seed).glob("adapt_*_scene.tif")))
    seconds = time.perf_counter() - started
    expected = told.get("expected") or {}
    line = {
        "case": case,
        "seed": seed,
        "arm": "shift",
        "label": "source",
        "verdict": told.get("verdict"),
        "suited": told.get("suited"),
        "distances": told.get("distances"),
        **{
            key: None if expected.get(name) is None else 100 * expected[name]
            for key, name in (("expected", "mean_iou"), ("low", "low"), ("high", "high"))
        },
        "auroc": _competence_auroc(str(model), truth),
        "seconds": round(seconds, 1),
    }
    result = places.result(case, seed, "shift")
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(line) + "\n", encoding="utf-8")


def _competence_auroc(model: str, truth: Truth) -> float | None:
    """How well competence tells right pixels from wrong ones on the score scenes."""
    scores, hits = [], []
    for (scene, _), (predicted, codes) in zip(truth.scenes, maps_of(model, truth), strict=True):
        with tempfile.TemporaryDirectory() as folder:
            shift_report(Path(model), [scene], Path(folder))
            maps = sorted(Path(folder).glob("*.tif"))
            if not maps:
                return None
            with rasterio.open(maps[0]) as competence:
                values = competence.read(1)
        known = (codes != IGNORED) & (values != 255)
        scores.append(values[known])
        hits.append(truth.sets.members[codes[known], predicted[known]])
    return auroc(np.concatenate(scores), np.concatenate(hits))
