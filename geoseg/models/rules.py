"""What every model must say of how to predict, and that it fits together. Plain values, no torch."""

from __future__ import annotations

from typing import Protocol

from geoseg.classes import ClassMap
from geoseg.errors import ModelError
from geoseg.models.calibration import Calibration

_DEEPEST = 32  # networks halve the image up to five times


class PredictionRules(Protocol):
    """What a card and a package say alike of how to predict."""

    @property
    def classes(self) -> ClassMap:
        """The legend."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands."""

    @property
    def calibration(self) -> Calibration:
        """From logits to those of the softmax."""

    @property
    def optional_bands(self) -> tuple[str, ...]:
        """Those that a scene may lack."""

    @property
    def thresholds(self) -> tuple[float, ...]:
        """For each class; empty = 0 for all."""


def check_prediction_sizes(*, tile: int, overlap: int, gsd: float) -> None:
    """Refuse sizes that no prediction can use.

    Raises:
        ModelError: unless tile and overlap are multiples of 32, 0 <= overlap <= tile / 2, and the GSD is positive.
    """
    if tile < _DEEPEST or tile % _DEEPEST:
        raise ModelError(f"the tile of a model must be a positive multiple of {_DEEPEST} px, got {tile}")
    if not 0 <= overlap <= tile // 2 or overlap % _DEEPEST:
        raise ModelError(
            f"the overlap of a model must be a multiple of {_DEEPEST} up to half its tile of {tile} px, got {overlap}"
        )
    if not gsd > 0:
        raise ModelError(f"the GSD of a model must be positive, got {gsd} m")


def check_prediction_rules(rules: PredictionRules) -> None:
    """Refuse a calibration, optional bands or thresholds that do not fit the classes and bands.

    Raises:
        ModelError: if one does not.
    """
    rules.calibration.filled(len(rules.classes))
    strange = [band for band in rules.optional_bands if band not in rules.bands]
    if strange or len(set(rules.optional_bands)) >= len(rules.bands):
        raise ModelError(
            f"the optional bands must be some but not all of {', '.join(rules.bands)}, "
            f"got {', '.join(rules.optional_bands)}"
        )
    if len(rules.thresholds) not in {0, len(rules.classes)}:
        raise ModelError(f"{len(rules.classes)} classes need as many thresholds or none, got {len(rules.thresholds)}")
    if not all(0 <= threshold <= 1 for threshold in rules.thresholds):
        raise ModelError(f"the thresholds of the classes must lie between 0 and 1, got {rules.thresholds}")
