"""What a landscape is asked to be: size, resolution, land use, sensor and season. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
import pyproj
from affine import Affine

from geoseg.classes import ClassMap
from geoseg.errors import ConfigError
from geoseg.georef import GeoRef
from geoseg.landscapes.noise import key_of

LANDSCAPE_CLASSES = ClassMap.of(
    [
        (1, "water", "#3c78c8"),
        (2, "forest", "#1e6432"),
        (3, "crop", "#e6c850"),
        (4, "grass", "#96c864"),
        (5, "bare", "#b48c64"),
        (6, "building", "#c83232"),
        (7, "road", "#5a5a64"),
    ]
)
"""The legend of every landscape."""

LANDSCAPE_BANDS = ("red", "green", "blue", "nir")
"""Bands of every landscape, in their order."""

_GSD_LIMITS = (0.2, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """Amounts of land use relative to a temperate countryside; 1 is as much, 0 is none, 2 is about twice."""

    water: float = 1.0
    """Width of rivers and size of lakes."""

    forest: float = 1.0
    """Area of woods and number of lone trees."""

    crop: float = 1.0
    """Share of parcels under crops."""

    grass: float = 1.0
    """Share of parcels that are meadows."""

    bare: float = 1.0
    """Share of parcels without vegetation, pits and gravel banks."""

    villages: float = 1.0
    """Area of villages; their number stays."""

    def __post_init__(self) -> None:
        for entry in fields(self):
            amount = getattr(self, entry.name)
            if not 0 <= amount <= 4:  # noqa: PLR2004 - said in the message
                raise ConfigError(f"mix {entry.name} is {amount}: give an amount from 0 to 4")
        if self.crop + self.grass + self.bare == 0:
            raise ConfigError("mix has neither crop, grass nor bare: give one of them an amount above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiometry:
    """How light, air, season and sensor turn the land into samples."""

    gain: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    """Factor per band (red, green, blue, nir)."""

    bias: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Added reflectance per band."""

    gamma: float = 1.5
    """Exponent of the stretch to 8 bit; above 1 lifts the dark end. Not used for 16 bit."""

    haze: float = 0.06
    """Share of the blue light that the air adds, 0 to 0.9; less in longer waves."""

    noise: float = 0.004
    """Standard deviation of the sensor, reflectance."""

    blur: float = 0.55
    """Standard deviation of the optics, px."""

    sun_azimuth: float = 150.0
    """Where the sun stands, degrees clockwise from north."""

    sun_elevation: float = 42.0
    """How high it stands, degrees above the horizon, 15 to 85."""

    greenness: float = 1.0
    """Vegetation: 1 is fresh, 0 is dry."""

    autumn: float = 0.0
    """Leaf colour and stubble: 0 is summer, 1 is late autumn."""

    def __post_init__(self) -> None:
        limits = {
            "gamma": (0.3, 4.0),
            "haze": (0.0, 0.9),
            "noise": (0.0, 0.2),
            "blur": (0.0, 3.0),
            "sun_elevation": (15.0, 85.0),
            "greenness": (0.0, 1.0),
            "autumn": (0.0, 1.0),
        }
        for name, (least, most) in limits.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ConfigError(f"radiometry {name} is {value}: give {least} to {most}")


MIXES: dict[str, Mix] = {
    "temperate": Mix(),
    "arid": Mix(water=0.7, forest=0.3, crop=0.6, grass=0.6, bare=4.0, villages=0.9),
    "wooded": Mix(forest=2.2, crop=0.7, grass=1.3, villages=0.8),
    "wetland": Mix(water=2.0, forest=1.2, crop=0.7, grass=2.0),
    "suburban": Mix(forest=0.8, grass=1.5, villages=2.0),
}
"""Named land uses."""

RADIOMETRIES: dict[str, Radiometry] = {
    "temperate": Radiometry(),
    "arid": Radiometry(gain=(1.12, 1.05, 0.95, 0.92), greenness=0.15, haze=0.1, sun_elevation=58.0, sun_azimuth=165.0),
    "hazy": Radiometry(gain=(0.85, 0.87, 0.92, 0.8), bias=(0.02, 0.02, 0.03, 0.01), haze=0.32, noise=0.008, blur=0.9),
    "autumn": Radiometry(
        gain=(0.92, 0.88, 0.85, 0.85), autumn=0.85, greenness=0.6, sun_elevation=26.0, sun_azimuth=190.0
    ),
}
"""Named seasons and sensors."""


@dataclass(frozen=True, slots=True)
class World:
    """An endless countryside, the same wherever and however finely it is seen."""

    seed: int
    """Which one."""

    mix: Mix
    """Its land use."""

    def key(self, name: str) -> np.uint64:
        """The key of its stream of random numbers of that name."""
        return key_of(self.seed, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class LandscapeSpec:
    """One scene of a procedural world.

    The world is a function of `seed` and `mix` over map coordinates; origin, size and gsd only choose what
    part of it is seen, and how finely.
    """

    seed: int
    """Which world."""

    height: int
    """Rows, px."""

    width: int
    """Columns, px."""

    gsd: float = 1.0
    """Side of a pixel, metres, 0.2 to 10."""

    mix: Mix = field(default_factory=Mix)
    """Its land use."""

    radiometry: Radiometry = field(default_factory=Radiometry)
    """Its season and sensor."""

    nodata_border: int | None = None
    """Mean width of the empty border around a slightly turned footprint, px; None fills the whole scene."""

    dtype: Literal["uint8", "uint16"] = "uint8"
    """uint8: stretched for display; uint16: reflectance x 10000."""

    epsg: int = 32633
    """CRS, a projected one in metres."""

    origin: tuple[float, float] = (400_000.0, 5_300_000.0)
    """Map (x, y) of the upper left corner, metres."""

    def __post_init__(self) -> None:
        if self.height <= 0 or self.width <= 0:
            raise ConfigError(f"a landscape needs a positive size, got {self.height} x {self.width} px")
        if not _GSD_LIMITS[0] <= self.gsd <= _GSD_LIMITS[1]:
            raise ConfigError(f"gsd is {self.gsd} m: give {_GSD_LIMITS[0]} to {_GSD_LIMITS[1]} m")
        border_most = min(self.height, self.width) // 4
        if self.nodata_border is not None and not 0 < self.nodata_border <= border_most:
            raise ConfigError(f"nodata border is {self.nodata_border} px: give 1 to {border_most} px (a quarter)")
        if self.dtype not in ("uint8", "uint16"):
            raise ConfigError(f"dtype is {self.dtype!r}: give uint8 or uint16")

    @property
    def world(self) -> World:
        """What it shows."""
        return World(self.seed, self.mix)

    @property
    def numpy_dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """The dtype of the samples."""
        return np.dtype(np.uint8) if self.dtype == "uint8" else np.dtype(np.uint16)

    @property
    def georef(self) -> GeoRef:
        """The grid of the scene.

        Raises:
            ConfigError: if the EPSG code is unknown or its CRS is not projected in metres.
        """
        try:
            crs = pyproj.CRS.from_epsg(self.epsg)
        except pyproj.exceptions.CRSError as error:
            raise ConfigError(f"EPSG:{self.epsg} is not a known CRS: give one such as 32633") from error
        if not crs.is_projected or crs.axis_info[0].unit_conversion_factor != 1:
            raise ConfigError(f"EPSG:{self.epsg} is not projected in metres: give one such as 32633")
        return GeoRef(
            crs=crs.to_wkt(),
            transform=Affine(self.gsd, 0.0, self.origin[0], 0.0, -self.gsd, self.origin[1]),
            height=self.height,
            width=self.width,
        )
