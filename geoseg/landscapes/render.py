"""A window of a landscape: pixels, labels and footprint."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID
from geoseg.landscapes.footprint import footprint
from geoseg.landscapes.materials import CLASS_OF_MATERIAL
from geoseg.landscapes.noise import Grid
from geoseg.landscapes.sensor import expose, halo_of
from geoseg.landscapes.spec import LANDSCAPE_BANDS, LandscapeSpec
from geoseg.landscapes.surface import surface_over
from geoseg.window import Window

CELL = 512
"""Side of the squares that are drawn at a time, px, anchored to the scene's origin."""


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
    """Draw the pixels of a window; the same bytes whatever window they are asked in.

    Land is drawn in whole squares of a lattice anchored to the scene's origin, and the window cut out of them, so
    no rounding depends on the window. Pixels outside the scene are not valid.
    """
    image = np.zeros((len(LANDSCAPE_BANDS), *window.shape), dtype=spec.numpy_dtype)
    class_ids = np.full(window.shape, NODATA_ID, dtype=np.uint8)
    valid = footprint(spec, window)
    drawable = window.intersect(spec.georef.window)
    if drawable is not None:
        for row in range(drawable.row // CELL, (drawable.bottom - 1) // CELL + 1):
            for col in range(drawable.col // CELL, (drawable.right - 1) // CELL + 1):
                cell = Window(row=row * CELL, col=col * CELL, height=CELL, width=CELL)
                part = drawable.intersect(cell)
                if part is None or not valid[part.slices_in(window)].any():
                    continue
                samples, ids = _draw(spec, cell)
                here, there = part.slices_in(window), part.slices_in(cell)
                image[:, *here], class_ids[here] = samples[:, *there], ids[there]
    image[:, ~valid] = 0
    class_ids[~valid] = NODATA_ID
    return Landscape(image=image, class_ids=class_ids, valid=valid)


def _draw(spec: LandscapeSpec, cell: Window) -> tuple[NDArray[np.uint8] | NDArray[np.uint16], NDArray[np.uint8]]:
    """Samples (4, side, side) and class ids (side, side) of one square."""
    halo = halo_of(spec)
    cols = np.arange(cell.col - halo, cell.right + halo, dtype=np.float64)
    rows = np.arange(cell.row - halo, cell.bottom + halo, dtype=np.float64)
    grid = Grid(spec.origin[0] + (cols + 0.5) * spec.gsd, spec.origin[1] - (rows + 0.5) * spec.gsd, spec.gsd)
    azimuth = math.radians(spec.radiometry.sun_azimuth)
    surface = surface_over(spec.world, grid, (math.sin(azimuth), math.cos(azimuth)))
    inner = slice(halo, halo + cell.height)
    samples = expose(spec, surface, grid)[:, inner, inner]
    return samples, CLASS_OF_MATERIAL[surface.material[inner, inner]]
