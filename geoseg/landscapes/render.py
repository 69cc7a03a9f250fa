"""A window of a landscape: pixels, labels and footprint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.landscapes.noise import Grid, key_of
from geoseg.landscapes.spec import LandscapeSpec
from geoseg.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """The drawn pixels of one window."""

    image: NDArray[np.uint8] | NDArray[np.uint16]
    """(4, height, width): red, green, blue, nir; 0 where not valid, at least 1 where valid."""

    class_ids: NDArray[np.uint8]
    """(height, width) ids of LANDSCAPE_CLASSES; 255 where not valid."""

    valid: NDArray[np.bool_]
    """(height, width); True = usable, False = nodata border or outside the scene."""


def render(spec: LandscapeSpec, window: Window) -> Landscape:
    """Draw the pixels of a window; the same bytes whatever else is drawn with them.

    Pixels outside the scene are not valid.
    """
    xs = spec.origin[0] + (np.arange(window.col, window.right) + 0.5) * spec.gsd
    ys = spec.origin[1] - (np.arange(window.row, window.bottom) + 0.5) * spec.gsd
    grid = Grid(xs, ys, spec.gsd)
    rank = sum(
        grid.noise(key_of(spec.seed, f"sketch{octave}"), 320 / 2**octave) / 2**octave for octave in range(4)
    )
    class_ids = (1 + np.clip(np.floor(rank * 1.6 + 3.5), 0, 6)).astype(np.uint8)
    rows, cols = np.arange(window.row, window.bottom)[:, None], np.arange(window.col, window.right)
    valid = (rows >= 0) & (rows < spec.height) & (cols >= 0) & (cols < spec.width)
    texture = 12 * grid.noise(key_of(spec.seed, "texture"), 3)
    image = np.stack([np.clip(class_ids * step + texture + 20, 1, 255) for step in (28, 12, 24, 31)])
    image = np.where(valid, image, 0).astype(spec.numpy_dtype)
    return Landscape(
        image=image, class_ids=np.where(valid, class_ids, NODATA_ID).astype(np.uint8), valid=valid
    )
