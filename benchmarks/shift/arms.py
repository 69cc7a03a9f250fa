"""What is done with a model that meets a target."""

from __future__ import annotations

import json
import resource
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.shift.cases import CASES
from benchmarks.shift.places import Places
from benchmarks.shift.product import ARMS, FURTHER_ARMS, Effort, adapt, proposals
from benchmarks.shift.training import source_settings, window_side
from geoseg.errors import GeosegError

if TYPE_CHECKING:
    from benchmarks.shift.scorer import Truth

EFFORTS = {
    "cpu": Effort(budget=3.0, steps=60, windows=96, device="cpu"),
    "gpu": Effort(budget=15.0, steps=1500, windows=256, device="auto"),
}
"""By tier."""


def run_arms(places: Places, case: str, seed: int, arms: Iterable[str]) -> None:
    """Adapt with each arm that is not done, one after the other; the memory told is the peak until its end."""
    for arm in arms:
        if not (places.arm_run(case, seed, arm) / "done.json").exists():
            run_arm(places, case, seed, arm)


def score_arms(places: Places, case: str, seed: int, arms: Iterable[str]) -> None:
    """Score what is not scored."""
    from benchmarks.shift.scorer import open_truth

    truth = open_truth(places, case, seed)
    for arm in arms:
        if not places.result(case, seed, arm).exists():
            score_arm(places, case, seed, arm, truth)


def run_arm(places: Places, case: str, seed: int, arm: str) -> None:
    """Adapt, and write down how it went; a method that refuses or breaks leaves its reason."""
    source = CASES[case].source
    folder = places.arm_run(case, seed, arm)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = places.source_run(source, seed) / "best"
    settings = source_settings(places, source, seed)
    targets = sorted(places.target_data(case, seed).glob("adapt_*_scene.tif"))
    wish, effort = (ARMS | FURTHER_ARMS)[arm], EFFORTS[places.tier]
    if effort.device == "cpu":
        torch.set_num_threads(1)
    told: dict[str, object] = {"error": None}
    started = time.perf_counter()
    try:
        side = window_side(places.tier, source)
        told["outcome"] = adapt(wish, effort, model, targets, folder / "package", settings, side=side)
    except GeosegError as error:
        told |= {"outcome": "failed", "error": str(error)}
    told["seconds"] = round(time.perf_counter() - started, 1)
    told["memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    (folder / "done.json").write_text(json.dumps(told) + "\n", encoding="utf-8")


def score_arm(places: Places, case: str, seed: int, arm: str, truth: Truth) -> None:
    """Score what an arm left, or a training; a JSON line for each package."""
    from benchmarks.shift.scorer import score

    torch.set_num_threads(1)
    base: dict[str, object] = {"case": case, "seed": seed, "arm": arm}
    lines = [
        {**base, **facts, **(score(str(package), truth) if package.exists() else {})}
        for facts, package in _packages(places, case, seed, arm)
    ]
    result = places.result(case, seed, arm)
    result.parent.mkdir(parents=True, exist_ok=True)
    partial = result.with_suffix(".partial")
    partial.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    partial.rename(result)


def _packages(places: Places, case: str, seed: int, arm: str) -> list[tuple[dict[str, object], Path]]:
    """Facts and folder of each package of an arm; the result comes first and is called final."""
    if arm in ("source", "oracle"):
        run = places.source_run(CASES[case].source, seed) if arm == "source" else places.oracle_run(case, seed)
        told = json.loads((run / "done.json").read_text(encoding="utf-8"))
        kept = {key: told[key] for key in ("seconds", "memory_mb", "validation")}
        return [({"label": "final", **kept}, run / "best")]
    folder = places.arm_run(case, seed, arm)
    final = json.loads((folder / "done.json").read_text(encoding="utf-8"))
    package = folder / "package"
    found: list[tuple[dict[str, object], Path]] = [({"label": "final", **final}, package)]
    if final["error"] is None and not arm.startswith("published-"):
        found += [
            (
                {
                    "label": entry.label,
                    "adapter": entry.adapter,
                    "consistency": entry.consistency,
                    "guard": entry.verdict,
                    "chosen": entry.chosen,
                },
                entry.package,
            )
            for entry in proposals(package)
        ]
    return found
