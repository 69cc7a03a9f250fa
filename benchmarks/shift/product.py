"""The one place that knows how geoseg adapts and what it leaves behind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from geoseg.config.train import TrainSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to ask of `adapt_model`."""

    method: str
    """An adapter or auto."""

    recipe: str = "guarded"
    """guarded or published."""

    labels: bool = True
    """Whether it is given the source's labels."""


ARMS = {
    "auto": Wish(method="auto"),
    "free": Wish(method="auto", labels=False),
    "published-adabn": Wish(method="adabn", recipe="published", labels=False),
    "published-tent": Wish(method="tent", recipe="published", labels=False),
    "published-selftrain": Wish(method="selftrain", recipe="published"),
    "published-adversarial": Wish(method="adversarial", recipe="published"),
    "published-style": Wish(method="style", recipe="published"),
}
"""By name: the default, the default without labels of the source, and the recipes of the papers at their end."""

FURTHER_ARMS = {
    name: Wish(method=name) for name in ("match", "adabn", "tent", "selftrain", "adversarial", "style")
}  # fmt: skip
"""One adapter alone with selector and guard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much it may do, by tier."""

    budget: float
    """Minutes."""

    steps: int
    """Of an adapter that learns."""

    windows: int
    """Of the target."""

    device: str
    """Where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A candidate as an adaptation left it."""

    label: str
    """Unique in its run."""

    adapter: str
    """Who made it."""

    package: Path
    """The model."""

    consistency: float | None
    """Its score without labels."""

    verdict: str
    """Of the guard; empty where it was not asked."""

    chosen: bool
    """Whether it became the result."""


def adapt(
    wish: Wish, effort: Effort, model: Path, targets: Sequence[Path], output: Path, source: TrainSettings, *, side: int
) -> str:
    """Adapt a model to scenes without labels; gives the outcome in one word.

    Args:
        wish: how.
        effort: how much.
        model: a package.
        targets: scenes.
        output: folder for the result and every candidate.
        source: of the package's training, handed on where the wish is for labels.
        side: of a window, px.
    """
    from geoseg.adaptation.adapt import adapt_model
    from geoseg.config.adapt import AdaptSettings

    settings = AdaptSettings.model_validate(
        {
            "model": str(model),
            "method": wish.method,
            "recipe": wish.recipe,
            "budget": effort.budget,
            "steps": effort.steps,
            "windows": effort.windows,
            "side": side,
            "device": effort.device,
            "seed": source.seed,
            "keep_candidates": True,
            "overwrite": True,
        }
    )
    result = adapt_model(settings, list(targets), output, source=source if wish.labels else None)
    return str(result.outcome)


def proposals(output: Path) -> tuple[Proposal, ...]:
    """What an adaptation tried, from the files that it left; the model as it was is not among them."""
    told = json.loads((output / "adaptation.json").read_text(encoding="utf-8"))
    return tuple(
        Proposal(
            label=entry["label"],
            adapter=entry["adapter"],
            package=output / "candidates" / entry["label"],
            consistency=entry["consistency"],
            verdict=f"{entry['verdict']}: {entry['reason']}" if entry["reason"] else entry["verdict"],
            chosen=entry["label"] == told["chosen"],
        )
        for entry in told["candidates"]
        if (output / "candidates" / entry["label"]).exists()
    )


def add_reference(model: Path, settings: TrainSettings, *, side: int) -> None:
    """Measure the reference statistics of a package that has none, on the validation ground of its config."""
    from geoseg.adaptation.source import open_source
    from geoseg.config.adapt import AdaptSettings
    from geoseg.models.device import choose_device
    from geoseg.models.package import save_package
    from geoseg.models.zoo import load_model
    from geoseg.shift.forward import Forward
    from geoseg.shift.reference import measure_reference
    from geoseg.shift.windows import Place, WindowSample
    from geoseg.window import Window

    package = load_model(model)
    if package.reference is not None:
        return
    asked = AdaptSettings(model=str(model), side=side, seed=settings.seed)
    device = choose_device(settings.device)
    forward = Forward(network=package.network, calibration=package.calibration, device=device)
    with open_source(settings, package, asked) as ground:
        place = Place(scene=0, window=Window(row=0, col=0, height=side, width=side))
        sample = WindowSample(images=ground.chips, valid=ground.valid, places=(place,) * len(ground.chips))
        reference = measure_reference(forward, package.normalizer, sample, ground.labels, ground.members)
    save_package(replace(package, reference=reference), model, overwrite=True)


def shift_report(model: Path, scenes: Sequence[Path], *, side: int, competence: Path | None = None) -> dict[str, Any]:
    """What `geoseg shift` says, with a competence map of the one scene where a file is given for it."""
    from geoseg.config.shift import ShiftSettings
    from geoseg.predict.report import report_shift

    settings = ShiftSettings(model=str(model), side=side)
    return report_shift(list(scenes), settings, competence=competence).as_json()
