"""Labelled ground of the source domain, as a training config names it, made for a model package."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

import numpy as np

from geoseg.adaptation.candidate import SourceGround
from geoseg.config.adapt import AdaptSettings
from geoseg.config.train import AugmentSettings, TrainSettings
from geoseg.data.chips import IGNORED, Chip
from geoseg.data.sampling import Region, scaled_chip
from geoseg.errors import ConfigError
from geoseg.models.package import ModelPackage
from geoseg.training.ground import Ground
from geoseg.training.setup import batch_loss
from geoseg.window import Window

MOST_CHIPS = 48
"""Held-out chips that the guard scores candidates on."""

_MODEST = AugmentSettings(
    gsd_jitter=(0.9, 1.1), gain=0.1, bias=0.02, gamma=0.1, haze=0.05, grey=0.1, blur=0.3, noise=0.01, drop=0.1
)


@contextmanager
def open_source(source: TrainSettings, package: ModelPackage, settings: AdaptSettings) -> Iterator[SourceGround]:
    """Open the ground of a training config; it is read as the package sees it, without the package's curves.

    Args:
        source: what names scenes and labels; its network is not looked at.
        package: whose bands, legend, resolution and normaliser count.
        settings: of the adaptation.

    Raises:
        ConfigError: if the config is about other bands or another legend than the package.
        GeosegError: if scenes or labels do not fit the config.
    """
    _require_same(source, package)
    source = _as_seen_by(package, source, settings)
    normalizer = replace(package.normalizer, curves=())
    with closing(Ground(source, scored=True)) as ground:
        chips = held_out_chips(ground.regions("val"), side=settings.side, gsd=package.gsd, most=MOST_CHIPS)
        yield SourceGround(
            maker=ground.maker(range(settings.batch_size), normalizer=normalizer),
            loss=batch_loss(source, ground),
            chips=np.stack([chip.image.astype(np.float32, copy=False) for chip in chips]),
            valid=np.stack([chip.valid for chip in chips]),
            labels=np.stack([np.where(chip.valid, chip.labels, np.uint8(IGNORED)) for chip in chips]),
            members=ground.sets.members,
        )


def held_out_chips(regions: Sequence[Region], *, side: int, gsd: float, most: int) -> list[Chip]:
    """Scaled chips spread evenly over some regions, each with a known label; at most so many.

    Args:
        regions: ground with at least one known label.
        side: of a chip, px.
        gsd: of a chip, metres per pixel.
        most: how many.
    """
    places = [(region, window) for region in regions for window in _tiled(region, side=side, gsd=gsd)]
    turns = max(1, -(-len(places) // most))
    chips: list[Chip] = []
    for turn in range(turns):  # the second turn is needed only where many chips have no label
        for region, window in places[turn::turns]:
            chip = region.scene.read(window, within=region.window)
            if (chip.labels != IGNORED).any():
                chips.append(scaled_chip(chip, side, region))
            if len(chips) == most:
                return chips
        if len(chips) >= most // 2:
            break
    return chips


def _tiled(region: Region, *, side: int, gsd: float) -> Iterator[Window]:
    step = max(1, round(side * gsd / (region.gsd or gsd)))
    for row in range(region.window.row, region.window.bottom, step):
        for col in range(region.window.col, region.window.right, step):
            yield Window(row=row, col=col, height=step, width=step)


def _require_same(source: TrainSettings, package: ModelPackage) -> None:
    for what, found, wanted in (
        ("bands", tuple(source.bands), tuple(package.bands)),
        ("classes", source.class_map.names, package.classes.names),
    ):
        if found != wanted:
            raise ConfigError(
                f"source: its {what} are {', '.join(found)}, those of the model {package.name} {', '.join(wanted)}: "
                "give the config that the model was trained with"
            )


def _as_seen_by(package: ModelPackage, source: TrainSettings, settings: AdaptSettings) -> TrainSettings:
    return source.model_copy(
        update={
            "gsd": package.gsd,
            "scales": {**source.scales, **package.normalizer.scales},
            "chip": settings.side,
            "tile": settings.side,
            "seed": settings.seed,
            "augment": _modest(source.augment),
        }
    )


def _modest(augment: AugmentSettings) -> AugmentSettings:
    """No change stronger than those that leave an image as the sensor might have taken it."""
    low, high = augment.gsd_jitter
    strengths = {
        name: min(getattr(augment, name), getattr(_MODEST, name))
        for name in AugmentSettings.model_fields
        if name not in {"d4", "gsd_jitter"}
    }
    jitter = (max(low, _MODEST.gsd_jitter[0]), min(high, _MODEST.gsd_jitter[1]))
    return AugmentSettings(d4=augment.d4, gsd_jitter=jitter, **strengths)
