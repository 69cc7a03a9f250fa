"""What every model must say of how to predict, and that it fits together. Plain values, no torch."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Protocol

from geoseg.classes import ClassMap
from geoseg.errors import ModelError, has_hidden_characters
from geoseg.models.calibration import Calibration

_LARGEST_TILE = 8192
_LONGEST_NAME = 100
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


def check_names(name: str, bands: Sequence[str]) -> None:
    """Refuse names that no file name, table or page can show as they are.

    Args:
        name: of a model.
        bands: its bands.

    Raises:
        ModelError: if one is empty, longer than 100 characters or holds hidden characters, or if the model's could be
            that of a file in another folder.
    """
    for each in (name, *bands):
        if not 0 < len(each) <= _LONGEST_NAME or has_hidden_characters(each):
            raise ModelError(
                f"the name {each[:_LONGEST_NAME]!r} of a model or band must be up to {_LONGEST_NAME} characters that "
                "can be seen"
            )
    if re.search(r"[/\\]|^\.", name):
        raise ModelError(f"the name {name!r} of a model must not hold / or \\ or begin with a dot")


def check_prediction_sizes(*, tile: int, overlap: int, gsd: float) -> None:
    """Refuse sizes that no prediction can use.

    Raises:
        ModelError: unless tile and overlap are multiples of 32, 0 <= overlap <= tile / 2, the tile is at most 8192 px,
            and the GSD is positive.
    """
    if not _DEEPEST <= tile <= _LARGEST_TILE or tile % _DEEPEST:
        raise ModelError(
            f"the tile of a model must be a positive multiple of {_DEEPEST} px up to {_LARGEST_TILE}, got {tile}"
        )
    if not 0 <= overlap <= tile // 2 or overlap % _DEEPEST:
        raise ModelError(
            f"the overlap of a model must be a multiple of {_DEEPEST} up to half its tile of {tile} px, got {overlap}"
        )
    if not 0 < gsd < math.inf:
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
