"""How sure a map is of each region: sums over its pixels, block by block. Knows arrays, no files and no geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoseg.classes import NODATA_ID, ClassMap
from geoseg.vector.certainty import finish, sweep
from geoseg.vector.table import RegionTable

PERCENT = 100
_LEVELS = PERCENT + 1
_NO_CLASS = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Certainty:
    """How sure the map is of some regions."""

    mean: NDArray[np.float64]
    """(regions,): mean confidence of the pixels, 0 to 1; NaN where none has one."""

    tenth: NDArray[np.float64]
    """(regions,): smallest confidence, 0 to 1, that at least 10 % of the pixels do not exceed; NaN as above."""

    second_class: NDArray[np.int16]
    """(regions,): id of the most probable class but their own, by the mean over the pixels; -1 where there is none."""


class OpenPart(NamedTuple):
    """What a block holds of the regions that go on above or below it."""

    bottom: int
    """The first row below the block."""

    region_ids: NDArray[np.int32]
    """(regions,): which; in any order."""

    histograms: NDArray[np.int64]
    """(regions, 101): pixels by confidence, per cent."""

    class_sums: NDArray[np.int64]
    """(regions, classes): sums of the probabilities, per cent."""


class OpenRegions:
    """Collects confidences and probabilities of regions until they are complete.

    Histograms are held for the regions that reach over the last line so far, for no others; of the complete ones there
    are four numbers each. All sums are of whole numbers, so no result depends on the blocks.
    """

    def __init__(self, table: RegionTable, classes: ClassMap) -> None:
        """Know the regions.

        Args:
            table: of the regions whose ids the blocks have.
            classes: the legend.
        """
        self._class_ids = table.class_ids
        self._known = table.tops, table.bottoms, classes.indices_of_ids()[table.class_ids]
        self._ids_of_indices = np.array([*classes.ids, _NO_CLASS], np.int16)
        regions = len(table.class_ids)
        self._sums = np.zeros(regions, np.int64)
        self._counts = np.zeros(regions, np.int64)
        self._tenths = np.zeros(regions, np.uint8)
        self._seconds = np.full(regions, len(classes), np.uint8)
        self._found = self._sums, self._counts, self._tenths, self._seconds
        self._open = OpenPart(
            0, np.empty(0, np.int32), np.empty((0, _LEVELS), np.int64), np.empty((0, len(classes)), np.int64)
        )

    def measure(
        self,
        ids: NDArray[np.int32],
        first_row: int,
        *,
        confidence: NDArray[np.uint8] | None,
        probabilities: NDArray[np.uint8] | None,
    ) -> OpenPart:
        """Add up the pixels of a block. Several threads may do so at once, each with another block.

        Args:
            ids: region ids (rows + 2, width) of the block and of a row above and below it; 0 is no region.
            first_row: the block's first row in the raster.
            confidence: (rows, width), per cent; above 100 is none.
            probabilities: (classes, rows + 2, width) in the order of the legend, per cent; 255 is none.

        Returns:
            What is to be given to `add`.
        """
        slots = 2 * ids.shape[1] + 1
        held = np.zeros(slots, np.int32)
        slot_of = np.zeros(len(self._class_ids) + 1, np.int32)  # pages of it are made when they are written to
        histograms = np.zeros((slots, _LEVELS), np.int64)
        class_sums = np.zeros((slots, self._open.class_sums.shape[1]), np.int64)
        sweep(
            (
                np.ascontiguousarray(ids),
                np.empty((0, 0), np.uint8) if confidence is None else np.ascontiguousarray(confidence),
                np.empty((0, 0, 0), np.uint8) if probabilities is None else np.ascontiguousarray(probabilities),
            ),
            first_row,
            self._known,
            (slot_of, held, np.arange(slots)[::-1].copy(), np.array([slots])),
            (histograms, class_sums),
            self._found,
        )
        used = np.flatnonzero(held)
        return OpenPart(first_row + ids.shape[0] - 2, held[used], histograms[used], class_sums[used])

    def add(self, part: OpenPart) -> None:
        """Take what was measured in a block; block by block from top to bottom."""
        before = self._open
        region_ids, at = np.unique(np.concatenate([before.region_ids, part.region_ids]), return_inverse=True)
        histograms = np.zeros((len(region_ids), _LEVELS), np.int64)
        class_sums = np.zeros((len(region_ids), before.class_sums.shape[1]), np.int64)
        for each, where in ((before, at[: len(before.region_ids)]), (part, at[len(before.region_ids) :])):
            histograms[where] += each.histograms  # a region stands in each part once
            class_sums[where] += each.class_sums
        done = self._known[1][region_ids - 1] <= part.bottom
        for index in np.flatnonzero(done):
            position = region_ids[index] - 1
            finish(position, self._known[2][position], histograms[index], class_sums[index], self._found)
        self._open = OpenPart(part.bottom, region_ids[~done], histograms[~done], class_sums[~done])

    def of(self, region_ids: NDArray[np.integer]) -> Certainty:
        """What is known of complete regions by their ids, 1 and up."""
        at = region_ids - 1
        counts = self._counts[at].astype(np.float64)
        counts[counts == 0] = np.nan
        return Certainty(
            mean=self._sums[at] / (counts * PERCENT),
            tenth=np.where(np.isnan(counts), np.nan, self._tenths[at] / PERCENT),
            second_class=self._ids_of_indices[self._seconds[at]],
        )

    def class_means(self) -> NDArray[np.float64]:
        """Mean confidence, 0 to 1, of the pixels of complete regions by class id (256,); NaN where there is none."""
        counts = np.zeros(NODATA_ID + 1, np.int64)
        sums = np.zeros(NODATA_ID + 1, np.int64)
        np.add.at(counts, self._class_ids, self._counts)
        np.add.at(sums, self._class_ids, self._sums)
        means = np.full(len(counts), np.nan)
        np.divide(sums, counts * PERCENT, out=means, where=counts > 0)
        return means
