"""Landscapes to train on: one temperate countryside after another, in the weather and light of different days."""

from __future__ import annotations

import random

from geoseg.errors import ConfigError
from geoseg.landscapes.spec import MIXES, LandscapeSpec, Mix, Radiometry

_OTHER_MIXES = ("suburban", "wooded", "wetland")
_EVERY = 4  # one scene in so many has another mix
_FIRST_CORNER = (400_000.0, 5_300_000.0)
_GAP = 500.0  # metres between neighbouring scenes


def training_landscapes(count: int, *, seed: int, size: int, gsd: float) -> list[LandscapeSpec]:
    """Square scenes that lie side by side, with seeds from `seed` upwards.

    Mixes and light vary around the temperate ones; the arid, hazy and autumn radiometries are left out, so that
    they stay unseen domains. A scene depends on its own seed, not on how many there are.

    Args:
        count: how many.
        seed: of the first scene.
        size: rows and columns, px.
        gsd: metres per pixel.

    Raises:
        ConfigError: if `count` is below 1, or size or gsd cannot be.
    """
    if count < 1:
        raise ConfigError(f"scenes is {count}: give at least 1")
    return [_training_landscape(seed + number, number, size, gsd) for number in range(count)]


def _training_landscape(seed: int, number: int, size: int, gsd: float) -> LandscapeSpec:
    dice = random.Random(seed)  # noqa: S311 - a reproducible choice, no secret
    return LandscapeSpec(
        seed=seed,
        height=size,
        width=size,
        gsd=gsd,
        mix=_mix(dice, seed),
        radiometry=_radiometry(dice),
        origin=(_FIRST_CORNER[0] + number * (size * gsd + _GAP), _FIRST_CORNER[1]),
    )


def _mix(dice: random.Random, seed: int) -> Mix:
    if seed % _EVERY == 0:
        return MIXES[_OTHER_MIXES[seed // _EVERY % len(_OTHER_MIXES)]]
    return Mix(
        water=dice.uniform(0.9, 1.4),
        forest=dice.uniform(0.8, 1.3),
        crop=dice.uniform(0.8, 1.1),
        grass=dice.uniform(0.8, 1.3),
        bare=dice.uniform(0.8, 1.5),
        villages=dice.uniform(0.8, 1.2),
    )


def _radiometry(dice: random.Random) -> Radiometry:
    brightness = dice.uniform(0.93, 1.07)
    red, green, blue, nir = (brightness * dice.uniform(0.96, 1.04) for _ in range(4))
    return Radiometry(
        gain=(red, green, blue, nir),
        gamma=dice.uniform(1.4, 1.6),
        haze=dice.uniform(0.03, 0.1),
        noise=dice.uniform(0.003, 0.006),
        blur=dice.uniform(0.45, 0.7),
        sun_azimuth=dice.uniform(120.0, 220.0),
        sun_elevation=dice.uniform(36.0, 55.0),
        greenness=dice.uniform(0.85, 1.0),
    )
