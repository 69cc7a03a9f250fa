"""What became of each class between two maps, pixel by pixel. Knows no files.

The maps are read by blocks: memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import LabelError
from geoseg.evaluation.map_pair import MapPair
from geoseg.georef import GeoRef
from geoseg.window import Window

BLOCK_ROWS = 512
"""Rows that are read at once."""

_PIECE_ROWS = 64
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """Ground of one class before and one class after; the same where nothing changed."""

    from_class: str | None
    """Name of the class before; None is nodata."""

    to_class: str | None
    """Name of the class after; None is nodata."""

    pixels: int
    """How many pixels."""

    area_m2: float | None
    """True area on the ground, m²; None without a CRS."""

    @property
    def is_change(self) -> bool:
        """Whether it is ground that both maps give a class, and not the same one."""
        return None not in {self.from_class, self.to_class} and self.from_class != self.to_class


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChangeMatrix:
    """Pixels and areas by the class before (rows) and after (columns); nodata is the last of both."""

    names: tuple[str, ...]
    """Names of the classes, those that occur in neither map among them."""

    colours: tuple[str, ...]
    """`#rrggbb` of each."""

    grid: GeoRef
    """On which pixels were compared."""

    pixels: NDArray[np.int64]
    """(classes + 1, classes + 1)."""

    areas: NDArray[np.float64] | None
    """The same, m² on the ground; None without a CRS."""

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """All that occur, row by row."""
        labels = (*self.names, None)
        return tuple(
            Transition(
                from_class=labels[row],
                to_class=labels[col],
                pixels=int(self.pixels[row, col]),
                area_m2=None if self.areas is None else float(self.areas[row, col]),
            )
            for row, col in np.argwhere(self.pixels).tolist()
        )

    @property
    def changes(self) -> NDArray[np.int64]:
        """(changes, 2): class numbers before and after of all changes that occur, row by row."""
        occurs = self.pixels[:-1, :-1] > 0
        return np.argwhere(occurs & ~np.eye(len(occurs), dtype=np.bool_))

    def as_json(self) -> dict[str, object]:
        """Its numbers as plain values."""
        mapped, kept = self.pixels[:-1, :-1], np.trace(self.pixels[:-1, :-1])
        return {
            "height": self.grid.height,
            "width": self.grid.width,
            "compared_pixels": int(mapped.sum()),
            "changed_pixels": int(mapped.sum() - kept),
            "changed_m2": self._changed_area(),
            "transitions": [
                {"from": each.from_class, "to": each.to_class, "pixels": each.pixels, "area_m2": each.area_m2}
                for each in self.transitions
            ],
        }

    def _changed_area(self) -> float | None:
        if self.areas is None:
            return None
        return float(sum(each.area_m2 or 0.0 for each in self.transitions if each.is_change))


def count_changes(pair: MapPair, progress: Progress | None = None) -> ChangeMatrix:
    """Count what became of each class.

    Args:
        pair: the maps.
        progress: is told rows done and rows to do.

    Raises:
        LabelError: if no pixel has a class in both.
        SceneError: if a map cannot be read to its end.
    """
    side = len(pair.names) + 1
    pixels, areas = np.zeros(side * side, dtype=np.int64), np.zeros(side * side)
    has_areas = True
    for window in blocks(pair.grid):
        both = codes(pair, window)
        for top in range(0, window.height, _PIECE_ROWS):
            piece = both[top : top + _PIECE_ROWS]
            pixels += np.bincount(piece.ravel(), minlength=side * side)
            rows = Window.between(window.row + top, window.row + top + len(piece), 0, window.width)
            ground = pair.grid.pixel_areas(rows)
            has_areas = ground is not None
            if ground is not None:
                areas += np.bincount(piece.ravel(), weights=ground.ravel(), minlength=side * side)
        if progress is not None:
            progress("compare", window.bottom, pair.grid.height)
    matrix = ChangeMatrix(
        names=pair.names,
        colours=pair.colours,
        grid=pair.grid,
        pixels=pixels.reshape(side, side),
        areas=areas.reshape(side, side) if has_areas else None,
    )
    if not matrix.pixels[:-1, :-1].any():
        raise LabelError("no pixel has a class in both maps: give maps of the same place")
    return matrix


def blocks(grid: GeoRef) -> Iterator[Window]:
    """Blocks of a grid, from top to bottom."""
    for top in range(0, grid.height, BLOCK_ROWS):
        yield Window.between(top, min(top + BLOCK_ROWS, grid.height), 0, grid.width)


def codes(pair: MapPair, window: Window) -> NDArray[np.int64]:
    """One number (height, width) for each class before and after: row x columns + column of the matrix."""
    side = len(pair.names) + 1
    both: NDArray[np.int64] = pair.before(window).astype(np.int64)
    both *= side
    both += pair.after(window)
    return both
