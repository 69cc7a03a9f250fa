"""Trains the models that meet the targets, and the oracles that saw labels of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.shift.cases import CASES, SOURCES, Case, Labels, Source
from benchmarks.shift.places import Places
from geoseg.config.train import (
    AugmentSettings,
    ClassSettings,
    NetworkSettings,
    OptimiserSettings,
    SourceSettings,
    TrainSettings,
)

PRETRAINED = "demo-landscape"
"""Starts the networks of the CPU tier: it never saw imagery, nor the worlds of the benchmark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """How large networks and trainings are."""

    network: NetworkSettings
    """To train."""

    chip: int
    """Side, px."""

    tile: int
    """Side at prediction, px."""

    stretch: int
    """Factor on the steps of every training."""

    learning_rate: float
    """At its largest, for sources; half of it for oracles."""

    device: str
    """Where to train."""


TIERS = {
    "cpu": Tier(
        network=NetworkSettings(
            architecture="unet",
            encoder="tu-regnety_002",
            options={"encoder_depth": 4, "decoder_channels": (64, 48, 32, 16)},
            start=PRETRAINED,
        ),
        chip=128,
        tile=256,
        stretch=1,
        learning_rate=0.002,
        device="cpu",
    ),
    "gpu": Tier(
        network=NetworkSettings(architecture="unet", encoder="resnet50"),
        chip=256,
        tile=512,
        stretch=10,
        learning_rate=0.001,
        device="auto",
    ),
}
"""By name."""

ORACLE_STEPS = 80
"""Of an oracle on the CPU."""

BATCH = 8


def window_side(tier: str, source: str) -> int:
    """Side of the windows of a target that an adaptation or a shift report takes, px."""
    return SOURCES[source].window * TIERS[tier].chip // TIERS["cpu"].chip


def _ground(name: str, folder: Path, part: str, labels: Labels, split: str) -> SourceSettings:
    return SourceSettings(
        name=name,
        scene=str(folder / f"{part}_*_scene.tif"),
        labels=str(folder / f"{part}_*_labels.tif"),
        label_map=dict(labels),
        split=split,
    )


def source_settings(places: Places, name: str, seed: int) -> TrainSettings:
    """Settings of a source's training."""
    source, tier = SOURCES[name], TIERS[places.tier]
    folder = places.source_data(name, seed).resolve()
    return _settings(
        source,
        tier,
        {
            "name": f"shift-{name.replace('_', '-')}",
            "sources": [_ground(name, folder, part, source.labels, part) for part in ("train", "val")],
            "iterations": source.steps * tier.stretch,
            "seed": seed,
        },
    )


def oracle_settings(places: Places, name: str, seed: int) -> TrainSettings:
    """Settings of an oracle's training: on from the source's weights, with labels of the target's adapt scenes."""
    case = CASES[name]
    source, tier = SOURCES[case.source], TIERS[places.tier]
    folder = places.source_data(source.name, seed).resolve()
    start = places.source_run(source.name, seed).resolve() / "best"
    steps = ORACLE_STEPS * tier.stretch
    return _settings(
        source,
        tier,
        {
            "name": f"shift-oracle-{name.replace('_', '-')}",
            "sources": [
                _ground(source.name, folder, "train", source.labels, "train"),
                _oracle_ground(case, places, seed),
                _ground(source.name, folder, "val", source.labels, "val"),
            ],
            "network": tier.network.model_copy(update={"start": str(start)}),
            "iterations": steps,
            "seed": seed,
        },
        learning_rate=tier.learning_rate / 2,
    )


def _oracle_ground(case: Case, places: Places, seed: int) -> SourceSettings:
    hidden = places.hidden(case.name, seed).resolve()
    return _ground("target", hidden, "oracle", case.labels, "train").model_copy(update={"weight": 3.0})


def score_settings(places: Places, name: str, seed: int) -> tuple[SourceSettings, ...]:
    """The target's score scenes with their labels."""
    case = CASES[name]
    scenes, hidden = places.target_data(name, seed).resolve(), places.hidden(name, seed).resolve()
    ground = _ground("target", scenes, "score", case.labels, "test")
    return (ground.model_copy(update={"labels": str(hidden / "score_*_labels.tif")}),)


def _settings(
    source: Source, tier: Tier, given: Mapping[str, object], *, learning_rate: float | None = None
) -> TrainSettings:
    iterations = given["iterations"]
    common: dict[str, object] = {
        "classes": [ClassSettings(id=number, name=name, colour=colour) for number, name, colour in source.legend],
        "network": tier.network,
        "bands": source.bands,
        "gsd": source.gsd,
        "scales": dict(source.scales),
        "tile": tier.tile,
        "overlap": tier.tile // 4,
        "chip": tier.chip,
        "batch_size": BATCH,
        "validate_every": iterations,
        "class_balance": source.class_balance,
        "augment": AugmentSettings.model_validate(source.augment),
        "optimiser": OptimiserSettings(learning_rate=learning_rate or tier.learning_rate, warmup=0.1, ema_decay=0.98),
        "cache_mb": 256,
        "device": tier.device,
        "licence": "none: a benchmark's",
    }
    return TrainSettings.model_validate(common | dict(given))
