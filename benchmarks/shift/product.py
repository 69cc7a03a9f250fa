"""The one place that knows how geoseg adapts and what it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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
    """What an adaptation tried, from the files that it left."""
    told = json.loads((output / "adaptation.json").read_text(encoding="utf-8"))
    found = []
    for entry in told["candidates"]:
        package = output / "candidates" / entry["label"]
        if package.exists():
            found.append(
                Proposal(
                    label=entry["label"],
                    adapter=entry["adapter"],
                    package=package,
                    consistency=entry.get("score"),
                    verdict=_verdict(entry.get("guard")),
                    chosen=bool(entry.get("chosen")),
                )
            )
    return tuple(found)


def _verdict(guard: object) -> str:
    if guard is None:
        return ""
    if isinstance(guard, Mapping):
        return str(guard.get("reason") or ("kept" if guard.get("passed") else "refused"))
    return str(guard)


def has_reference(model: Path) -> bool:
    """Whether a package holds reference statistics."""
    from geoseg.models.zoo import load_model

    return getattr(load_model(model), "reference", None) is not None


def shift_report(model: Path, scenes: Sequence[Path], maps: Path | None = None) -> dict[str, object]:
    """What `geoseg shift` says, with a competence map for each scene in a folder where one is given."""
    command = [sys.executable, "-m", "geoseg", "shift", *map(str, scenes), "--model", str(model), "--json"]
    if maps is not None:
        command += ["--map", str(maps)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    report: dict[str, object] = json.loads(done.stdout)
    return report
