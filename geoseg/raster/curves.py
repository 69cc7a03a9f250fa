"""Rising curves that turn the numbers of one sensor into those of another, band by band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import ModelError

_MOST_KNOTS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BandCurve:
    """A piecewise linear map of the scaled numbers of one band; beyond its ends it is constant."""

    knots: tuple[float, ...]
    """Scaled numbers of the scene, rising."""

    values: tuple[float, ...]
    """What becomes of them, never falling; one for each knot."""

    def __post_init__(self) -> None:
        knots, values = np.array(self.knots), np.array(self.values)
        if not 2 <= len(knots) == len(values) <= _MOST_KNOTS:  # noqa: PLR2004 - a line has two ends
            raise ModelError(f"a band curve needs 2 to {_MOST_KNOTS} knots with a value each, got {len(knots)}")
        if not (np.isfinite(knots).all() and np.isfinite(values).all()):
            raise ModelError("the knots and values of a band curve must be finite")
        if (np.diff(knots) <= 0).any() or (np.diff(values) < 0).any():
            raise ModelError("the knots of a band curve must rise and its values must not fall")

    def __call__(self, band: NDArray[np.float32]) -> NDArray[np.float32]:
        """The curve at every number of an array of any shape; NaN stays NaN."""
        return np.interp(band, self.knots, self.values).astype(np.float32)
