"""How well boundaries lie: the boundary F-score, counted window by window. Knows nothing of files.

The boundary of a class are its pixels beside a pixel of another class. After Csurka, Larlus and Perronnin (2013), What
is a good evaluation measure for semantic segmentation?, BMVC; pixels of all windows are counted together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID

DEFAULT_RADIUS = 2.0
"""Tolerance in pixels of the map where none is given."""

LARGEST_RADIUS = 256.0
"""The largest tolerance, px: so much context is read around every window."""

_BITS = 64
_MAPPED, _MAPPED_NEAR, _REFERENCE, _REFERENCE_NEAR = range(4)
_Bits = NDArray[np.unsignedinteger[Any]]

_ALIKE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoundaryScores:
    """Boundaries of a map against those of a reference. A score without boundary to divide by is NaN."""

    tolerance: float
    """How far apart two boundaries may lie and still agree, in `unit`."""

    unit: str
    """`m`, or `px` where there is no CRS."""

    counts: NDArray[np.int64]
    """(4, classes): boundary pixels of the map, those of them near the reference's boundary of the class,
    boundary pixels of the reference, those of them near the map's."""

    @property
    def precision(self) -> NDArray[np.float64]:
        """(classes,) share of the map's boundary that lies near the reference's."""
        return _ratio(self.counts[_MAPPED_NEAR], self.counts[_MAPPED])

    @property
    def recall(self) -> NDArray[np.float64]:
        """(classes,) share of the reference's boundary that lies near the map's."""
        return _ratio(self.counts[_REFERENCE_NEAR], self.counts[_REFERENCE])

    @property
    def f_score(self) -> NDArray[np.float64]:
        """(classes,) harmonic mean of the two; 0 where only one of map and reference has the boundary."""
        precision, recall = np.nan_to_num(self.precision), np.nan_to_num(self.recall)
        scores = np.zeros(len(precision))
        np.divide(2 * precision * recall, precision + recall, out=scores, where=precision + recall > 0)
        scores[(self.counts[_MAPPED] == 0) & (self.counts[_REFERENCE] == 0)] = np.nan
        return scores

    @property
    def mean_f_score(self) -> float:
        """Mean over the classes that have a boundary in the map or the reference; NaN where none has."""
        scores = self.f_score[~np.isnan(self.f_score)]
        return float(scores.mean()) if scores.size else math.nan

    def merge(self, other: Self) -> Self:
        """Both together; where tolerances differ by over 1 % because pixels do, the tolerance is given in pixels.

        Within 1 % they are one: the ground size of pixels varies a little across a CRS.
        """
        same = self.unit == other.unit and math.isclose(self.tolerance, other.tolerance, rel_tol=_ALIKE)
        return type(self)(
            tolerance=self.tolerance if same else DEFAULT_RADIUS,
            unit=self.unit if same else "px",
            counts=self.counts + other.counts,
        )

    def of_classes(self, ids: NDArray[np.integer]) -> Self:
        """The same for some classes, in their order."""
        return type(self)(tolerance=self.tolerance, unit=self.unit, counts=self.counts[:, ids])


def halo_of(radius: float) -> int:
    """Pixels of context that boundary counts need on every side of a window."""
    return math.floor(radius) + 1


def boundary_counts(
    reference: NDArray[np.uint8], mapped: NDArray[np.uint8], core: tuple[slice, slice], *, radius: float
) -> NDArray[np.int64]:
    """Boundary pixels of a window and how many of them lie near the other's, as `BoundaryScores.counts` has them.

    Args:
        reference: class ids of the window with `halo_of(radius)` pixels around it; 255 where there is no class.
        mapped: the same of the map. Only pixels with a class in both are looked at.
        core: the window without its halo.
        radius: how far away is near, px, between the centres of pixels.
    """
    known = (reference != NODATA_ID) & (mapped != NODATA_ID)
    reference, mapped = np.where(known, reference, NODATA_ID), np.where(known, mapped, NODATA_ID)
    on_reference, on_map = _edges(reference), _edges(mapped)
    counts = np.zeros((4, NODATA_ID), dtype=np.int64)
    counts[_MAPPED] = _by_class(mapped[core], on_map[core])
    counts[_REFERENCE] = _by_class(reference[core], on_reference[core])
    ids = np.flatnonzero(counts[_MAPPED] + counts[_REFERENCE])
    for start in range(0, len(ids), _BITS):
        bit_of = _bits_of(ids[start : start + _BITS])
        bits_reference, bits_map = bit_of[reference] * on_reference, bit_of[mapped] * on_map
        near_reference, near_map = dilated(bits_reference, radius), dilated(bits_map, radius)
        counts[_MAPPED_NEAR] += _by_class(mapped[core], (near_reference & bits_map)[core] != 0)
        counts[_REFERENCE_NEAR] += _by_class(reference[core], (near_map & bits_reference)[core] != 0)
    return counts


def dilated(bits: _Bits, radius: float) -> _Bits:
    """Each pixel with the bits of all pixels whose centre is at most `radius` px away."""
    spread, near = bits.copy(), np.zeros_like(bits)
    rows = len(bits)
    reach = math.floor(radius)
    widths = [math.floor(math.sqrt(radius * radius - down * down)) for down in range(reach + 1)]
    for width in range(reach + 1):
        if 0 < width < bits.shape[1]:  # spread reaches one pixel farther to either side
            spread[:, width:] |= bits[:, :-width]
            spread[:, :-width] |= bits[:, width:]
        for down in (down for down in range(reach + 1) if widths[down] == width and down < rows):
            near[down:] |= spread[: rows - down]
            near[: rows - down] |= spread[down:]
    return near


def _edges(ids: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether a pixel has a class and a neighbour above, below, left or right with another one."""
    edges = np.zeros(ids.shape, dtype=np.bool_)
    for axis in (0, 1):
        here = [slice(None), slice(None)]
        there = [slice(None), slice(None)]
        here[axis], there[axis] = slice(None, -1), slice(1, None)
        one, other = ids[tuple(here)], ids[tuple(there)]
        differ = (one != other) & (one != NODATA_ID) & (other != NODATA_ID)
        edges[tuple(here)] |= differ
        edges[tuple(there)] |= differ
    return edges


def _bits_of(ids: NDArray[np.integer]) -> _Bits:
    """Look-up table (256,) from a class id to a bit of its own; 0 for others. As few bytes as will do."""
    width = next(bits for bits in (8, 16, 32, _BITS) if bits >= len(ids))
    table = np.zeros(NODATA_ID + 1, dtype=np.uint64)
    table[ids] = np.left_shift(np.uint64(1), np.arange(len(ids), dtype=np.uint64))
    return table.astype(f"uint{width}")


def _by_class(ids: NDArray[np.uint8], chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.bincount(ids[chosen], minlength=NODATA_ID + 1)[:NODATA_ID]


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    share = np.full(part.shape, np.nan)
    np.divide(part, whole, out=share, where=whole > 0)
    return share
