"""The domains of drawn landscapes: every scene is a world of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import rasterio
from affine import Affine

from geoseg.landscapes.spec import LandscapeSpec, Mix, Radiometry
from geoseg.landscapes.write import write_landscape

SIDE = 512
_WORLDS_PER_SEED = 1000
_CORNER = (400_000.0, 5_300_000.0)
_GAP = 1500.0  # metres between the corners of neighbouring scenes


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """How its scenes differ from those of other domains."""

    mix: Mix = field(default_factory=Mix)
    """Land use."""

    radiometry: Radiometry = field(default_factory=Radiometry)
    """Light, air, season and sensor."""

    gsd: float = 1.0
    """What a pixel covers, metres; every file says 1."""


SOURCE = Domain()
"""Temperate countryside in one light."""

TARGETS = {
    "radiometric": Domain(
        radiometry=Radiometry(
            gain=(0.81, 0.92, 1.12, 0.76), bias=(0.018, 0.008, 0.0, 0.028), gamma=1.9, haze=0.17, noise=0.006
        )
    ),
    "prior": Domain(mix=Mix(water=2.6, forest=0.15, crop=1.8, grass=0.25, bare=0.4, villages=0.4)),
    "spectral": Domain(radiometry=Radiometry(autumn=0.9, greenness=0.35)),
    "gsd": Domain(radiometry=Radiometry(blur=1.4), gsd=1.7),
    "everything": Domain(
        mix=Mix(water=1.8, forest=0.4, crop=1.2, grass=0.5, bare=2.0, villages=1.6),
        radiometry=Radiometry(
            gain=(0.87, 0.94, 1.07, 0.84), bias=(0.014, 0.006, 0.0, 0.015), gamma=1.78, haze=0.14, blur=1.0,
            noise=0.006, autumn=0.35, greenness=0.75, sun_azimuth=200.0, sun_elevation=32.0,
        ),
    ),
    "mild": Domain(
        mix=Mix(forest=0.85, crop=1.1, grass=0.9),
        radiometry=Radiometry(gain=(1.04, 1.0, 0.97, 0.96), gamma=1.55, haze=0.09, autumn=0.1, greenness=0.93),
    ),
}  # fmt: skip
"""By case."""


def write_source(seed: int, folder: Path) -> None:
    """Four scenes to learn from and two to choose weights by, with their labels."""
    for number in range(6):
        part = f"{'train' if number < 4 else 'val'}_{number}"
        _write(SOURCE, seed, number, folder / f"{part}_scene.tif", folder / f"{part}_labels.tif")


def write_target(case: str, seed: int, scenes: Path, hidden: Path) -> None:
    """Two scenes to adapt to and two to score; the labels of all apart from them."""
    first = 100 * (1 + list(TARGETS).index(case))
    for number in range(4):
        part = f"{'adapt' if number < 2 else 'score'}_{number}"
        labels = part.replace("adapt", "oracle")
        _write(TARGETS[case], seed, first + number, scenes / f"{part}_scene.tif", hidden / f"{labels}_labels.tif")
        if number < 2:
            (hidden / f"{labels}_scene.tif").write_bytes((scenes / f"{part}_scene.tif").read_bytes())


def _write(domain: Domain, seed: int, number: int, scene: Path, labels: Path) -> None:
    spec = LandscapeSpec(
        seed=(seed + 1) * _WORLDS_PER_SEED + number,
        height=SIDE,
        width=SIDE,
        gsd=domain.gsd,
        mix=domain.mix,
        radiometry=domain.radiometry,
        origin=(_CORNER[0] + number % 100 * _GAP, _CORNER[1] + number // 100 * _GAP),
    )
    write_landscape(spec, scene, labels)
    if domain.gsd != SOURCE.gsd:
        _claim(scene, replace(spec, gsd=SOURCE.gsd))
        _claim(labels, replace(spec, gsd=SOURCE.gsd))


def _claim(path: Path, spec: LandscapeSpec) -> None:
    """Make a file say that its pixels have the source's size."""
    with rasterio.open(path, "r+") as dataset:
        dataset.transform = Affine(spec.gsd, 0.0, spec.origin[0], 0.0, -spec.gsd, spec.origin[1])
        dataset.update_tags(LANDSCAPE_GSD=f"{spec.gsd:g}")
