"""What two maps of one scene make of the same ground: which class became which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.errors import SceneError

_ROWS = 1024
_IDS = 256
_HECTARE = 1e4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Changes:
    """Ground by its class in an earlier and in a later map."""

    pixels: NDArray[np.int64]
    """(classes, classes): by class before (row) and after (column), in the legend's order."""

    areas: NDArray[np.float64]
    """(classes, classes) m², NaN where pixels have no known area."""

    @property
    def changed_share(self) -> float:
        """Share of the pixels whose class is another one, 0 to 1; 0 where there is none."""
        return 1 - float(np.trace(self.pixels)) / total if (total := int(self.pixels.sum())) else 0.0

    def __add__(self, other: Self) -> Changes:
        """Of both grounds together."""
        return Changes(pixels=self.pixels + other.pixels, areas=self.areas + other.areas)

    def rows(self, names: Sequence[str]) -> Iterator[Mapping[str, str | int | float | None]]:
        """Pairs of different classes that some ground has, the most pixels first.

        Args:
            names: of the classes.
        """
        total = max(1, int(self.pixels.sum()))
        for place in np.argsort(-self.pixels, axis=None, kind="stable").tolist():
            before, after = divmod(place, len(names))
            count, area = int(self.pixels[before, after]), float(self.areas[before, after])
            if before != after and count:
                yield {
                    "from": names[before],
                    "to": names[after],
                    "pixels": count,
                    "hectares": None if np.isnan(area) else round(area / _HECTARE, 4),
                    "share": round(count / total, 6),
                }


def count_changes(before: Path, after: Path, legend: ClassMap, *, pixel_area: float | None) -> Changes:
    """Compare two class rasters of one grid, some rows at a time.

    Args:
        before: of class ids; pixels that are nodata in either map do not count.
        after: the same.
        legend: of both.
        pixel_area: m², on average; None where it is not known.

    Raises:
        SceneError: if they cannot be read, or are not of one grid.
    """
    try:
        with rasterio.open(before) as first, rasterio.open(after) as second:
            if (first.shape, first.transform) != (second.shape, second.transform):
                raise SceneError(f"{before} and {after} have different grids: map both with the same settings")
            counts = sum(
                _pairs(first.read(1, window=rows), second.read(1, window=rows)) for rows in _parts(*first.shape)
            )
    except RasterioError as error:
        raise SceneError(f"{before} and {after} cannot be compared: {error}") from error
    pixels = np.asarray(counts)[np.ix_(legend.ids, legend.ids)]
    return Changes(pixels=pixels, areas=pixels * (np.nan if pixel_area is None else pixel_area))


def _parts(height: int, width: int) -> Iterator[Window]:
    for row in range(0, height, _ROWS):
        yield Window(0, row, width, min(_ROWS, height - row))


def _pairs(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(256, 256) pixels by their two ids."""
    both = (before != NODATA_ID) & (after != NODATA_ID)
    places = before[both].astype(np.intp) * _IDS + after[both]
    return np.bincount(places, minlength=_IDS * _IDS).reshape(_IDS, _IDS)
