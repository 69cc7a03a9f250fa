"""What land is made of: the class of each material and its reflectance, fresh, dry and in autumn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.landscapes.noise import Floats

_WATER, _FOREST, _CROP, _GRASS, _BARE, _BUILDING, _ROAD = range(1, 8)

_Colour = tuple[float, float, float, float]
_TABLE: tuple[tuple[str, int, _Colour, _Colour], ...] = (
    # name, class, reflectance (red, green, blue, nir) when fresh, and what dryness makes of it
    ("river", _WATER, (0.034, 0.050, 0.048, 0.022), (0.050, 0.058, 0.046, 0.028)),
    ("lake", _WATER, (0.018, 0.034, 0.042, 0.012), (0.026, 0.042, 0.044, 0.016)),
    ("understorey", _FOREST, (0.024, 0.037, 0.022, 0.24), (0.045, 0.045, 0.028, 0.19)),
    ("conifer", _FOREST, (0.022, 0.037, 0.023, 0.26), (0.030, 0.042, 0.026, 0.23)),
    ("broadleaf", _FOREST, (0.031, 0.058, 0.026, 0.40), (0.052, 0.064, 0.032, 0.32)),
    ("pale broadleaf", _FOREST, (0.043, 0.074, 0.031, 0.45), (0.068, 0.076, 0.036, 0.35)),
    ("young cereal", _CROP, (0.042, 0.092, 0.036, 0.50), (0.150, 0.145, 0.075, 0.36)),
    ("maize", _CROP, (0.040, 0.070, 0.033, 0.54), (0.120, 0.120, 0.060, 0.40)),
    ("rapeseed", _CROP, (0.185, 0.205, 0.050, 0.48), (0.210, 0.190, 0.090, 0.36)),
    ("ripe cereal", _CROP, (0.250, 0.205, 0.105, 0.37), (0.280, 0.225, 0.125, 0.38)),
    ("barley", _CROP, (0.115, 0.150, 0.075, 0.46), (0.230, 0.195, 0.110, 0.38)),
    ("beet", _CROP, (0.036, 0.105, 0.040, 0.60), (0.110, 0.130, 0.065, 0.44)),
    ("meadow", _GRASS, (0.066, 0.098, 0.047, 0.36), (0.150, 0.135, 0.080, 0.29)),
    ("pasture", _GRASS, (0.088, 0.110, 0.056, 0.33), (0.165, 0.145, 0.088, 0.28)),
    ("garden", _GRASS, (0.060, 0.092, 0.046, 0.34), (0.120, 0.118, 0.068, 0.28)),
    ("verge", _GRASS, (0.090, 0.108, 0.058, 0.33), (0.160, 0.142, 0.086, 0.28)),
    ("dark soil", _BARE, (0.125, 0.096, 0.072, 0.165), (0.155, 0.120, 0.090, 0.195)),
    ("pale soil", _BARE, (0.215, 0.168, 0.120, 0.265), (0.245, 0.195, 0.140, 0.295)),
    ("sand", _BARE, (0.285, 0.246, 0.186, 0.325), (0.300, 0.255, 0.190, 0.340)),
    ("gravel", _BARE, (0.255, 0.232, 0.194, 0.285), (0.268, 0.240, 0.198, 0.298)),
    ("red tiles", _BUILDING, (0.255, 0.118, 0.076, 0.300), (0.255, 0.118, 0.076, 0.300)),
    ("orange tiles", _BUILDING, (0.330, 0.172, 0.105, 0.365), (0.330, 0.172, 0.105, 0.365)),
    ("brown tiles", _BUILDING, (0.165, 0.100, 0.076, 0.205), (0.165, 0.100, 0.076, 0.205)),
    ("slate", _BUILDING, (0.092, 0.096, 0.108, 0.115), (0.092, 0.096, 0.108, 0.115)),
    ("pale flat roof", _BUILDING, (0.395, 0.392, 0.385, 0.400), (0.395, 0.392, 0.385, 0.400)),
    ("sheet metal", _BUILDING, (0.275, 0.315, 0.355, 0.330), (0.275, 0.315, 0.355, 0.330)),
    ("asphalt", _ROAD, (0.128, 0.127, 0.130, 0.140), (0.136, 0.133, 0.132, 0.150)),
    ("pale asphalt", _ROAD, (0.182, 0.178, 0.174, 0.200), (0.188, 0.182, 0.174, 0.205)),
)
_AUTUMN = {
    "broadleaf": (0.125, 0.080, 0.030, 0.30),
    "pale broadleaf": (0.185, 0.130, 0.036, 0.34),
    "understorey": (0.060, 0.048, 0.028, 0.19),
    "maize": (0.190, 0.155, 0.090, 0.29),
    "rapeseed": (0.060, 0.100, 0.045, 0.42),
    "ripe cereal": (0.215, 0.180, 0.115, 0.29),
    "barley": (0.200, 0.170, 0.105, 0.28),
}

MATERIAL = {entry[0]: index for index, entry in enumerate(_TABLE)}
"""Material numbers by name."""

CLASS_OF_MATERIAL: NDArray[np.uint8] = np.array([entry[1] for entry in _TABLE], dtype=np.uint8)
"""(materials,) class ids."""

CROPS: NDArray[np.uint8] = np.flatnonzero(CLASS_OF_MATERIAL == _CROP).astype(np.uint8)
"""Materials that are crops."""


def palette(autumn: float) -> tuple[Floats, Floats]:
    """Reflectance of the materials when fresh and when dry, both (materials, 4), at a degree of autumn."""
    fresh = np.array([entry[2] for entry in _TABLE], dtype=np.float32)
    dry = np.array([entry[3] for entry in _TABLE], dtype=np.float32)
    for name, colour in _AUTUMN.items():
        turned = np.array(colour, dtype=np.float32)
        for table in (fresh, dry):
            table[MATERIAL[name]] += np.float32(autumn) * (turned - table[MATERIAL[name]])
    return fresh, dry


@dataclass(frozen=True, slots=True)
class _RoofMix:
    shares: tuple[tuple[str, float], ...]

    def choose(self, number: float) -> int:
        """A roof material for a random number in [0, 1]."""
        for name, share in self.shares:
            if number < share:
                return MATERIAL[name]
            number -= share
        return MATERIAL[self.shares[0][0]]

    def has_ridge(self, material: int) -> bool:
        """Whether such a roof has slopes."""
        return material not in (MATERIAL["pale flat roof"], MATERIAL["sheet metal"])


ROOFS = _RoofMix((
    ("red tiles", 0.36), ("orange tiles", 0.22), ("brown tiles", 0.16),
    ("slate", 0.10), ("pale flat roof", 0.09), ("sheet metal", 0.07),
))  # fmt: skip
"""How often each roof is seen."""
