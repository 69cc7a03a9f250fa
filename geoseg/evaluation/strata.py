"""The strata of a class raster: what it gives each class, counted in one pass. Knows nothing of points."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.errors import LabelError
from geoseg.evaluation.class_raster import ClassRaster
from geoseg.georef import GeoRef
from geoseg.window import Window

_STORAGE_ROWS = 512
_BLOCK_PIXELS = 4 * 2**20
_PIECE_PIXELS = 2**20

_COLOURS = ("#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#911eb4", "#42d4f4", "#469990", "#9a6324")
"""For classes whose colour the file does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Strata:
    """The pixels of a class raster by class. Arrays are in the order of `classes`."""

    classes: ClassMap
    """Classes that the raster names or holds, ascending by id."""

    georef: GeoRef
    """The grid of the raster."""

    pixels: NDArray[np.int64]
    """How many pixels each class has; 0 for a class that is only named."""

    ground_areas: NDArray[np.float64] | None
    """Area of each class on the ground, m²; None without a CRS, or if a class lies wholly off the earth."""

    sha256: str
    """Of grid and pixels: the same for the same map, however the file is stored."""

    @property
    def areas(self) -> NDArray[np.float64]:
        """Area of each class in `area_unit`."""
        return self.pixels.astype(np.float64) if self.ground_areas is None else self.ground_areas

    @property
    def area_unit(self) -> str:
        """`m2`, or `px` where there are no areas on the ground."""
        return "px" if self.ground_areas is None else "m2"


def strata_of(raster: ClassRaster) -> Strata:
    """Count the pixels of each class and measure their area on the ground.

    Raises:
        LabelError: if the raster is nodata everywhere or is no class raster.
        SceneError: if it cannot be read.
    """
    georef, colours = raster.georef, raster.colours
    pixels = np.zeros(NODATA_ID + 1, dtype=np.int64)
    areas = np.zeros(NODATA_ID + 1)
    digest = hashlib.sha256(repr((raster.shape, tuple(georef.transform))).encode())
    for window, ids in class_id_pieces(raster):
        pixels += np.bincount(ids.ravel(), minlength=NODATA_ID + 1)
        digest.update(ids.data)
        ground = georef.pixel_areas(window)
        if ground is not None:
            areas += np.bincount(ids.ravel(), weights=ground.ravel(), minlength=NODATA_ID + 1)
    pixels[NODATA_ID] = 0
    if not pixels.any():
        raise LabelError(f"{raster.path}: is nodata everywhere: there is nothing to sample")
    classes = _legend(raster, pixels, colours)
    return Strata(
        classes=classes,
        georef=georef,
        pixels=pixels[list(classes.ids)],
        ground_areas=areas[list(classes.ids)] if (areas[pixels > 0] > 0).all() else None,
        sha256=digest.hexdigest(),
    )


def class_id_pieces(raster: ClassRaster) -> Iterator[tuple[Window, NDArray[np.uint8]]]:
    """All pixels from the first row to the last, some full rows at a time: where they lie, and their class ids."""
    height, width = raster.shape
    rows = max(_STORAGE_ROWS, _BLOCK_PIXELS // width // _STORAGE_ROWS * _STORAGE_ROWS)
    step = max(1, _PIECE_PIXELS // width)
    for top in range(0, height, rows):
        block = Window.between(top, min(top + rows, height), 0, width)
        ids = raster.read(block)
        for first in range(block.row, block.bottom, step):
            piece = Window.between(first, min(first + step, block.bottom), 0, width)
            yield piece, np.ascontiguousarray(ids[piece.slices_in(block)])


def _legend(raster: ClassRaster, pixels: NDArray[np.int64], colours: dict[int, str]) -> ClassMap:
    names = raster.names
    ids = sorted((set(names) | set(np.flatnonzero(pixels).tolist())) - {NODATA_ID})
    return ClassMap.of(
        (id_, names.get(id_, str(id_)), colours.get(id_, _COLOURS[place % len(_COLOURS)]))
        for place, id_ in enumerate(ids)
    )
