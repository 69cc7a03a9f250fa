"""The area of a scene that the sensor saw: a slightly turned frame with ragged edges, or everything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoseg.landscapes.noise import Floats, hashed, key_of, unit
from geoseg.landscapes.spec import LandscapeSpec
from geoseg.window import Window

_SWATH = 24  # px, the steps of the ragged edge


def footprint(spec: LandscapeSpec, window: Window) -> NDArray[np.bool_]:
    """(height, width) of the window; True = seen by the sensor and inside the scene."""
    rows = np.arange(window.row, window.bottom)[:, None]
    cols = np.arange(window.col, window.right)[None, :]
    inside = (rows >= 0) & (rows < spec.height) & (cols >= 0) & (cols < spec.width)
    border = spec.nodata_border
    if border is None:
        return np.asarray(inside)
    down, right = rows / spec.height - 0.5, cols / spec.width - 0.5
    lean = border * 0.8
    inside &= rows >= border + lean * right + _ragged(spec, "top", cols)
    inside &= spec.height - 1 - rows >= border - lean * right + _ragged(spec, "bottom", cols)
    inside &= cols >= border - lean * down + _ragged(spec, "left", rows)
    inside &= spec.width - 1 - cols >= border + lean * down + _ragged(spec, "right", rows)
    return np.asarray(inside)


def _ragged(spec: LandscapeSpec, side: str, at: NDArray[np.int64]) -> Floats:
    """How much further in the edge lies along a side, px: one step per swath."""
    bits = hashed(key_of(spec.seed, side), at // _SWATH, np.zeros_like(at))
    return unit(bits) * np.float32(0.12 * (spec.nodata_border or 0))
